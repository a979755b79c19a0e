"""The part of ``Machine`` that makes it stand still: breakpoints, watchpoints, events, steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.errors import DioramaError
from tools.library.base import MachineBase
from tools.library.hooks import numbers_of
from tools.library.points import Points
from tools.library.process import Process, signal_number
from tools.library.stops import Stop
from tools.library.tracing import table_of

if TYPE_CHECKING:
    from tools.boot.session import Session
    from tools.library.points import Answer, Condition, Point
    from tools.library.process import Thread


class Stopping(MachineBase):
    """Points and stops; ``points.py`` does the work."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._points = Points(self)

    def step(self, thread: Thread | None = None, *, alone: bool = True) -> Stop | None:
        """Run one instruction of a task, and stop; None: it has ended.

        Without ``thread``: the one that stopped last.  ``alone``: no other task runs meanwhile.
        """
        stop = self._points.stop
        if thread is None:
            if stop is None:
                raise DioramaError("nothing has stopped: say which thread is to step")
            thread = stop.thread
        self._points.step(thread, self.run, alone)
        return self._points.stop

    def pause(self) -> None:
        """Stop as soon as possible; for a hook, or a signal handler of the host."""
        self._points.pause()

    @property
    def stop(self) -> Stop | None:
        """What the machine stands still for."""
        return self._points.stop

    # -- points ----------------------------------------------------------------------------------

    def break_at(
        self,
        where: int | str,
        condition: Condition | None = None,
        *,
        process: Process | None = None,
        hook: Answer | None = None,
    ) -> Point:
        """Stop before the instruction at an address, or at the beginning of a function.

        ``condition(stop)`` false: go on.  With ``hook`` the machine does not stop: the hook is
        called with the Stop while the world stands still, and may change everything.  ``process``:
        whose memory is meant; the only spawned one that lives, unless said.  A breakpoint ends with
        its address space (exec, exit) and is not inherited by fork.  DioramaError.
        """
        process = process or self._only_process()
        address = process.symbol(where) if isinstance(where, str) else where
        return self._points.break_at(process, address, condition, hook)

    def watch(
        self,
        address: int | str,
        length: int | None = None,
        access: str = "w",
        condition: Condition | None = None,
        *,
        process: Process | None = None,
        hook: Answer | None = None,
    ) -> Point:
        """Stop after an instruction that wrote ('w'), read ('r') or accessed ('a') some bytes.

        Without ``length``: all of a variable that is named, 8 elsewhere.  The rest as for
        ``break_at``; the Stop has ``old`` and ``new``.
        """
        process = process or self._only_process()
        size = self.symbols.size(process.task, address) if isinstance(address, str) else 0
        where = process.symbol(address) if isinstance(address, str) else address
        length = (size or 8) if length is None else length
        return self._points.watch(process, where, length, access, condition, hook)

    def stop_on(
        self,
        event: str,
        which: str | None = None,
        condition: Condition | None = None,
        *,
        hook: Answer | None = None,
    ) -> Point:
        """Stop at an event: 'call', 'signal', 'fault', 'fork', 'exec', 'exit' or 'thread'.

        ``which``: of calls, strace's words (``openat``, ``%file``); of signals, names joined by
        commas.  A call stops twice: 'enter' and 'return'.
        """
        numbers: Any = None
        if which is not None and event == "call":
            numbers = numbers_of(table_of(self.kernel), which)
        elif which is not None:
            numbers = [signal_number(name) for name in which.split(",")]
        return self._points.on_event(event, numbers, condition, hook)

    def settle(self, thread: Thread) -> None:
        """Bring a task that sleeps in a call back to the call's start, to change its registers."""
        self._points.settle(thread)

    def _only_process(self) -> Process:
        living = [process for process in self._spawned.values() if process.status is None]
        if len(living) != 1:
            raise DioramaError(f"{len(living)} spawned programs live: say which process is meant")
        return living[0]
