"""The first line: what the machine is doing."""

from __future__ import annotations

from typing import Final

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from tools.inspector.protocol import Message
from tools.inspector.rows import seconds, size, visible

_STATES: Final = {
    "running": ("●", "running", Style(color="green", bold=True)),
    "paused": ("■", "paused", Style(color="bright_yellow", bold=True)),
    "stepping": ("▸", "stepping", Style(color="bright_cyan", bold=True)),
    "waiting": ("■", "waiting", Style(color="bright_yellow", bold=True)),
    "over": ("✝", "ended", Style(color="bright_red", bold=True)),
}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_SAMPLES: Final = 16


class StatusLine(Static):
    """``numbers``: the last answer to ``status``; the little picture is calls over time."""

    def __init__(self) -> None:
        super().__init__("", id="status")
        self.state = "waiting"
        self.program = ""
        self.ending = ""
        self._numbers: Message = {}
        self._memory: Message = {}
        self._rates: list[float] = []

    def hear(self, numbers: Message, memory: Message) -> None:
        """New numbers."""
        before, self._numbers = self._numbers, numbers
        self._memory = memory
        spent = numbers["uptime"] - before.get("uptime", numbers["uptime"])
        if spent > 0:
            made = numbers["calls"] - before["calls"]
            self._rates = [*self._rates, made * 1e9 / spent][-_SAMPLES:]
        self.show()

    def forget_rates(self) -> None:
        """Without the picture of calls over time."""
        self._rates.clear()
        self.show()

    def show(self) -> None:
        """Draw it."""
        sign, word, style = _STATES[self.state]
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f" {sign} {word} ", style)
        if self.ending:
            text.append(f"{self.ending} ")
        if self._numbers:
            text.append(f" {self._numbers['calls']} calls ")
            text.append(self._picture(), "bright_cyan")
            if self._rates:
                text.append(f" {self._rates[-1]:.0f}/s ")
            text.append(f" {self._numbers['tasks']} tasks ", "dim")
            text.append(f" {size(self._memory.get('used', 0) * 4096)} ", "dim")
            text.append(f" {seconds(self._numbers['uptime'])} ", "dim")
        text.append(f" {visible(self.program)} ", "bold")
        self.update(text)

    def _picture(self) -> str:
        top = max(self._rates, default=0) or 1
        return "".join(_BARS[min(8, round(rate * 8 / top))] for rate in self._rates)
