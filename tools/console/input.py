"""Where commands come from, and where answers go.

Commands given by ``-ex`` and ``-x`` come first.  Then, on a terminal, the user is asked, with
line editing, history and completion; elsewhere lines are read from stdin, byte by byte, so that
what stands behind a ``continue`` is still there for the program.  A run with ``-ex`` or ``-x`` and
no terminal takes no commands from stdin: that is the program's alone.

Answers go to stderr, as everything of ours; stdout is the program's.
"""

from __future__ import annotations

import os
import select
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel.views.terminal.host_terminal import line_end

if TYPE_CHECKING:
    from tools.boot.session import Session
    from tools.console.console import DebugConsole

PROMPT = "(diorama) "
LONGEST_LINE = 1 << 16
"""Of stdin; what has longer ones (/dev/zero) holds no commands."""
DUMB = ("dumb", "unknown", "")
"""Terminals that can only print: the host's line discipline edits."""


class Output:
    """stderr; a reader that goes away loses what is left, and nothing else."""

    def write(self, text: str) -> None:
        """Everything at once, so that it stays in order with what the program writes."""
        data = text.encode("utf-8", "surrogateescape").replace(b"\n", line_end(2))
        with suppress(OSError):
            while data:
                try:
                    data = data[os.write(2, data) :]
                except BlockingIOError:  # the caller's own setting, which we leave alone
                    select.select([], [2], [])


class Lines:
    """The lines of a session, in order.  ``repeats``: an empty line means the one before."""

    def __init__(self, given: Iterable[str], *, scripted: bool) -> None:
        self._given = deque(given)
        self._scripted = scripted
        self._terminal = is_interactive()
        self._prompt: Any = None  # Any: a PromptSession, made when first needed
        self._plain = os.environ.get("TERM", "dumb") in DUMB
        self.repeats = False

    def read(self, console: DebugConsole) -> str | None:
        """The next line; None at the end."""
        if self._given:
            self.repeats = False
            return self._given.popleft()
        self.repeats = True
        if self._terminal:
            return self._ask(console)
        return None if self._scripted else self._from_stdin(console)

    def _ask(self, console: DebugConsole) -> str | None:
        if self._plain:
            console.output.write(PROMPT)
            return self._from_stdin(console)
        if self._prompt is None:
            self._prompt = _make_prompt(console)
        try:
            line: str = self._prompt.prompt(PROMPT)
        except EOFError:
            return None
        except OSError as error:  # the history's file, most likely
            console.complain(f"line editing: {error.strerror}; plain lines from now on")
            self._plain = True
            return ""
        return line

    def _from_stdin(self, console: DebugConsole) -> str | None:
        line = _line_of_stdin()
        if line is not None and len(line) >= LONGEST_LINE:
            console.complain(f"stdin: a line of more than {LONGEST_LINE} bytes ends the session")
            return None
        return line

    def settings(self) -> Callable[[], None]:
        """What sets the terminal as it is now, should a signal tear the user from the prompt."""
        if not self._terminal:
            return lambda: None
        try:
            saved = termios.tcgetattr(0)
        except termios.error:  # it has hung up
            return lambda: None

        def restore() -> None:
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
            if self._prompt is not None:
                self._prompt.output.disable_bracketed_paste()
                self._prompt.output.show_cursor()
                self._prompt.output.flush()

        return restore

    def pending_output(self, session: Session) -> None:
        """What the program has written appears before what we say."""
        if session.console is not None:
            session.console.flush()


def is_interactive() -> bool:
    """Is there somebody to ask?"""
    try:
        return os.isatty(0) and os.isatty(2)
    except OSError:
        return False


def history_file() -> Path:
    """Where typed lines are kept: the XDG base directory specification's place for state."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return root / "diorama" / "debug_history"


def _line_of_stdin() -> str | None:
    """One line and not a byte more; None at the end, or if stdin is closed."""
    found = bytearray()
    while not found.endswith(b"\n") and len(found) < LONGEST_LINE:
        try:
            byte = os.read(0, 1)
        except BlockingIOError:
            select.select([0], [], [])
            continue
        except OSError:
            byte = b""
        if not byte:
            break
        found += byte
    return found.decode("utf-8", "surrogateescape").rstrip("\n") if found else None


def _make_prompt(console: DebugConsole) -> Any:  # Any: see Lines
    # Only who sits at a terminal needs it, and it takes 80 ms to load.
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.output.vt100 import Vt100_Output

    from tools.console.complete import candidates

    class Words(Completer):
        """The commands' own completers."""

        def get_completions(self, document: Any, event: Any) -> Iterator[Completion]:
            """What the word at the cursor may become."""
            before = document.text_before_cursor
            word = before.rsplit(" ", 1)[-1]
            for text in candidates(console, before):
                yield Completion(text, start_position=-len(word))

    def history() -> History:
        path = history_file()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab"):
                pass
        except OSError:
            return InMemoryHistory()
        return FileHistory(str(path)) if path.is_file() else InMemoryHistory()

    screen = Vt100_Output.from_pty(sys.stderr, term=os.environ.get("TERM"))
    # It would ask the terminal for the cursor's place; a late answer would be the program's input.
    screen.enable_cpr = False
    return PromptSession(
        completer=Words(),
        history=history(),
        output=screen,
        complete_while_typing=False,
        enable_suspend=True,
    )
