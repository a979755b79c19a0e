"""Signals that are read instead of handled: signalfd(2).

Reading takes the pending signals of the *reader*, whoever made the descriptor.  So the wake-up is
one queue of the whole machine, woken when any signal becomes pending and nobody pays for it who
has no signalfd.  Linux: ``fs/signalfd.c``.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EAGAIN, EINVAL
from kernel.abi.files import O_NONBLOCK, O_RDWR, POLLIN, POLLRDNORM
from kernel.abi.signals import SI_KERNEL, SI_SIGIO, SI_TIMER, SI_USER, SIGCHLD, SIGIO, SIGSYS
from kernel.task.delivery import take_signal
from kernel.vfs.anonymous import AnonymousFile, hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

# signo, errno, code, pid, uid, fd, tid, band, overrun, trapno, status, int, ptr, utime, stime,
# addr, addr_lsb, syscall, call_addr, arch
SIGNALFD_SIGINFO: Final = Struct("<IiiIIiIIIIiiQQQQH2xiQI28x")
_FAULTS: Final = (4, 5, 7, 8, 11)  # SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV


def _members(info: SigInfo) -> dict[str, int]:
    """Which members of the union a signal has: siginfo_layout() of Linux."""
    if SI_USER < info.code < SI_KERNEL:
        if info.signo == SIGCHLD:
            times = {"utime": info.utime, "stime": info.stime}
            return {"pid": info.pid, "uid": info.uid, "status": info.status, **times}
        if info.signo in _FAULTS:
            return {"addr": info.address}
        if info.signo == SIGIO or info.code <= 6:
            return {"band": info.band & 0xFFFFFFFF, "fd": info.fd}
        if info.signo == SIGSYS:
            return {"call_addr": info.address}
    elif info.code == SI_TIMER:
        number, overrun = info.pid & 0xFFFFFFFF, info.uid
        return {"tid": number, "overrun": overrun, "ptr": info.value}
    elif info.code == SI_SIGIO:
        return {"band": info.band & 0xFFFFFFFF, "fd": info.fd}
    elif info.code < 0:
        return {"pid": info.pid, "uid": info.uid, "ptr": info.value}
    return {"pid": info.pid, "uid": info.uid}


def pack_siginfo(info: SigInfo) -> bytes:
    """The 128 bytes of ``struct signalfd_siginfo``."""
    found = _members(info)
    of = found.get
    pointer = of("ptr", 0)
    value = pointer & 0xFFFFFFFF
    return SIGNALFD_SIGINFO.pack(
        info.signo, info.errno, info.code, of("pid", 0) & 0xFFFFFFFF, of("uid", 0), of("fd", 0),
        of("tid", 0), of("band", 0), of("overrun", 0), 0, of("status", 0),
        value - (1 << 32) if value >> 31 else value, pointer, of("utime", 0), of("stime", 0),
        of("addr", 0), 0, 0, of("call_addr", 0), 0,
    )  # fmt: skip


class SignalFile(AnonymousFile):
    """A set of signals (``mask``, bit n-1 for signal n) to take."""

    __slots__ = ("mask",)

    queue: WaitQueue

    def __init__(self, inode: Inode, path: Path, flags: int, mask: int, queue: WaitQueue) -> None:
        super().__init__(inode, path, flags)
        self.mask = mask
        self.queue = queue

    def set_mask(self, mask: int) -> None:
        """signalfd(2) on a descriptor there is."""
        self.mask = mask
        self.queue.wake()

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        task = cast("Task", caller)
        if buf.remaining < SIGNALFD_SIGINFO.size:
            raise EINVAL(
                "%d bytes are less than one signal, %d", buf.remaining, SIGNALFD_SIGINFO.size
            )
        done = self._take(task, buf)
        if done:
            return done
        if self.flags & O_NONBLOCK:
            raise EAGAIN("none of the signals is pending")
        return self._take_later(task, buf)

    def _take_later(self, task: Task, buf: Buffer) -> Blocking[int]:
        while True:
            yield Sleep((self.queue,))
            done = self._take(task, buf)
            if done:
                return done

    def _take(self, task: Task, buf: Buffer) -> int:
        done = 0
        while buf.remaining >= SIGNALFD_SIGINFO.size:
            info = take_signal(task, ~self.mask)
            if info is None:
                break
            done += buf.put(pack_siginfo(info))
        return done

    def poll(self, caller: Caller, events: int) -> int:
        task = cast("Task", caller)
        pending = task.pending.bits | task.group.pending.bits
        return events & (POLLIN | POLLRDNORM) if pending & self.mask else 0

    def info_lines(self) -> str:
        return f"sigmask:\t{self.mask:016x}\n"

    def describe(self) -> dict[str, object]:
        return super().describe() | {"sigmask": f"{self.mask:016x}"}


def make_signalfd(task: Task, mask: int, nonblock: bool) -> SignalFile:
    """See signalfd(2)."""
    mount = hidden_mount(task, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, task.cred.fsuid, task.cred.fsgid)
    path = hidden_path(mount, b"anon_inode:[signalfd]", inode)
    flags = O_RDWR | (O_NONBLOCK if nonblock else 0)
    return SignalFile(inode, path, flags, mask, task.kernel.signal_came)


def as_signalfd(file: OpenFile) -> SignalFile:
    """EINVAL unless it is a signal descriptor."""
    if not isinstance(file, SignalFile):
        raise EINVAL("%s is no signal descriptor", file.path)
    return file
