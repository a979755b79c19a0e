"""The guest's terminal as a pane: pyte keeps the screen, this draws the lines that changed.

Every key goes to the guest while the pane has the focus, but one: Ctrl-] leaves it, as telnet(1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final
from unicodedata import combining

import pyte
from pyte.screens import Char, wcwidth
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tools.inspector.keys import to_bytes

MOST_MARKS: Final = 8
"""Accents and such on one character."""
_WHEEL: Final = 3
"""Lines that one turn of the wheel scrolls."""
HISTORY: Final = 2000
"""Lines that have scrolled out and can be looked at with the wheel."""
_CURSOR_KEYS: Final = 1 << 5  # DECCKM among pyte's private modes
_BRACKETED_PASTE: Final = 2004 << 5
_BRIGHT: Final = {  # pyte's names, its misprint among them
    "brown": "yellow",
    "brightbrown": "bright_yellow",
    "bfightmagenta": "bright_magenta",
}


class GuestScreen(pyte.Screen):
    """pyte's screen; what it answers to the program (where is the cursor?) goes to ``reply``.

    ``past``: lines that have scrolled out at the top.  pyte's own HistoryScreen watches every
    access to an attribute and takes three times as long.
    """

    def __init__(self, columns: int, lines: int, reply: Callable[[bytes], None]) -> None:
        self._reply = reply
        self.past: deque[Mapping[int, Char]] = deque(maxlen=HISTORY)
        super().__init__(columns, lines)

    def index(self) -> None:
        """A line feed; at the bottom of the whole screen the first line becomes the past."""
        margins = self.margins
        whole = margins is None or (margins.top == 0 and margins.bottom == self.lines - 1)
        if whole and self.cursor.y == self.lines - 1:
            self.past.append(self.buffer[0])
        super().index()

    def write_process_input(self, data: str) -> None:
        """An answer to a question of the program's."""
        self._reply(data.encode())

    def draw(self, data: str) -> None:
        """Characters to show.  Behind one without a place of its own pyte forgets the rest, and it
        would pile up marks on one character for ever.
        """
        super().draw(data if data.isascii() else _with_places(data))

    def report_device_status(self, mode: int, **_private: bool) -> None:
        """pyte stumbles over a private one."""
        super().report_device_status(mode)


class GuestStream(pyte.ByteStream):
    """pyte's parser.  A sequence that it or the screen stumbles over (``CSI 5 K``) is passed over,
    as one that is unknown; what follows is shown.
    """

    def _send_to_parser(self, data: str) -> bool | None:
        try:
            taking_text: bool | None = super()._send_to_parser(data)
        except Exception:  # noqa: BLE001  # whatever a guest writes; the parser has begun anew
            return self._taking_plain_text
        return taking_text


def _with_places(data: str) -> str:
    kept = []
    marks = 0
    for char in data:
        marks = marks + 1 if combining(char) else 0
        if wcwidth(char) > 0 or 0 < marks <= MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def colour(name: str, *, bold: bool = False) -> str | None:
    """pyte's name of a colour as rich's; None for the default."""
    if name == "default":
        return None
    name = _BRIGHT.get(name, name)
    if len(name) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return f"#{name}"
    if name.startswith("bright") and not name.startswith("bright_"):
        return f"bright_{name[6:]}"
    return name


def style_of(char: Char) -> Style:
    """How a character looks."""
    return Style(
        color=colour(char.fg),
        bgcolor=colour(char.bg),
        bold=char.bold,
        italic=char.italics,
        underline=char.underscore,
        strike=char.strikethrough,
        reverse=char.reverse,
    )


