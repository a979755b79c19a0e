"""Who watches a run: the tracer and the statistics, as the configuration asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from tools.config import RunConfig


class Watchers:
    """Attached before the first instruction; ``finish`` writes what they have to say."""

    def __init__(self, config: RunConfig, machine: Machine) -> None:
        self._config = config
        self._machine = machine

    def toggle_trace(self) -> None:
        """SIGUSR1 to diorama: tracing on or off."""

    def finish(self) -> None:
        """The run is over: statistics, the rest of the trace."""
