"""One object in full: its fields, and the lines of Python that implement it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from rich.syntax import Syntax
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Label, Static

from tools.inspector.protocol import Message
from tools.inspector.rows import BOLD, DIM, NAME, NUMBER, Plain, first, visible

_HEXADECIMAL = frozenset(
    "address start end entry physical handler sp ra table frame sa_handler".split()
)


def field_lines(value: Any, name: str = "", depth: int = 0) -> Iterable[Text]:
    """A description as lines, ``name value``; what is inside is indented."""
    indent = "  " * depth
    if isinstance(value, dict):
        if name:
            yield Text(f"{indent}{name}", BOLD)
        for key, inner in value.items():
            if key != "implemented_by":
                yield from field_lines(inner, key, depth + bool(name))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        yield Text(f"{indent}{name}", BOLD)
        for number, inner in enumerate(value):
            yield from field_lines(inner, _label(inner, number), depth + 1)
    else:
        line = first(f"{indent}{name:<{max(1, 16 - len(indent))}} ", DIM)
        yield line.append_text(_value_text(name, value))


def _label(value: Any, number: int) -> str:
    """What to call an entry of a list."""
    if isinstance(value, dict):
        return str(value.get("level") or value.get("name") or value.get("tid") or number)
    return str(number)


def _value_text(name: str, value: Any) -> Text:
    match value:
        case None:
            return Text("none", DIM)
        case bool():
            return Text("yes" if value else "no", NAME)
        case int() if name in _HEXADECIMAL:
            return Text(f"{value:#x}", NUMBER)
        case int() | float():
            return Text(str(value), NUMBER)
        case list():
            return Text(", ".join(visible(str(inner)) for inner in value) or "none")
        case _:
            return Text(visible(str(value)))


class Details(ModalScreen[None]):
    """``title``; ``fields``: descriptions by heading; ``source``: what ``describe.source`` says."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "app.pop_screen", "back", key_display="esc"),
        Binding("tab", "app.focus_next", "fields, source"),
        Binding("question_mark", "app.help", "help", show=False),
    ]

    def __init__(self, title: str, fields: Plain, source: Message | None, why: str) -> None:
        super().__init__()
        self._title = title
        self._fields = fields
        self._source = source
        self._why = why

    def compose(self) -> ComposeResult:
        """Fields on the left, source on the right; one above the other where it is narrow."""
        lines = Text("\n").join(field_lines(self._fields))
        yield Label(self._title, id="title", markup=False)
        with Horizontal(id="halves"):
            with VerticalScroll(id="fields"):
                yield Static(lines, id="fields-text")
            with VerticalScroll(id="source"):
                yield Static(self._source_text(), id="source-text")
        yield Footer()

    def on_mount(self) -> None:
        """The names of the two halves."""
        self.query_one("#fields").border_title = "fields"
        self.query_one("#source").border_title = self.where
        if self._source is not None:
            top = self._source["first"] - 3
            self.call_after_refresh(self.query_one("#source").scroll_to, y=top, animate=False)

    @property
    def where(self) -> str:
        """Module and line of the source."""
        if self._source is None:
            return "source"
        return f"{self._source['module']}:{self._source['first']}"

    def _source_text(self) -> Syntax | Text:
        if self._source is None:
            return Text(self._why, DIM)
        lines = range(self._source["first"], self._source["last"] + 1)
        return Syntax(
            self._source["whole"],
            "python",
            theme="monokai",
            line_numbers=True,
            highlight_lines=set(lines),
            background_color=self.app.get_css_variables()["background"],
        )
