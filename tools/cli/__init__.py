"""The command line: ``diorama run``, ``trace``, ``stats``, ``shell``, ``syscalls``.

It turns words into a :class:`tools.config.RunConfig` and has it executed; it knows nothing of the
kernel.  The tables in ``run_options`` and ``trace_options`` say everything about the options;
``options`` is the parser, ``values`` reads sizes, volumes and the like, ``help`` prints the tables,
``messages`` is the one way anything of ours reaches stderr, ``execute`` leads to the machine.
"""

from __future__ import annotations

from tools.cli.entry import main

__all__ = ["main"]
