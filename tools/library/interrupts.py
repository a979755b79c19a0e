"""Ctrl-C while a machine runs: the run ends between two turns, and nothing is torn.

Python raises KeyboardInterrupt wherever it happens to be, which may be the middle of a system call.
While ``Machine.run`` runs, SIGINT only asks for attention; ``run`` raises KeyboardInterrupt itself
when the kernel's state is consistent, so the next ``run`` goes on.  That is so where SIGINT would
have raised: in the main thread, with Python's own handler.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tools.boot.hardware import Hardware


class Interrupts:
    """A ``with`` block in which SIGINT is only noted: ``came``."""

    def __init__(self, hardware: Hardware) -> None:
        self.came = False
        self._hardware = hardware
        self._active = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        self._wakeup = -1

    def __enter__(self) -> Self:
        if self._active:
            cpu = self._hardware.machine.cpu
            signal.signal(signal.SIGINT, self._note)
            cpu.watch_signal(signal.SIGINT)  # guest code ends before Python's handler is called
            wakeup = self._hardware.poller.wakeup_fd
            self._wakeup = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._hardware.machine.cpu.request_attention()

    def __exit__(self, *exc: object) -> None:
        if self._active:
            signal.set_wakeup_fd(self._wakeup)
            self._hardware.machine.cpu.unwatch_signals()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._hardware.poller.take_signals()
