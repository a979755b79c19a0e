"""The host's signals while a guest runs: noted, never raised.

Python's handlers only set the attention word, and ``signal.set_wakeup_fd`` writes the number into
the poller's pipe; the loop asks for them between turns.  The C part sees them first
(``watch_signal``), so that a guest that computes is stopped, too.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kernel.cpu.base import Cpu
    from kernel.fs.hostpoller import HostSelector

SignalHandlers = Mapping[int, Callable[[int, "FrameType | None"], None]]

HANDLED: Final = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCONT,
    signal.SIGQUIT,
)  # fmt: skip
LEAVING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HostSignals:
    """``asked_to_leave``: one of LEAVING came; for who waits outside the loop."""

    def __init__(self, cpu: Cpu, poller: HostSelector) -> None:
        self._cpu = cpu
        self._poller = poller
        self._before: dict[int, Any] = {}  # Any: what signal.signal returns
        self._wakeup = -1
        self._numbers: tuple[int, ...] = HANDLED
        self.asked_to_leave = False

    def catch(self, *more: int) -> None:
        """Note the host's signals, and ``more`` of them, from now on."""
        self._numbers = (*HANDLED, *more)
        self._before = {number: signal.signal(number, self._noted) for number in self._numbers}
        for number in self._numbers:
            self._cpu.watch_signal(number)  # Python's handlers wait until guest code has ended
        self._wakeup = signal.set_wakeup_fd(self._poller.wakeup_fd, warn_on_full_buffer=False)

    def _noted(self, number: int, frame: FrameType | None) -> None:
        if number in LEAVING:
            self.asked_to_leave = True
            self._cpu.request_attention()
        # For all others the loop looks, as watch_signal has seen to, and no turn ends for that: a
        # run with virtual time takes the same course if it was stopped and continued meanwhile.

    def restore(self) -> None:
        """As it was before ``catch``; nothing if that has been done."""
        if self._before:
            self._cpu.unwatch_signals()
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = {}

    @contextmanager
    def lent(self, handlers: SignalHandlers) -> Iterator[None]:
        """Others have them meanwhile.  One that comes while hands change waits for its owner."""
        more = self._numbers[len(HANDLED) :]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        self.restore()
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
            for number, handler in before.items():
                signal.signal(number, handler)
            self.catch(*more)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
