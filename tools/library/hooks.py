"""Functions that are called when something happens: hooks on system calls.

A hook is a function of the user's.  Three points per call: *enter* (look, change arguments), *call*
(replace what the kernel would do) and *exit* (look, change the result).  All hooks of a machine
stand behind one ``Door``, which is there only while somebody wants it: a machine without hooks runs
at full speed.

What a hook raises is its owner's: the call fails with EIO (at exit it keeps its result), the run
ends, and ``Machine.run`` raises it again.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, Final, Self

from kernel.abi.errors import EIO
from kernel.machine.dispatch import Door, Passage
from tools.errors import DioramaError
from tools.library.calls import Call, as_result
from tools.tracer.filters import FilterError, parse_trace

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.library.process import Process

ENTER: Final = "enter"
CALL: Final = "call"
EXIT: Final = "exit"

CallHook = Callable[[Call], Any]
"""What it returns: at *enter* nothing counts; at *call* None lets the call go on, a number or an
error ('EACCES') is its result, a generator of ``kernel.wait.Sleep`` makes it sleep; at *exit* None
keeps the result, anything else replaces it."""


class Hook:
    """A function that is called when something happens, until ``remove``.

    It can still be called by hand; in a ``with`` statement it is removed at the end of the block.
    """

    def __init__(
        self, function: Callable[..., Any], what: str, remove: Callable[[Hook], None]
    ) -> None:
        self.function = function
        self.what = what
        self.calls = 0
        """How often it was called."""
        self.active = True
        self._remove = remove
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def remove(self) -> None:
        """Call it no more; once is enough."""
        if self.active:
            self.active = False
            self._remove(self)

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        state = f"called {self.calls} times" if self.active else "removed"
        return f"<Hook {self.__name__} on {self.what}, {state}>"


class _OnCalls:
    """One hook with the calls and the process it is for."""

    __slots__ = ("hook", "numbers", "pid", "point")

    def __init__(self, hook: Hook, point: str, numbers: Container[int], pid: int | None) -> None:
        self.hook = hook
        self.point = point
        self.numbers = numbers
        self.pid = pid

    def wants(self, task: Task, number: int, point: str) -> bool:
        return (
            self.point == point
            and number in self.numbers
            and (self.pid is None or self.pid == task.tgid)
        )


class AllNumbers:
    """Every number, also those that have no name."""

    def __contains__(self, number: object) -> bool:
        return True


class CallHooks(Door):
    """The hooks on system calls of one machine.

    ``_entered``: calls that have hooks at exit, by tid, from enter on.  ``on_error`` gets what a
    hook raised.
    """

    def __init__(
        self,
        table: SyscallTable,
        process_of: Callable[[Task], Process],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._table = table
        self._process_of = process_of
        self._on_error = on_error
        self._hooks: tuple[_OnCalls, ...] = ()
        self._entered: dict[int, Call] = {}
        self.numbers = frozenset()

    def __len__(self) -> int:
        return len(self._hooks)

    def add(self, hook: Hook, point: str, numbers: Container[int], pid: int | None) -> None:
        """One more, behind the others."""
        self._hooks = (*self._hooks, _OnCalls(hook, point, numbers, pid))
        self._collect()

    def remove(self, hook: Hook) -> None:
        """One less."""
        self._hooks = tuple(one for one in self._hooks if one.hook is not hook)
        self._collect()

    def _collect(self) -> None:
        if any(isinstance(one.numbers, AllNumbers) for one in self._hooks):
            self.numbers = AllNumbers()
            return
        found: dict[int, None] = {}
        for one in self._hooks:
            found.update(dict.fromkeys(one.numbers))  # type: ignore[call-overload]
        self.numbers = found

    # -- the door --------------------------------------------------------------------------------

    def enter(self, task: Task, passage: Passage) -> None:
        """Enter hooks, then call hooks until one has a result."""
        call = Call(self._process_of(task), task, self._table, passage, ENTER)
        self._entered.pop(task.tid, None)
        for one in self._hooks:
            if passage.result is None and one.wants(task, passage.number, ENTER):
                self._run(one.hook, call, EIO.errno)
        call.phase = CALL
        for one in self._hooks:
            if passage.result is None and one.wants(task, passage.number, CALL):
                result = self._run(one.hook, call, EIO.errno)
                if result is not None:
                    passage.result = result
        if any(one.wants(task, passage.number, EXIT) for one in self._hooks):
            self._entered[task.tid] = call

    def leave(self, task: Task, passage: Passage) -> None:
        """Exit hooks."""
        call = self._entered.pop(task.tid, None)
        if call is None:  # hooked while it slept
            call = Call(self._process_of(task), task, self._table, passage, EXIT)
        call.left(passage)
        for one in self._hooks:
            if one.wants(task, passage.number, EXIT):
                result = self._run(one.hook, call, None)
                if result is not None:
                    call.result = result

    def _run(self, hook: Hook, call: Call, failure: int | None) -> Any:
        hook.calls += 1
        try:
            result = hook.function(call)
            if call.phase != ENTER and result is not None and not hasattr(result, "send"):
                return as_result(result)
        except Exception as error:  # noqa: BLE001  # its owner's to see, not the kernel's
            self._on_error(error)
            if failure is not None:
                call.result = -failure
            return None
        return result if call.phase == CALL else None


def numbers_of(table: SyscallTable, calls: str) -> Container[int]:
    """The numbers behind strace's words: names, ``%file``, ``/regex``, ``!name``, ``all``.

    DioramaError: a call or a class that does not exist.
    """
    if calls == "all":
        return AllNumbers()
    try:
        names = parse_trace(calls, table.numbers)
    except FilterError as error:
        text = str(error).replace("invalid system call", "no such system call")
        raise DioramaError(f"{calls}: {text} on {table.arch}") from None
    return {table.numbers[name]: None for name in sorted(names)}
