"""The page walk of one address: how its bits pick an entry in each of four tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.notebook.svg import BLUE, GREEN, GREY, ORANGE, RED, VIOLET, Canvas, framed

if TYPE_CHECKING:
    from kernel.machine.describe.memory import PageWalk, TableEntry

_COLOURS: Final = (BLUE, GREEN, ORANGE, VIOLET)
_TABLE: Final = 150.0
_STEP: Final = 190.0
_HEIGHT: Final = 150.0
_TOP: Final = 96.0
_NAMES: Final = ("PGD", "PUD", "PMD", "PTE")
_FLAGS: Final = {
    "r": "read", "w": "write", "x": "execute", "c": "copy-on-write", "a": "accessed",
    "d": "dirty", "s": "shared mapping",
}  # fmt: skip


def flag_words(letters: str) -> str:
    """``rw---d-`` in words."""
    return ", ".join(_FLAGS[letter] for letter in letters if letter in _FLAGS)


def walk_picture(walk: PageWalk) -> str:
    """As HTML with a picture."""
    canvas = Canvas(f"page walk of {walk.address:#x}")
    _address(canvas, walk.address)
    for place, entry in enumerate(walk.levels):
        _table(canvas, place, entry)
    for place in range(len(walk.levels), 4):
        x = 10 + place * _STEP
        canvas.box(x, _TOP, _TABLE, _HEIGHT, GREY, strength=0.05, dashed=True)
        canvas.text(x + 8, _TOP + 18, f"{_NAMES[place]}: not there", faint=True)
    _frame(canvas, walk)
    return framed(f"Page walk of {walk.address:#x} in task {walk.tid}", canvas.render(),
                  walk.verdict)  # fmt: skip


def _address(canvas: Canvas, address: int) -> None:
    """The address as five fields, each above the table it is for."""
    for place, shift in enumerate((39, 30, 21, 12)):
        x = 10 + place * _STEP
        slot = address >> shift & 511
        canvas.text(x, 14, f"bits {shift + 8}..{shift}", size=10, faint=True)
        canvas.box(x, 20, _TABLE, 26, _COLOURS[place], strength=0.3)
        canvas.text(x + _TABLE / 2, 37, f"{slot:09b} = {slot}", anchor="middle")
        canvas.line([(x + _TABLE / 2, 46), (x + _TABLE / 2, _TOP - 2)], _COLOURS[place], arrow=True,
                    dashed=True)  # fmt: skip
    x = 10 + 4 * _STEP
    canvas.text(x, 14, "bits 11..0", size=10, faint=True)
    canvas.box(x, 20, _TABLE, 26, RED, strength=0.3)
    canvas.text(x + _TABLE / 2, 37, f"offset {address & 0xFFF:#x}", anchor="middle")


def _table(canvas: Canvas, place: int, entry: TableEntry) -> None:
    x, colour = 10 + place * _STEP, _COLOURS[place]
    canvas.box(x, _TOP, _TABLE, _HEIGHT, colour, strength=0.1,
               title=f"{entry.used} of 512 entries are present")  # fmt: skip
    canvas.text(x + 8, _TOP + 18, entry.level, bold=True)
    canvas.text(x + _TABLE - 8, _TOP + 18, f"frame {entry.table:#x}", size=10, anchor="end",
                faint=True)  # fmt: skip
    canvas.text(x + 8, _TOP + _HEIGHT - 8, f"{entry.used} of 512 used", size=10, faint=True)
    y = _TOP + 30 + (_HEIGHT - 76) * entry.slot / 511
    canvas.box(x + 4, y, _TABLE - 8, 24, colour if entry.present else RED, strength=0.45,
               dashed=not entry.present)  # fmt: skip
    shown = f"[{entry.slot}] {entry.entry:#x}" if entry.present else f"[{entry.slot}] empty"
    canvas.text(x + 10, y + 16, shown, size=11)
    if entry.present:
        canvas.line([(x + _TABLE - 4, y + 12), (x + _STEP - 14, y + 12),
                     (x + _STEP - 14, _TOP + 12), (x + _STEP, _TOP + 12)],
                    colour, arrow=True)  # fmt: skip


def _frame(canvas: Canvas, walk: PageWalk) -> None:
    x = 10 + 4 * _STEP
    colour = RED if walk.frame else GREY
    canvas.box(x, _TOP, _TABLE + 50, _HEIGHT, colour, strength=0.12, dashed=not walk.frame)
    if not walk.frame or walk.physical is None:
        canvas.text(x + 8, _TOP + 18, "no frame", faint=True)
        return
    area = walk.area
    lines = (
        f"frame {walk.frame:#x}", f"physical {walk.physical:#x}", f"references {walk.references}",
        walk.flags, "code was translated" if walk.code else "", area.name if area else "",
    )  # fmt: skip
    y = _TOP + 18
    for place, line in enumerate(text for text in lines if text):
        canvas.text(x + 8, y, line[:26], bold=not place, size=11)
        y += 17
    words, line = flag_words(walk.flags).split(", "), ""
    for word in words:
        if line and len(line) + len(word) > 28:
            canvas.text(x + 8, y, line, size=10, faint=True)
            y, line = y + 14, ""
        line = f"{line}, {word}" if line else word
    canvas.text(x + 8, y, line, size=10, faint=True)
