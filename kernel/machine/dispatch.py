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
from typing import TYPE_CHECKING, Any, Protocol

from kernel.abi.errors import KernelError
from kernel.abi.results import NO_RETURN_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.events import Observer
    from kernel.task.task import Task

Entry = Callable[["Task", memoryview], Any]
"""entry(task, trap words) -> int | NO_RETURN_VALUE | generator."""

Hook = Callable[["Task", int, "tuple[int, ...]"], Any]
"""hook(task, number, args) -> None to let the call go on, or what an entry may give in its place: a
result, or a generator that the call sleeps in."""


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


class ObservedEntries:
    """The second set of entries: ``observed[number]`` tells the observers, then does the call.

    ``inside`` is true while a handler runs, for the time a sleeping call spent in the kernel.
    """

    def __init__(self, table: SyscallTable, counts: Counts) -> None:
        self._table = table
        self._counts = counts
        self.observers: tuple[Observer[Task], ...] = ()
        self.hooks: dict[int, list[Hook]] = {}

    def call(self, task: Task, trap: memoryview) -> Any:
        """Tell, call, tell."""
        number, *rest = trap[0:7].tolist()
        args = tuple(rest)
        task.call = (number, *args)
        for observer in self.observers:
            observer.syscall_enter(task, number, args)
        started = monotonic_ns()
        try:
            result = self._hooked(task, number, args)
            if result is None:
                entries = self._table.entries
                entry = entries[number] if number < len(entries) else self._table.unknown
                result = entry(task, trap)
        except KernelError as error:
            self._spent(number, started)
            self.leave(task, number, args, -error.errno, error.reason)
            raise
        self._spent(number, started)
        if result is NO_RETURN_VALUE:
            self._without_result(task, number, args)
        elif result.__class__ is int:
            self.leave(task, number, args, result, "")
        return result

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
        if task.dead:
            for observer in self.observers:
                observer.no_return(task, number, args)
        else:
            self.leave(task, number, args, 0, "")

    def leave(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """A call ends with a result, at once or after sleeping."""
        if -4096 < result < 0:
            key = (number, -result)
            self._counts.errnos[key] = self._counts.errnos.get(key, 0) + 1
        for observer in self.observers:
            observer.syscall_exit(task, number, args, result, reason)
