"""The part of ``Machine`` that calls functions of yours when something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from kernel.abi.signals import signal_name
from kernel.events import SERVED_FAULTS
from tools.library import events, hooks
from tools.library.base import MachineBase
from tools.library.events import EventHooks
from tools.library.hooks import CallHook, CallHooks, Hook, numbers_of
from tools.library.process import signal_number
from tools.library.tracing import table_of

if TYPE_CHECKING:
    from tools.boot.session import Session
    from tools.library.process import Process


class Hooking(MachineBase):
    """Hooks on system calls and on events."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._calls = CallHooks(table_of(self.kernel), self.process_of, self.failed)
        self._events = EventHooks(self.process_of, self.failed)

    # -- hooks on calls --------------------------------------------------------------------------

    @overload
    def on_enter(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_enter(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_enter(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` before calls; it may change their arguments, or give them a result.

        ``calls`` in strace's words: names joined by commas, ``%file``, ``/regex``, ``!name``,
        ``all``.  Without ``hook`` this is a decorator.  The Hook that comes back has ``remove()``.
        """
        return self._on_calls(hooks.ENTER, calls, hook, process)

    @overload
    def on_call(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_call(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_call(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` in place of calls: its result is theirs.

        It returns a number, an error ('EACCES'), or None to let the kernel do it after all.
        """
        return self._on_calls(hooks.CALL, calls, hook, process)

    @overload
    def on_exit(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_exit(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_exit(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` when calls have a result, which it may change, by ``call.result`` or
        by what it returns.
        """
        return self._on_calls(hooks.EXIT, calls, hook, process)

    def on(self, calls: str, hook: CallHook) -> Hook:
        """``on_call`` by its short name."""
        return self.on_call(calls, hook)

    def _on_calls(
        self, point: str, calls: str, function: CallHook | None, process: Process | None
    ) -> Hook | Callable[[CallHook], Hook]:
        numbers = numbers_of(table_of(self.kernel), calls)

        def add(wanted: CallHook) -> Hook:
            hook = Hook(wanted, f"{point} of {calls}", self._remove_call_hook)
            if not len(self._calls):
                self.kernel.add_door(self._calls)
            self._calls.add(hook, point, numbers, process.pid if process is not None else None)
            return hook

        return add if function is None else add(function)

    def _remove_call_hook(self, hook: Hook) -> None:
        self._calls.remove(hook)
        if not len(self._calls):
            self.kernel.remove_door(self._calls)

    # -- hooks on events -------------------------------------------------------------------------

    def on_signal(self, hook: Callable[[events.SignalEvent], object], *signals: int | str) -> Hook:
        """Call ``hook(event)`` when a signal is delivered: any, or one of ``signals``."""
        names = [signal_name(signal_number(signal)) for signal in signals]
        return self._on_event(events.SIGNAL, hook, lambda e: not names or e.signal in names)

    def on_fault(
        self, hook: Callable[[events.FaultEvent], object], *, served: bool = False
    ) -> Hook:
        """Call ``hook(event)`` at faults that end in a signal; ``served``: at all others, too."""
        return self._on_event(
            events.FAULT, hook, lambda event: served or event.kind not in SERVED_FAULTS
        )

    def on_fork(self, hook: Callable[[events.ForkEvent], object]) -> Hook:
        """Call ``hook(event)`` for every new process and thread."""
        return self._on_event(events.FORK, hook, lambda event: True)

    def on_exec(self, hook: Callable[[events.ExecEvent], object]) -> Hook:
        """Call ``hook(event)`` when a process runs another program."""
        return self._on_event(events.EXEC, hook, lambda event: True)

    def on_end(self, hook: Callable[[events.EndEvent], object]) -> Hook:
        """Call ``hook(event)`` when a task is dead."""
        return self._on_event(events.END, hook, lambda event: True)

    def _on_event(
        self, kind: str, function: Callable[[Any], object], wanted: Callable[[Any], bool]
    ) -> Hook:
        hook = Hook(function, kind, self._remove_event_hook)
        if not len(self._events):
            self.kernel.attach(self._events)
        self._events.add(hook, kind, wanted)
        return hook

    def _remove_event_hook(self, hook: Hook) -> None:
        self._events.remove(hook)
        if not len(self._events):
            self.kernel.detach(self._events)
