"""What a signal carries: siginfo_t as a value.  See sigaction(2), "The siginfo_t argument".

The union of siginfo_t is kept as the bytes user code will see, because rt_sigqueueinfo(2) may put
anything there; the properties read the members that belong to a kind of signal.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel.abi.signals import (
    SI_KERNEL,
    SI_QUEUE,
    SI_TKILL,
    SI_USER,
    SIGCHLD,
    SIGSYS,
    signal_name,
)

SIGINFO_SIZE: Final = 128
_HEAD: Final = struct.Struct("<iiii")
_KILL: Final = struct.Struct("<iI")
_QUEUE: Final = struct.Struct("<iIQ")
_CHILD: Final = struct.Struct("<iIiiqq")
_FAULT: Final = struct.Struct("<Qh")
_POLL: Final = struct.Struct("<qi")
_SYSTEM_CALL: Final = struct.Struct("<QiI")
_PAYLOAD_SIZE: Final = SIGINFO_SIZE - _HEAD.size


class SigInfo:
    """One signal on its way: number, code, and the union as bytes (little endian, as in memory).

    ``forced``: raised by the task's own instruction; it cannot be blocked or ignored.
    ``trap`` and ``error``: the processor's own words about a fault, for the signal frame.
    ``reason``: why the kernel sent it, for people (``trace --explain``); '' where its members tell.
    """

    __slots__ = ("code", "errno", "error", "forced", "payload", "reason", "signo", "trap")

    def __init__(
        self,
        signo: int,
        code: int = SI_KERNEL,
        payload: bytes = b"",
        errno: int = 0,
        *,
        reason: str = "",
    ) -> None:
        self.signo = signo
        self.code = code
        self.payload = payload
        self.errno = errno
        self.reason = reason
        self.forced = False
        self.trap = 0
        self.error = 0

    @classmethod
    def user(cls, signo: int, pid: int, uid: int, code: int = SI_USER) -> SigInfo:
        """From kill(2), or tkill(2) and tgkill(2) with code SI_TKILL."""
        return cls(signo, code, _KILL.pack(pid, uid))

    @classmethod
    def thread(cls, signo: int, pid: int, uid: int) -> SigInfo:
        """From tgkill(2)."""
        return cls.user(signo, pid, uid, SI_TKILL)

    @classmethod
    def queued(cls, signo: int, pid: int, uid: int, value: int, code: int = SI_QUEUE) -> SigInfo:
        """From sigqueue(3) and timers: with a value."""
        return cls(signo, code, _QUEUE.pack(pid, uid, value & 0xFFFFFFFFFFFFFFFF))

    @classmethod
    def fault(cls, signo: int, code: int, address: int, trap: int = 0, error: int = 0) -> SigInfo:
        """From an instruction: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP."""
        info = cls(signo, code, _FAULT.pack(address & 0xFFFFFFFFFFFFFFFF, 0))
        info.forced = True
        info.trap = trap
        info.error = error
        return info

    @classmethod
    def child(
        cls,
        code: int,
        pid: int,
        uid: int,
        status: int,
        utime: int,
        stime: int,
        signo: int = SIGCHLD,
    ) -> SigInfo:
        """A child changed state; times in clock ticks (1/100 s)."""
        return cls(signo, code, _CHILD.pack(pid, uid, status, 0, utime, stime))

    @classmethod
    def poll(cls, signo: int, code: int, band: int, fd: int) -> SigInfo:
        """From F_SETSIG and O_ASYNC (fcntl(2))."""
        return cls(signo, code, _POLL.pack(band, fd))

    @classmethod
    def system_call(cls, code: int, address: int, number: int, arch: int) -> SigInfo:
        """SIGSYS."""
        return cls(SIGSYS, code, _SYSTEM_CALL.pack(address, number, arch))

    @classmethod
    def unpack(cls, data: bytes, signo: int) -> SigInfo:
        """From user memory (rt_sigqueueinfo(2)); the number is the call's argument."""
        _, errno, code, _ = _HEAD.unpack_from(data)
        return cls(signo, code, data[_HEAD.size : SIGINFO_SIZE], errno)

    def pack(self) -> bytes:
        """The 128 bytes of siginfo_t."""
        head = _HEAD.pack(self.signo, self.errno, self.code, 0)
        return head + self.payload.ljust(_PAYLOAD_SIZE, b"\0")

    def _member(self, form: str, offset: int) -> int:
        return int(struct.unpack_from(form, self.payload.ljust(_PAYLOAD_SIZE, b"\0"), offset)[0])

    @property
    def pid(self) -> int:
        """si_pid: the sender, or the child."""
        return self._member("<i", 0)

    @property
    def uid(self) -> int:
        """si_uid: the sender's or child's real user."""
        return self._member("<I", 4)

    @property
    def value(self) -> int:
        """si_value as an integer (sigqueue)."""
        return self._member("<Q", 8)

    @property
    def status(self) -> int:
        """si_status: exit status or signal number of a child."""
        return self._member("<i", 8)

    @property
    def utime(self) -> int:
        """si_utime of a child, clock ticks."""
        return self._member("<q", 16)

    @property
    def stime(self) -> int:
        """si_stime of a child, clock ticks."""
        return self._member("<q", 24)

    @property
    def address(self) -> int:
        """si_addr of a fault."""
        return self._member("<Q", 0)

    @property
    def band(self) -> int:
        """si_band."""
        return self._member("<q", 0)

    @property
    def fd(self) -> int:
        """si_fd."""
        return self._member("<i", 8)

    def taken(self) -> None:
        """It leaves the queue to be delivered; the signals of timers have something to do then."""

    @property
    def from_kernel(self) -> bool:
        """Was it the kernel that sent it (code > 0), not another process?"""
        return self.code > 0

    def __repr__(self) -> str:
        return f"<SigInfo {signal_name(self.signo)} code={self.code}>"
