"""The help screen."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

KEYS: Final = (
    ("p", "pause the machine, or let it go on"),
    ("s", "step: until the next system call that the filter shows has ended"),
    ("S", "the same for the selected task alone"),
    ("↵", "the object under the cursor: its fields, and the source that implements it"),
    ("/", "filter the calls, as strace -e:  %file   openat,read   !futex   status=failed"),
    ("f", "follow the end of the stream again"),
    ("e", "more events: page faults and switches, too"),
    ("t", "type into the guest's terminal; Ctrl-] leaves it"),
    ("1 … 6", "calls, tasks, files, memory, waits, kernel"),
    ("← →", "the rest of long lines;  ↑ ↓, page up and down, home, end: as everywhere"),
    ("tab", "the next pane;  shift+tab: the one before"),
    ("z", "this pane alone; again: all of them"),
    ("q", "quit; a program started from here ends, one attached to goes on"),
)
PANES: Final = (
    ("calls", "every system call as strace shows it; red: it failed, …: it has not returned yet"),
    ("tasks", "processes and threads; the selected one (▶) is shown by files and memory"),
    ("files", "its descriptors, and who shares the open file behind one"),
    ("memory", "its areas; THERE is what has a frame. ↵ shows the page walk"),
    ("waits", "who runs, who is next, who sleeps on what, and who could end that (←)"),
    ("kernel", "frames, futexes, pipes, sockets, mounts"),
)
MOUSE: Final = (
    "A click opens the object under it; in tasks it selects, and a second click opens. "
    "The wheel scrolls; in the terminal it goes back to what has scrolled out."
)


class Help(ModalScreen[None]):
    """Keys, panes, mouse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "app.pop_screen", "back", key_display="esc"),
    ]

    def compose(self) -> ComposeResult:
        """Two tables and a sentence."""
        with VerticalScroll(id="help"):
            yield Static(Text("Keys", style="bold"))
            yield Static(_table(KEYS))
            yield Static(Text("\nPanes", style="bold"))
            yield Static(_table(PANES))
            yield Static(Text(f"\n{MOUSE}"))
        yield Footer()


def _table(rows: tuple[tuple[str, str], ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_cyan", no_wrap=True)
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table
