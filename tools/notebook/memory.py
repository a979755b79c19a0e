"""The memory map: a band per area, its rights as its colour, how much of it is there as a bar.

Areas differ by a factor of a million, so a band's height grows with the logarithm of the area's
size, and the free space between is a thin line that says how much it leaves out.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Final

from tools.notebook.svg import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Canvas,
    framed,
    shortened,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.machine.describe.memory import Area

_LEFT: Final = 142.0
_WIDTH: Final = 200.0
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_LEGEND: Final = (
    ("r--", BLUE, "read only"), ("r-x", GREEN, "code"), ("rw-", ORANGE, "data"),
    ("rwx", RED, "writable code"), ("---", GREY, "no rights"),
)  # fmt: skip


def size_text(size: int) -> str:
    """8 KiB, 1.5 MiB."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if value == int(value) else f"{value:.1f} {_UNITS[unit]}"


def rights_colour(perms: str) -> str:
    """The colour of a set of rights."""
    if "w" in perms:
        return RED if "x" in perms else ORANGE
    if "x" in perms:
        return GREEN
    return BLUE if "r" in perms else GREY


def memory_picture(areas: Sequence[Area], pid: int) -> str:
    """As HTML with a picture, the highest address at the top, as books draw it."""
    canvas = Canvas(f"memory map of process {pid}")
    x = _LEFT
    for perms, colour, word in _LEGEND:
        canvas.box(x, 4, 12, 12, colour, strength=0.45)
        canvas.text(x + 17, 14, f"{perms} {word}", size=10, faint=True)
        x += 32 + text_width(f"{perms} {word}", 10)
    y = 30.0
    above: Area | None = None
    for area in reversed(areas):
        if above is not None and above.start > area.end:
            y = _gap(canvas, above.start - area.end, y)
        y = _band(canvas, area, y)
        above = area
    present = sum(area.present for area in areas) * 4096
    total = sum(area.size for area in areas)
    note = f"{size_text(present)} of {size_text(total)} are in memory" if areas else "it has ended"
    return framed(f"Memory map of process {pid}", canvas.render(), note)


def _gap(canvas: Canvas, size: int, y: float) -> float:
    canvas.line([(_LEFT, y + 9), (_LEFT + _WIDTH, y + 9)], GREY, dashed=True)
    canvas.text(_LEFT + _WIDTH + 12, y + 13, f"{size_text(size)} free", size=10, faint=True)
    return y + 18


def _band(canvas: Canvas, area: Area, y: float) -> float:
    height = 20 + 3 * log2(area.pages + 1)
    colour = rights_colour(area.perms)
    title = (
        f"{area.start:#x}-{area.end:#x} {area.perms}: {area.present} of {area.pages} pages are "
        f"present, {area.dirty} dirty, {area.frames_shared} in shared frames"
    )
    canvas.box(_LEFT, y, _WIDTH, height - 2, colour, strength=0.16, title=title)
    part = area.present / area.pages if area.pages else 0
    if part:
        canvas.box(_LEFT, y, _WIDTH * part, height - 2, colour, strength=0.45, title=title)
    canvas.text(_LEFT - 8, y + height - 6, f"{area.start:#x}", size=10, anchor="end", faint=True)
    canvas.text(_LEFT + 6, y + height / 2 + 3, f"{area.perms} {size_text(area.size)}", size=11)
    name = shortened(area.name or "anonymous", 56)
    canvas.text(_LEFT + _WIDTH + 12, y + height / 2 + 3, name, faint=not area.name)
    return y + height
