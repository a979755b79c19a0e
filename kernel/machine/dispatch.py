"""From a system call's number to its handler, with and without observers.

The *plain* entries are the table's own: generated stubs that decode registers and call the
handler.  While anybody observes, the machine uses *observed* entries instead, which tell the
observers and then do the same.  Swapping one list for the other is all that attaching costs, and
when nobody looks a call pays nothing for the possibility.

An entry returns the result (an int), NO_RETURN_VALUE, or a generator that the call sleeps in; it
raises a KernelError for an error.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

from kernel.abi.errors import KernelError
from kernel.abi.results import NO_RETURN_VALUE

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from kernel.events import Observer
    from kernel.task.task import Task

Entry = Callable[["Task", memoryview], Any]
"""entry(task, trap words) -> int | NO_RETURN_VALUE | generator."""

Hook = Callable[["Task", int, "tuple[int, ...]"], Any]
"""hook(task, number, args) -> None to let the call go on, or what an entry may give in its place: a
result, or a generator that the call sleeps in."""


class Passage:
    """One system call on its way through the doors; what a door assigns is what comes next.

    ``number`` and ``args`` (six raw registers): on ``enter``, what the kernel will be asked.
    ``result``: on ``enter`` None, and anything else replaces the call, as with a Hook; on ``leave``
    the result the program will get, -errno for an error.  The program's registers stay as they are,
    so a call that is made again after a signal is the one the program made.
    """

    __slots__ = ("args", "number", "result")

    def __init__(self, number: int, args: tuple[int, ...], result: Any = None) -> None:
        self.number = number
        self.args = args
        self.result = result

    def __repr__(self) -> str:
        return f"<Passage {self.number} {self.args} result={self.result}>"


class Door:
    """Somebody every call passes, who may change it: the library's hooks, a debugger.

    ``numbers``: the calls it wants to see.  Doors are passed in the order they were added, before
    the observers on the way in, so that these see what is really done, and in reverse order and
    before the observers on the way out.
    """

    numbers: Container[int] = ()

    def enter(self, task: Task, passage: Passage) -> None:
        """A call comes."""

    def leave(self, task: Task, passage: Passage) -> None:
        """It has a result; not called for exit, execve's success and death in a call.

        An ERESTART code means that a signal came: the call is made again, or becomes EINTR.
        """


class SyscallTable(Protocol):
    """What the machine needs of syscalls.table: entries by number, and names for people."""

    @property
    def entries(self) -> Sequence[Entry]:
        """By number; an entry for every number below ``len``."""

    @property
    def unknown(self) -> Entry:
        """The entry for every other number: ENOSYS."""

    def name(self, number: int) -> str | None:
        """Linux's name for a number, declared or not."""

    def declared(self, number: int) -> bool:
        """Is there a handler?"""

    def decode(self, number: int, raw: tuple[int, ...], /) -> tuple[int, ...]:
        """The arguments behind six raw registers, as the handler gets them."""

    def descriptors(self, number: int, raw: tuple[int, ...], /) -> tuple[int, ...]:
        """Those of the arguments that are descriptors."""


_WORD: Final = (1 << 64) - 1


class Counts:
    """Statistics that are always kept, by system-call number.

    ``calls`` and ``errors`` cost one increment each.  ``kernel_ns`` and ``errnos`` are kept only
    while somebody observes.  Numbers outside the table are counted in ``outside``.
    """

    __slots__ = ("calls", "errnos", "errors", "kernel_ns", "outside")

    def __init__(self, size: int) -> None:
        self.calls = [0] * size
        self.errors = [0] * size
        self.kernel_ns = [0] * size
        self.errnos: dict[tuple[int, int], int] = {}
        self.outside: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Counts calls={sum(self.calls)} errors={sum(self.errors)}>"


class ObservedEntries:
    """The second set of entries: ``observed[number]`` tells the observers, then does the call.

    ``_given``: by tid, the registers of a program whose call a door has changed, until it returns.
    """

    def __init__(self, table: SyscallTable, counts: Counts) -> None:
        self._table = table
        self._counts = counts
        self.observers: tuple[Observer[Task], ...] = ()
        self.hooks: dict[int, list[Hook]] = {}
        self.doors: tuple[Door, ...] = ()
        self._given: dict[int, tuple[int, ...]] = {}

    def call(self, task: Task, trap: memoryview) -> Any:
        """Tell, call, tell."""
        task.call = given = tuple(trap[0:7].tolist())
        number, args = given[0], given[1:]
        result = None
        if self.doors:
            passage = self._enter(task, trap, number, args)
            number, args, result = passage.number, passage.args, passage.result
        for observer in self.observers:
            observer.syscall_enter(task, number, args)
        started = monotonic_ns()
        try:
            if result is None and self.hooks:
                result = self._hooked(task, number, args)
            if result is None:
                entries = self._table.entries
                entry = entries[number] if number < len(entries) else self._table.unknown
                result = entry(task, trap)
        except KernelError as error:
            self._spent(number, started)
            left = self.leave(task, number, args, -error.errno, error.reason)
            for place, word in enumerate(given):
                trap[place] = word  # what is made again is what the program asked for
            if left != -error.errno:
                return left
            raise
        self._spent(number, started)
        if result is NO_RETURN_VALUE:
            self._without_result(task, number, args)
        elif result.__class__ is int:
            result = self.leave(task, number, args, result, "")
        return result

    def _enter(self, task: Task, trap: memoryview, number: int, args: tuple[int, ...]) -> Passage:
        """Through the doors; the changed call is in the trap's words, where the entry reads it."""
        passage = Passage(number, args)
        self._given.pop(task.tid, None)
        for door in self.doors:
            if passage.number in door.numbers:
                door.enter(task, passage)
        if passage.number != number or passage.args != args:
            self._given[task.tid] = (number, *args)
            for place, word in enumerate((passage.number, *passage.args)):
                trap[place] = word & _WORD
            task.call = (passage.number, *passage.args)
        return passage

    def _hooked(self, task: Task, number: int, args: tuple[int, ...]) -> Any:
        for hook in self.hooks.get(number, ()):
            result = hook(task, number, args)
            if result is not None:
                return result
        return None

    def _spent(self, number: int, started: int) -> None:
        if number < len(self._counts.kernel_ns):
            self._counts.kernel_ns[number] += monotonic_ns() - started

    def _without_result(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """execve and rt_sigreturn go on elsewhere; exit and exit_group do not go on."""
        self._given.pop(task.tid, None)
        if task.dead:
            for observer in self.observers:
                observer.no_return(task, number, args)
        else:
            self._tell_left(task, number, args, 0, "")

    def leave(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> int:
        """A call ends with a result, at once or after sleeping; the one the program gets."""
        if self.doors:
            result = self._leave(task, number, args, result)
        self._tell_left(task, number, args, result, reason)
        return result

    def _tell_left(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        if -4096 < result < 0:
            key = (number, -result)
            self._counts.errnos[key] = self._counts.errnos.get(key, 0) + 1
        for observer in self.observers:
            observer.syscall_exit(task, number, args, result, reason)

    def _leave(self, task: Task, number: int, args: tuple[int, ...], result: int) -> int:
        """Back through the doors.  A call that will be made again is the program's own."""
        passage = Passage(number, args, result)
        for door in reversed(self.doors):
            if number in door.numbers:
                door.leave(task, passage)
        if passage.result != result:
            task.interrupted = None
        given = self._given.pop(task.tid, None)
        if given is not None:
            task.call = given
        return int(passage.result)
