"""A list of lines with a cursor: every pane but the terminal is one.

Rows have a key; when the rows change the cursor stays with its key, and only lines that look
different are drawn again, so a pane that is asked for four times a second does not flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip


class Row(NamedTuple):
    """One line.  ``item``: what it shows, for whoever wants to know more; None for a heading."""

    key: object
    text: Text
    item: Any = None  # Any: a plain description, as JSON gave it


class Listing(ScrollView, can_focus=True):
    """``heading``: a line of column names that stays.  ``following``: the cursor keeps to the end.

    ``selects``: a click chooses, and only a second one opens; elsewhere every click opens.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "listing--cursor", "listing--heading", "listing--here",
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", key_display="↵"),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "edge(0)", "first", show=False),
        Binding("end", "edge(1)", "last", show=False),
        Binding("left,h", "side(-1)", "left", show=False),
        Binding("right,l", "side(1)", "right", show=False),
    ]

    class AboutRow(Message):
        """Something has to do with a row."""

        def __init__(self, listing: Listing, row: Row) -> None:
            super().__init__()
            self.listing = listing
            self.row = row

        @property
        def control(self) -> Listing:
            """For ``textual.on``."""
            return self.listing

    class Opened(AboutRow):
        """Enter, or a click on the line of the cursor."""

    class Moved(AboutRow):
        """The cursor is on another row."""

    def __init__(
        self,
        name: str,
        *,
        heading: str = "",
        classes: str = "pane",
        following: bool = False,
        selects: bool = False,
    ) -> None:
        super().__init__(id=name, classes=classes)
        self.heading = heading
        self.following = following
        self.selects = selects
        self._rows: list[Row] = []
        self._places: dict[object, int] = {}
        self._strips: dict[int, Strip] = {}
        self.cursor = 0
        self._widest = 0

    # -- rows ------------------------------------------------------------------------------------

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown."""
        return self._rows

    @property
    def current(self) -> Row | None:
        """The row of the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def set_rows(self, rows: list[Row]) -> None:
        """Show these; the cursor stays with its row, or near where that was."""
        key = self._rows[self.cursor].key if self.cursor < len(self._rows) else None
        before, self._rows = self._rows, rows
        self._places = {row.key: place for place, row in enumerate(rows)}
        cursor = self._places.get(key, min(self.cursor, max(0, len(rows) - 1)))
        if self.following:
            cursor = max(0, len(rows) - 1)
        cursor = self._next_item(cursor, 1)
        moved, self.cursor = cursor != self.cursor, cursor
        self._redraw(before, moved)

    def _redraw(self, before: list[Row], moved: bool) -> None:
        """Draw what differs."""
        self._widest = max((row.text.cell_len for row in self._rows), default=0)
        self._resize()
        if moved or len(before) != len(self._rows):
            self._strips.clear()
            self.refresh()
            return
        for place, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old.text != new.text or old.text.spans != new.text.spans:
                self._strips.pop(place, None)
                self._refresh_row(place)

    def _refresh_row(self, place: int) -> None:
        line = place + self._top - self.scroll_offset.y
        if self._top <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    @property
    def _top(self) -> int:
        return 1 if self.heading else 0

    def _resize(self) -> None:
        width = max(self._widest, len(self.heading))
        size = Size(width, len(self._rows) + self._top)
        if size != self.virtual_size:
            self.virtual_size = size
        self._follow()

    def _follow(self) -> None:
        """The end stays in view; its place is known when the layout is."""
        if self.following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
            self.call_after_refresh(self.scroll_end, animate=False, x_axis=False)

    def on_resize(self, event: events.Resize) -> None:
        """The end stays in view where it is followed."""
        self._follow()

    def append(self, rows: Sequence[Row], limit: int) -> None:
        """More at the end; beyond ``limit`` the oldest go."""
        if not rows:
            return
        first = len(self._rows)
        self._rows.extend(rows)
        dropped = max(0, len(self._rows) - limit)
        if dropped:
            del self._rows[:dropped]
            self.cursor = max(0, self.cursor - dropped)
            self._places = {row.key: place for place, row in enumerate(self._rows)}
            self._strips.clear()
        else:
            self._places.update({row.key: first + n for n, row in enumerate(rows)})
        self._widest = max(self._widest, *(row.text.cell_len for row in rows))
        if self.following:
            self._strips.pop(self.cursor, None)
            self.cursor = len(self._rows) - 1
        self._resize()
        self.refresh()

    def replace(self, row: Row) -> bool:
        """Another text for the row with that key; False if it is not there."""
        place = self._places.get(row.key)
        if place is None:
            return False
        self._rows[place] = row
        self._widest = max(self._widest, row.text.cell_len)
        self._strips.pop(place, None)
        self._refresh_row(place)
        return True

    def clear(self) -> None:
        """No rows."""
        self.set_rows([])

    # -- drawing ---------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """The heading, or the row that the scroll bar puts there."""
        width, left = self.size.width, self.scroll_offset.x
        if self.heading and y == 0:
            style = self.get_component_rich_style("listing--heading")
            strip = Strip([Segment(self.heading, style)])
            return strip.crop_extend(left, left + width, style)
        place = y - self._top + self.scroll_offset.y
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._strip(place).crop_extend(left, left + width, self._base(place))

    def _base(self, place: int) -> Style:
        if place != self.cursor or self._rows[place].item is None:
            return self.rich_style
        name = "listing--cursor" if self.has_focus else "listing--here"
        return self.get_component_rich_style(name)

    def _strip(self, place: int) -> Strip:
        found = self._strips.get(place)
        if found is None:
            base = self._base(place)
            segments = self._rows[place].text.render(self.app.console)
            found = Strip(
                Segment(segment.text, base + segment.style if segment.style else base)
                for segment in segments
            )
            if len(self._strips) > 2000:
                self._strips.clear()
            self._strips[place] = found
        return found

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._strips.clear()

    # -- the cursor ------------------------------------------------------------------------------

    def _next_item(self, place: int, step: int) -> int:
        """The nearest row in that direction that is no heading, else the other way."""
        for direction in (step, -step):
            here = place
            while 0 <= here < len(self._rows):
                if self._rows[here].item is not None:
                    return here
                here += direction
        return place

    def move_to(self, place: int, step: int = 1) -> None:
        """Put the cursor there."""
        if not self._rows:
            return
        place = self._next_item(max(0, min(place, len(self._rows) - 1)), step)
        old, self.cursor = self.cursor, place
        if self.following and place < len(self._rows) - 1:
            self.following = False
        for changed in (old, place):
            self._strips.pop(changed, None)
            self._refresh_row(changed)
        self._show_cursor()
        if old != place:
            self.post_message(self.Moved(self, self._rows[place]))

    def _show_cursor(self) -> None:
        height = self.size.height - self._top
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def select(self, key: object) -> None:
        """Put the cursor on the row with a key, if it is there."""
        if key in self._places:
            self.move_to(self._places[key])

    def action_move(self, step: int) -> None:
        """Up or down."""
        self.move_to(self.cursor + step, step)

    def action_page(self, direction: int) -> None:
        """A page up or down."""
        self.move_to(self.cursor + direction * max(1, self.size.height - self._top - 1), direction)

    def action_edge(self, end: int) -> None:
        """First or last; at the end, new rows are followed again if that was so before."""
        self.move_to(len(self._rows) - 1 if end else 0, -1 if end else 1)
        if end and self.id == "calls":
            self.following = True

    def action_side(self, direction: int) -> None:
        """Half a pane to the left or right: the rest of long lines."""
        self.scroll_relative(
            x=direction * max(1, self.size.width // 2), animate=False, immediate=True
        )

    def action_open(self) -> None:
        """Fields and source."""
        row = self.current
        if row is not None and row.item is not None:
            self.post_message(self.Opened(self, row))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor and opens the object; see ``selects``."""
        inside = event.get_content_offset(self)
        if inside is None or inside.y < self._top:
            return
        place = inside.y - self._top + self.scroll_offset.y
        if place >= len(self._rows):
            return
        if self._rows[place].item is None:
            return
        again = place == self.cursor
        self.move_to(place)
        if again or not self.selects:
            self.action_open()

    def on_focus(self) -> None:
        """The cursor is bright."""
        self._strips.pop(self.cursor, None)
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        """The cursor is dim."""
        self._strips.pop(self.cursor, None)
        self._refresh_row(self.cursor)
