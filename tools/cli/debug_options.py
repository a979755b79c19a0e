"""The options of ``debug``: where commands come from, and run's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tools.cli.options import Option, UsageError
from tools.cli.run_options import RUN_OPTIONS, RunDraft
from tools.config import DebugOptions, RunConfig


@dataclass(slots=True)
class DebugDraft(RunDraft):
    """A run under the console."""

    commands: list[str] = field(default_factory=list)
    scripted: bool = False

    def finish(self, command: str, words: Sequence[str]) -> RunConfig:
        """See RunDraft."""
        if self.gdb is not None:
            raise UsageError(f"{command}: one debugger is enough; gdb connects to diorama run -g")
        options = DebugOptions(tuple(self.commands), self.scripted)
        return replace(RunDraft.finish(self, command, words), debug=options)


def _script(draft: DebugDraft, value: str) -> None:
    draft.scripted = True
    try:
        with open(value, encoding="utf-8", errors="surrogateescape") as file:
            draft.commands += file.read().splitlines()
    except OSError as error:
        raise ValueError(f"{value}: {error.strerror}") from None


def _command(draft: DebugDraft, value: str) -> None:
    draft.scripted = True
    draft.commands.append(value)


DEBUG_OPTIONS: Final[tuple[Option[DebugDraft], ...]] = (
    Option(("-x",), "FILE", "take commands from a file, a line each", _script),
    Option(("-ex", "--command"), "COMMAND", "do this first; may be repeated", _command),
    *RUN_OPTIONS,
)
