"""What ends a run before the program can, each with diorama's own exit status.

The statuses are those of env(1), timeout(1) and docker: 127 for a program that is not there, 126
for one that cannot be run, 125 for a mistake of ours or of the command line.  The command line
prints the message as one line that begins with ``diorama: `` and exits with ``status``.
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_TIMEOUT: Final = 124
EXIT_USAGE: Final = 125
EXIT_CANNOT_RUN: Final = 126
EXIT_NOT_FOUND: Final = 127


class DioramaError(Exception):
    """A run that cannot take place; the message is one line for the user."""

    status: ClassVar[int] = EXIT_USAGE


class CannotRun(DioramaError):
    """The program is there and cannot be run: no ELF and no ``#!``, another CPU, a directory."""

    status: ClassVar[int] = EXIT_CANNOT_RUN


class ProgramNotFound(DioramaError):
    """No file of that name."""

    status: ClassVar[int] = EXIT_NOT_FOUND
