"""``main``: from the words of the command line to an exit status."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import traceback
from collections.abc import Sequence

from tools.cli.commands import COMMANDS, Execute, print_help
from tools.cli.execute import execute as execute_run
from tools.cli.help import overview
from tools.cli.messages import complain, say, settle, show, use_utf8
from tools.cli.options import UsageError
from tools.errors import EXIT_USAGE, DioramaError
from tools.version import __version__

INTERRUPTED = 130  # 128 + SIGINT


def main(words: Sequence[str] | None = None, execute: Execute = execute_run) -> int:
    """Do what the command line says; returns the exit status."""
    use_utf8()
    try:
        return _dispatch(list(sys.argv[1:] if words is None else words), execute)
    except DioramaError as error:
        return complain(error)
    except BrokenPipeError:
        # Our own output (help, a table) lost its reader; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        say("out of memory")
        return EXIT_USAGE
    except Exception as error:  # noqa: BLE001 (the last door: nothing ends in a traceback)
        return _internal_error(error)
    finally:
        settle()


def _dispatch(words: list[str], execute: Execute) -> int:
    """Find the command and hand it the rest."""
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("--help", "help"):
        return print_help(rest[0]) if rest and rest[0] in COMMANDS else show(overview())
    if command in ("--version", "-V"):
        return show(f"diorama {__version__}\n")
    if command not in COMMANDS:
        kind = "option" if command.startswith("-") else "command"
        raise UsageError(f"unknown {kind} {command} ({_meant(command)}see diorama --help)")
    if rest[:1] == ["--help"]:
        return print_help(command)
    return COMMANDS[command](rest, execute)


def _meant(word: str) -> str:
    """A command that looks like it; what looks like a program is one for ``run``."""
    found = difflib.get_close_matches(word, COMMANDS, 1)
    if found:
        return f"{found[0]}? "
    program = word == "busybox" or "/" in word or shutil.which(word) is not None
    return f"a program? diorama run {word}; " if program else ""


def _internal_error(error: Exception) -> int:
    """A mistake of ours: one line for the user, the traceback for who asks for it."""
    if os.environ.get("DIORAMA_DEBUG"):
        traceback.print_exception(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(at.filename)}:{at.lineno}"
    say(
        f"internal error at {where}: {type(error).__name__}: {error} "
        "(DIORAMA_DEBUG=1 shows the traceback)"
    )
    return EXIT_USAGE
