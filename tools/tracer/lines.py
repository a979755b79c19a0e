"""Lines and columns: who printed what where, and what must be said when another task interrupts.

One stream can carry several tasks.  A call is printed when it is entered and finished when it
returns; if another task prints in between, the line ends in `` <unfinished ...>`` and is taken up
later with ``<... read resumed>``.  After strace's ``printleader`` and ``line_ended``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

RESULT_COLUMN = 40
NS = 1_000_000_000
PRECISIONS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Digits behind the point."""


class Sink(Protocol):
    """Where text goes."""

    def write(self, text: str, /) -> object:
        """Take some text."""


@dataclass(slots=True)
class Prefix:
    """What stands before a line: pid and times; and where the result stands.

    ``absolute``: '' or a format, ``time`` or ``unix``, a dot, and a precision: ``time.us`` is
    ``-tt``.  ``relative``: a precision.  Precisions are those of strace: ``s ms us ns``.
    """

    pid_always: bool = False  # -f -o: the bare number
    pid_if_many: bool = False  # on the terminal: [pid N] from the second task on
    absolute: str = ""
    relative: str = ""
    column: int = RESULT_COLUMN


def _no_words(tid: int) -> str:
    return ""


class Lines:
    """One output stream.

    Invariants: ``printing`` is the task whose line is not ended, or None; ``column`` is how far
    that line has come.  ``_text`` is what has not been handed to the sink: never more than the
    pieces of one event, see ``flush``.  ``label`` gives what stands behind a pid.
    """

    __slots__ = (
        "_column", "_heads", "_last_stamp", "_now", "_plain", "_prefix", "_sink", "_text", "_where",
        "label", "printing", "tasks",
    )  # fmt: skip

    def __init__(
        self,
        sink: Sink,
        prefix: Prefix,
        now: Callable[[], int],
        where: Callable[[int], str] | None = None,
        label: Callable[[int], str] | None = None,
    ) -> None:
        self._where = where or _no_words
        self._sink = sink
        self._prefix = prefix
        self._now = now
        self._last_stamp: int | None = None
        self._column = 0
        self._text = ""
        self._heads: dict[int, str] = {}
        self._plain = not (prefix.absolute or prefix.relative or where or prefix.pid_always)
        self.label = label or _no_words
        self.printing: int | None = None
        self.tasks = 0

    def begin(self, tid: int) -> None:
        """Start a line of a task; an open line is left unfinished."""
        if self.printing is not None:
            self.interrupt()
        self.printing = tid
        prefix = self._prefix
        if prefix.pid_if_many and self.tasks > 1:
            self.write(f"[pid {tid:5}{self.label(tid)}] ")
        elif self._plain:
            return
        elif prefix.pid_always:
            head = self._heads.get(tid)
            if head is None:
                head = f"{f'{tid}{self.label(tid)}':<5} "
                if self.label is _no_words:
                    self._heads[tid] = head
            self._text += head
            self._column += len(head)
        if prefix.absolute or prefix.relative:
            self.write(self._stamp())
        if self._where is not _no_words:
            self.write(self._where(tid))

    def flush(self) -> None:
        """Hand over what there is: at the end of each event, so that nothing is ever lost."""
        if self._text:
            self._sink.write(self._text)
            self._text = ""

    def interrupt(self) -> None:
        """Somebody else prints now."""
        if self.printing is not None and self._column:
            self._put(" <unfinished ...>\n")
        self._column = 0
        self.printing = None

    def detach(self) -> None:
        """No more lines will come."""
        if self.printing is not None and self._column:
            self._put(" <detached ...>\n")
        self._column = 0
        self.printing = None
        self.flush()

    def resume(self, tid: int, name: str) -> None:
        """Make the open line that of this task's call."""
        if self.printing != tid:
            self.begin(tid)
            self.write(f"<... {name} resumed>")

    def write(self, text: str) -> None:
        """Add to the open line."""
        self._text += text
        self._column += len(text)

    def result(self, text: str) -> None:
        """Close the parenthesis, go to the result's column, end the line."""
        room = self._prefix.column - self._column - 2
        self._text += f"){' ' * room if room > 0 else ''} = {text}\n"
        self._column = 0
        self.printing = None

    def line(self, tid: int, text: str) -> None:
        """A whole line of a task."""
        self.begin(tid)
        self._put(text + "\n")
        self._column = 0
        self.printing = None
        self.flush()

    def wait(self, tid: int, text: str) -> None:
        """What a task's call waits for: below its line, which is left unfinished."""
        if self.printing == tid:
            self.interrupt()
            self.note(text)
            self.flush()
        else:
            self.line(tid, text)

    def note(self, text: str) -> None:
        """A line that belongs to no task; an open line goes on behind it, as strace's does."""
        self._put(text + "\n")

    def _put(self, text: str) -> None:
        self._text += text

    def _stamp(self) -> str:
        now = self._now()
        prefix = self._prefix
        text = absolute_text(now, prefix.absolute) if prefix.absolute else ""
        if prefix.relative:
            since = 0 if self._last_stamp is None else now - self._last_stamp
            self._last_stamp = now
            passed = f"{since // NS:6d}{fraction(since, prefix.relative)}"
            text += f" (+{passed})" if text else passed
        return text + " "


def absolute_text(now: int, kind: str) -> str:
    """A point in time, nanoseconds since 1970, as ``time.us`` or ``unix.s`` ask for."""
    form, _, precision = kind.partition(".")
    seconds = now // NS
    if form == "unix":
        return f"{seconds}{fraction(now, precision)}"
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + fraction(now, precision)


def fraction(nanoseconds: int, precision: str) -> str:
    """What comes after the seconds: '' for ``s``, ``.123`` for ``ms``."""
    digits = PRECISIONS[precision]
    return f".{nanoseconds % NS // 10 ** (9 - digits):0{digits}d}" if digits else ""


def explained(text: str) -> str:
    """A line of ``--explain``: it begins as no line of strace does."""
    return f"    \\ {text}"
