"""The few events observers see: tracing, statistics, debugger, recorder.

With no observer attached these cost nothing: the machine swaps its dispatch path when the first
observer attaches.  Observers look, they do not change; the hooks that may change a call (library,
tampering) are the machine's own.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

SERVED_FAULTS: Final = frozenset({"minor", "major", "cow", "reuse", "spurious"})
"""Kinds of ``Observer.fault`` after which the program goes on; all others end in a signal."""

TaskT = TypeVar("TaskT", contravariant=True)


class Observer(Generic[TaskT]):
    """Override what you want to see.  ``TaskT`` is kernel.task's Task; this room lies below it."""

    def syscall_enter(self, task: TaskT, number: int, args: tuple[int, ...]) -> None:
        """A task enters a system call; args are the six raw argument registers."""

    def syscall_exit(
        self, task: TaskT, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """It returns.  result < 0 in [-4095, -1] with errors; -512.. are the ERESTART codes.

        ``reason`` says in words why an error was raised ('' when there is none).
        """

    def no_return(self, task: TaskT, number: int, args: tuple[int, ...]) -> None:
        """The call ends without returning to its caller: exit, exit_group, death while asleep."""

    def unknown_syscall(self, task: TaskT, number: int, name: str | None) -> None:
        """A number without a declaration was met for the first time; ENOSYS is the answer."""

    def signal(self, task: TaskT, info: object, action: str) -> None:
        """A signal is delivered; info is a SigInfo; action: 'handler', 'ignore', 'stop', 'kill'."""

    def fault(self, task: TaskT, address: int, access: int, kind: str) -> None:
        """A fault was handled ('minor', 'major', 'cow', ...) or failed ('SEGV_MAPERR', ...)."""

    def switch(self, previous: TaskT | None, task: TaskT) -> None:
        """The CPU goes to another task."""

    def asleep(self, task: TaskT) -> None:
        """A call waits: the task has gone to sleep in it, perhaps not for the first time."""

    def resumed(self, task: TaskT) -> None:
        """It has the processor again and goes on with the call it slept in, or dies in it."""

    def slice_end(self, task: TaskT) -> None:
        """A turn of user code is over, or is looked at in its middle: a sample of where it is."""

    def woken(self, task: TaskT) -> None:
        """A wake-up ended a task's sleep; it is runnable again."""

    def task_start(self, task: TaskT, parent: TaskT | None) -> None:
        """A task exists from now on, and nothing fails any more; no parent: the machine made it."""

    def task_end(self, task: TaskT, status: int) -> None:
        """A task is dead; status as in wait(2)."""

    def renumbered(self, task: TaskT, old: int, new: int) -> None:
        """A thread that executes takes the number of its dead leader; ``exec`` follows."""

    def exec(self, task: TaskT, path: bytes, argv: tuple[bytes, ...]) -> None:
        """execve succeeded."""

    def stopped(self, task: TaskT, signal: int) -> None:
        """A task stopped by a job-control signal (0: it continues)."""