class Terminal(Widget, can_focus=True):
    """``on_keys`` takes what is typed (None: nobody listens); ``Resized`` tells the new size."""

    class Resized(Message):
        """The pane has another size, in cells."""

        def __init__(self, rows: int, columns: int) -> None:
            super().__init__()
            self.rows = rows
            self.columns = columns

    def __init__(self, name: str, *, fixed: bool = False) -> None:
        super().__init__(id=name, classes="pane")
        self.on_keys: Callable[[bytes], None] | None = None
        self._fixed = fixed
        self._screen = GuestScreen(80, 24, self.send)
        self._stream = GuestStream(self._screen)
        self._styles: dict[tuple[object, ...], Style] = {}
        self._back = 0  # how many lines of the past are in view
        self._top = 0  # of a mirrored screen that is larger than the pane: its first line here
        self.placeholder = ""

    # -- the screen ------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The program shows something."""
        before = self._screen.cursor.y
        self._stream.feed(data)
        changed = {before, self._screen.cursor.y, *self._screen.dirty}
        self._screen.dirty.clear()
        if self._fixed or len(changed) > self.size.height // 2:
            self._top = max(0, self._screen.cursor.y - self.size.height + 1) if self._fixed else 0
            self.refresh()
        else:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in sorted(changed)))

    def clear(self) -> None:
        """Begin with an empty screen."""
        self._screen.reset()
        self.refresh()

    @property
    def lines(self) -> list[str]:
        """What can be read, line by line."""
        buffer, columns = self._screen.buffer, range(self._screen.columns)
        return ["".join(buffer[y][x].data for x in columns) for y in range(self._screen.lines)]

    def on_resize(self, event: events.Resize) -> None:
        """The screen gets the size of the pane; a mirrored one keeps the machine's."""
        rows, columns = self.size.height, self.size.width
        if not self._fixed and rows and columns:
            self.set_size(rows, columns)
            self.post_message(self.Resized(rows, columns))

    def set_size(self, rows: int, columns: int) -> None:
        """The screen's size in characters."""
        if (rows, columns) != (self._screen.lines, self._screen.columns):
            self._screen.resize(rows, columns)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line: runs of characters that look alike."""
        width = self.size.width
        if self.placeholder:
            text = self.placeholder.center(width) if y == self.size.height // 2 else ""
            style = self.rich_style
            return Strip([Segment(text, style + Style(dim=True))]).adjust_cell_length(width, style)
        line = y + self._top - self._back
        if line >= self._screen.lines:
            return Strip.blank(width, self.rich_style)
        segments = self._segments(line)
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _segments(self, y: int) -> list[Segment]:
        cells = self._screen.buffer[y] if y >= 0 else self._screen.past[y]
        cursor = self._screen.cursor
        shown = self.has_focus and not self._back and not cursor.hidden and cursor.y == y
        found: list[Segment] = []
        text, last = "", None
        for x in range(self._screen.columns):
            char = cells[x]
            here = shown and x == cursor.x
            key = (char.fg, char.bg, char.bold, char.italics, char.underscore,
                   char.strikethrough, char.reverse, here)  # fmt: skip
            if key != last and text:
                found.append(Segment(text, self._styles[last]))  # type: ignore[index]
                text = ""
            if key not in self._styles:
                style = self.rich_style + style_of(char)
                self._styles[key] = style + Style(reverse=not char.reverse) if here else style
            text, last = text + char.data, key
        if text and last is not None:
            found.append(Segment(text, self._styles[last]))
        return found

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as there is room."""
        return container.width

    # -- keys ------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """To the program."""
        if self.on_keys is not None and data:
            self.on_keys(data)

    async def on_key(self, event: events.Key) -> None:
        """Every key is the guest's, but the one that the screen takes before it comes here."""
        if self.on_keys is None:
            return
        event.stop()
        event.prevent_default()
        application = _CURSOR_KEYS in self._screen.mode
        self._scroll_back(0)
        self.send(to_bytes(event.key, event.character, application=application))

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text; programs that asked for it hear where it begins and ends."""
        event.stop()
        data = event.text.replace("\n", "\r").encode()
        if _BRACKETED_PASTE in self._screen.mode:
            data = b"\x1b[200~" + data + b"\x1b[201~"
        self.send(data)

    def on_click(self, event: events.Click) -> None:
        """A click takes the focus."""
        self.screen.set_focus(self)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Back into what has scrolled out."""
        event.stop()
        self._scroll_back(self._back + _WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Forward again."""
        event.stop()
        self._scroll_back(self._back - _WHEEL)

    def _scroll_back(self, lines: int) -> None:
        """Show what is so many lines above the screen."""
        back = max(0, min(lines, len(self._screen.past)))
        if back != self._back:
            self._back = back
            self.refresh()

    def on_focus(self) -> None:
        """The cursor shows, and the keys of the screen do not."""
        self.refresh()
        self.call_after_refresh(self.app.refresh_bindings)

    def on_blur(self) -> None:
        """It does not, and they do."""
        self.refresh()
        self.call_after_refresh(self.app.refresh_bindings)
