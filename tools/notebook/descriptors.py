"""A descriptor table: descriptors on the left, open files in the middle, other holders right.

An open file is one box, however many descriptors lead to it: that is what dup(2) and fork(2) share,
position and flags included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.notebook.svg import BLUE, GREEN, GREY, ORANGE, VIOLET, Canvas, framed, shortened
from tools.notebook.svg import text_width as width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.machine.describe.files import Descriptor

ROW: Final = 38
_FD_WIDTH: Final = 58
_GAP: Final = 70
_COLOURS: Final = {
    "regular": BLUE, "directory": BLUE, "pipe": ORANGE, "socket": VIOLET, "character": GREEN,
}  # fmt: skip
_PATH_LIMIT: Final = 60
LEGEND: Final = "✕: closed by execve"


def descriptor_table(descriptors: Sequence[Descriptor], pid: int) -> str:
    """As HTML with a picture."""
    canvas = Canvas(f"descriptors of process {pid}")
    files: dict[int, list[Descriptor]] = {}
    for one in descriptors:
        files.setdefault(one.identity, []).append(one)
    middle = 10 + _FD_WIDTH + _GAP
    width = max((_box_width(ours[0]) for ours in files.values()), default=100)
    canvas.text(10, 14, f"pid {pid}", faint=True)
    canvas.text(middle, 14, "open files", faint=True)
    canvas.text(middle + width + _GAP, 14, "also held by", faint=True)
    top = 24.0
    for ours in files.values():
        top = _file(canvas, ours, pid, middle, width, top)
    note = LEGEND if any(one.cloexec for one in descriptors) else ""
    if not descriptors:
        note = "no descriptors: the process has ended"
    return framed(f"Descriptor table of process {pid}", canvas.render(), note)


def _box_width(one: Descriptor) -> float:
    return max(width_of(shortened(one.path, _PATH_LIMIT)), width_of(_facts(one), 10)) + 16


def _facts(one: Descriptor) -> str:
    facts = [one.kind, "|".join(one.flag_names)]
    if one.kind == "regular":
        facts.append(f"pos {one.pos}")
    facts += [f"{name} {value}" for name, value in one.details][:3]
    return ", ".join(facts)


def _file(
    canvas: Canvas, ours: list[Descriptor], pid: int, middle: float, width: float, top: float
) -> float:
    """One open file with all that leads to it; returns where the next begins."""
    one = ours[0]
    others = [holder for holder in one.shared if holder[0] != pid]
    rows = max(len(ours), len(others), 1)
    height = rows * ROW - 8
    colour = _COLOURS.get(one.kind, GREY)
    shared = len(ours) + len(others) > 1
    canvas.box(middle, top, width, height, colour, thick=shared, title=one.implemented_by)
    centre = top + height / 2
    canvas.text(middle + 8, centre - 2, shortened(one.path, _PATH_LIMIT))
    canvas.text(middle + 8, centre + 11, _facts(one), size=10, faint=True)
    for place, mine in enumerate(ours):
        y = top + (place + 0.5) * height / len(ours)
        canvas.box(10, y - 11, _FD_WIDTH, 22, GREY)
        canvas.text(10 + _FD_WIDTH / 2, y + 4, f"{mine.fd}{'✕' if mine.cloexec else ''}",
                    anchor="middle", bold=True)  # fmt: skip
        ends = [(10.0 + _FD_WIDTH, y), (middle, centre if len(ours) > 1 else y)]
        canvas.line(ends, colour, arrow=True, thick=shared)
    for place, (holder, fd) in enumerate(others):
        y = top + (place + 0.5) * height / len(others)
        x = middle + width + _GAP
        canvas.box(x, y - 11, 130, 22, GREY, dashed=True)
        canvas.text(x + 8, y + 4, f"pid {holder} fd {fd}")
        canvas.line([(x, y), (middle + width, centre)], colour, arrow=True, thick=True)
    return top + rows * ROW
