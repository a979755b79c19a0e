"""From a run's configuration to a debugging session and its exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.boot import boot
from tools.console import breaking, changing, examining, objects, python, running
from tools.console.console import DebugConsole
from tools.console.input import Lines, Output

if TYPE_CHECKING:
    from tools.config import DebugOptions, RunConfig

FAMILIES = (breaking, running, objects, examining, changing, python)
"""Importing them declares the commands."""


def debug(config: RunConfig, options: DebugOptions) -> int:
    """Boot, stop before the first instruction, serve the user; what diorama exits with."""
    session = boot(config)
    try:
        DebugConsole(session, Lines(options.commands, scripted=options.scripted), Output())
    except BaseException:
        session.close()
        raise
    return session.run()
