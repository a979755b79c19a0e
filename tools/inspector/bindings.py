"""The keys of the view, outside the guest's terminal; the footer and the help show them."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding

PANES: Final = ("calls", "tasks", "files", "memory", "waits", "kernel")
"""By number: 1 is calls."""

BINDINGS: Final = (
    # Before anybody else, so that a key typed at once behind it is ours, too.
    Binding(
        "ctrl+right_square_bracket",
        "leave",
        "leave the terminal",
        key_display="^]",
        priority=True,
    ),
    Binding("p", "pause", "pause"),
    Binding("s", "step", "step"),
    Binding("S", "step_task", "step task", show=False),
    Binding("slash", "filter", "filter", key_display="/"),
    Binding("t", "terminal", "type"),
    Binding("f", "follow", "follow", show=False),
    Binding("e", "more_events", "more events", show=False),
    Binding("z", "zoom", "zoom"),
    *(Binding(str(n), f"pane('{name}')", name, show=False) for n, name in enumerate(PANES, 1)),
    Binding("question_mark", "help", "help", key_display="?"),
    Binding("q", "quit", "quit"),
)
