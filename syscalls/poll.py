"""Waiting for descriptors: poll, ppoll, select, pselect6.

All four ask each file's ``poll`` and, if nothing is ready, sleep on the files' queues; they differ
in how the question is written down and how the time is given.  See poll(2), select(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EBADF,
    EFAULT,
    EINTR,
    EINVAL,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    KernelError,
)
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from kernel.abi.structs import POLLFD, SIGSET, SIGSET_ARGPACK, TIMESPEC, TIMEVAL
from kernel.cred import RLIMIT_NOFILE
from kernel.task.signals import lend_mask, pending_signal, return_mask
from kernel.wait import Blocking, Interrupted, Sleep, WaitQueue
from syscalls.declare import syscall
from syscalls.restarts import restarts

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        Count,
        FdSetPtr,
        Milliseconds,
        PollfdPtr,
        PselectMaskPtr,
        SigsetPtr,
        Size,
        TimespecPtr,
        TimevalPtr,
        UInt,
    )

SECOND: Final = 1_000_000_000
SIGSET_SIZE: Final = 8
FIRST_TABLE: Final = 64
TABLE_STEP: Final = 128

# What select(2) calls readable, writable and exceptional, as in Linux's fs/select.c.
_READABLE: Final = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL
_WRITABLE: Final = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL
_EXCEPTIONAL: Final = POLLPRI | POLLNVAL
_SETS: Final = (_READABLE, _WRITABLE, _EXCEPTIONAL)

Check = Callable[[list[WaitQueue]], int]
"""Looks at all files; returns how many are ready and adds the queues to sleep on."""


def _wait(task: Task, check: Check, deadline: int | None) -> Blocking[int]:
    """Sleep until something is ready or the time is over.  Interrupted passes through."""
    while True:
        queues: list[WaitQueue] = []
        ready = check(queues)
        if ready:
            return ready
        if deadline is not None and task.kernel.clock.monotonic() >= deadline:
            if pending_signal(task):  # one that the lent mask lets through
                raise Interrupted
            return 0
        yield Sleep(tuple(dict.fromkeys(queues)), deadline)


def _ask(task: Task, fd: int, events: int, queues: list[WaitQueue]) -> int:
    """What one descriptor answers; POLLNVAL if it is not open."""
    file = task.fds.files.get(fd)
    if file is None or file.is_path:
        return POLLNVAL
    found = file.poll(task, events)
    if not found and file.queue is not None:
        queues.append(file.queue)
    return found


# --- time and mask -------------------------------------------------------------------------------


def _deadline(task: Task, seconds: int, nanoseconds: int) -> int:
    """An absolute time from a relative one; EINVAL as poll_select_set_timeout."""
    if seconds < 0 or not 0 <= nanoseconds < SECOND:
        raise EINVAL("%d s %d ns is no time to wait", seconds, nanoseconds)
    return task.kernel.clock.monotonic() + seconds * SECOND + nanoseconds


def _read_mask(task: Task, address: int, size: int) -> int | None:
    """The temporary signal mask of ppoll and pselect6."""
    if not address:
        return None
    if size != SIGSET_SIZE:
        raise EINVAL("the signal mask has %d bytes, not %d", size, SIGSET_SIZE)
    return int(task.mem.unpack(SIGSET, address)[0])


def _finish(
    task: Task, wait: Blocking[int], deadline: int | None, write_left: Callable[[int], None] | None
) -> Blocking[int]:
    """Run the wait under the lent mask, then write the time that is left.

    As in poll_select_finish: a time that cannot be written is no error, but then the call cannot be
    restarted, since a restart would begin with the full time.
    """
    interrupted = False
    ready = 0
    try:
        ready = yield from wait
    except Interrupted:
        interrupted = True
    except KernelError:
        return_mask(task)
        raise
    if not interrupted:
        return_mask(task)
    written = _write_left(task, deadline, write_left)
    if not interrupted:
        return ready
    raise ERESTARTNOHAND("nothing is ready") if written else EINTR("nothing is ready")


def _write_left(task: Task, deadline: int | None, write_left: Callable[[int], None] | None) -> bool:
    if deadline is None or write_left is None:
        return True
    try:
        write_left(max(0, deadline - task.kernel.clock.monotonic()))
    except EFAULT:
        return False
    return True


def _timespec_writer(task: Task, address: int) -> Callable[[int], None]:
    return lambda left: task.mem.pack(TIMESPEC, address, left // SECOND, left % SECOND)


def _timeval_writer(task: Task, address: int) -> Callable[[int], None]:
    return lambda left: task.mem.pack(TIMEVAL, address, left // SECOND, left % SECOND // 1000)


# --- poll ----------------------------------------------------------------------------------------


def _read_pollfds(task: Task, ufds: int, nfds: int) -> list[tuple[int, int]]:
    if nfds > task.limits.soft(RLIMIT_NOFILE):
        raise EINVAL(
            "%d entries are more than RLIMIT_NOFILE, %d", nfds, task.limits.soft(RLIMIT_NOFILE)
        )
    raw = task.mem.read(ufds, nfds * POLLFD.size) if nfds else b""
    return [(fd, events & 0xFFFF) for fd, events, _ in POLLFD.iter_unpack(raw)]


class _PollCheck:
    """The question of one poll call; writes the answers whenever it was asked."""

    __slots__ = ("entries", "revents", "task", "ufds")

    def __init__(self, task: Task, ufds: int, nfds: int) -> None:
        self.task = task
        self.ufds = ufds
        self.entries = _read_pollfds(task, ufds, nfds)
        self.revents = [0] * len(self.entries)

    def __call__(self, queues: list[WaitQueue]) -> int:
        """Ask every descriptor; negative ones are left out."""
        task = self.task
        self.revents = [
            _ask(task, fd, events | POLLERR | POLLHUP, queues) if fd >= 0 else 0
            for fd, events in self.entries
        ]
        return sum(1 for found in self.revents if found)

    def write(self) -> None:
        """Store ``revents`` of every entry."""
        for index, found in enumerate(self.revents):
            self.task.mem.write_u16(self.ufds + index * POLLFD.size + 6, found)


def _poll_then_write(wait: Blocking[int], check: _PollCheck) -> Blocking[int]:
    """The answers are written also when a signal ended the wait."""
    try:
        ready = yield from wait
    except Interrupted:
        check.write()
        raise
    check.write()
    return ready


@syscall("poll(2)", arch="x86_64")
def poll(task: Task, fds: PollfdPtr, nfds: UInt, timeout: Milliseconds) -> Size | Blocking[Size]:
    """Wait for one of a set of descriptors.  See poll(2); a handler interrupts it (EINTR)."""
    deadline = None if timeout < 0 else _deadline(task, timeout // 1000, timeout % 1000 * 1_000_000)
    return _poll(task, fds, nfds, deadline, timeout == 0)


@restarts("poll")
def _go_on(task: Task, args: tuple[int, ...], deadline: int | None) -> int | Blocking[int]:
    """poll(2) goes on after a stop (restart_syscall(2))."""
    return _poll(task, args[0], args[1], deadline, False)


def _poll(
    task: Task, ufds: int, nfds: int, deadline: int | None, at_once: bool
) -> int | Blocking[int]:
    check = _PollCheck(task, ufds, nfds)
    ready = check([])
    if ready or at_once:
        check.write()
        return ready
    return _poll_restartable(
        _poll_then_write(_wait(task, check, deadline), check), ufds, nfds, deadline
    )


def _poll_restartable(
    wait: Blocking[int], ufds: int, nfds: int, deadline: int | None
) -> Blocking[int]:
    try:
        return (yield from wait)
    except Interrupted:
        block = ("poll", (ufds, nfds), deadline)
        raise ERESTART_RESTARTBLOCK(block, "nothing is ready") from None


@syscall("ppoll(2)")
def ppoll(
    task: Task, fds: PollfdPtr, nfds: UInt, tmo_p: TimespecPtr, sigmask: SigsetPtr,
    sigsetsize: Size,
) -> Size | Blocking[Size]:  # fmt: skip
    """poll with nanoseconds and another signal mask.  See ppoll(2)."""
    deadline, write_left = None, None
    if tmo_p:
        seconds, nanoseconds = task.mem.unpack(TIMESPEC, tmo_p)
        deadline = _deadline(task, seconds, nanoseconds)
        write_left = _timespec_writer(task, tmo_p) if seconds or nanoseconds else None
    mask = _read_mask(task, sigmask, sigsetsize)
    check = _PollCheck(task, fds, nfds)
    if mask is not None:
        lend_mask(task, mask)
    wait = _poll_then_write(_wait(task, check, deadline), check)
    return _finish(task, wait, deadline, write_left)


# --- select --------------------------------------------------------------------------------------


class _SelectCheck:
    """The question of one select call: three bit sets of ``count`` descriptors."""

    __slots__ = ("addresses", "count", "results", "size", "task", "wanted")

    def __init__(self, task: Task, count: int, addresses: tuple[int, int, int]) -> None:
        if count < 0:
            raise EINVAL("the number of descriptors is %d", count)
        self.task = task
        self.count = min(count, _table_size(task))
        self.size = (self.count + 63) // 64 * 8
        self.addresses = addresses
        self.results = [0, 0, 0]
        self.wanted = self._read_sets()

    def _read_sets(self) -> list[tuple[int, int]]:
        """(fd, which sets as bits), sorted.  EBADF for a descriptor that is not open."""
        limit = (1 << self.count) - 1
        sets = [
            int.from_bytes(self.task.mem.read(address, self.size), "little") & limit
            if address and self.size
            else 0
            for address in self.addresses
        ]
        wanted: list[tuple[int, int]] = []
        left = sets[0] | sets[1] | sets[2]
        while left:
            fd = (left & -left).bit_length() - 1
            left &= left - 1
            if fd not in self.task.fds.files:
                raise EBADF("descriptor %d is not open", fd)
            wanted.append((fd, sum(1 << n for n in range(3) if sets[n] >> fd & 1)))
        return wanted

    def __call__(self, queues: list[WaitQueue]) -> int:
        """Ask every descriptor; the result counts bits, so one descriptor may count three times."""
        results = [0, 0, 0]
        count = 0
        for fd, which in self.wanted:
            events = sum(mask for n, mask in enumerate(_SETS) if which >> n & 1)
            found = _ask(self.task, fd, events | POLLERR | POLLHUP, queues)
            hits = [n for n in range(3) if which >> n & 1 and found & _SETS[n]]
            for n in hits:
                results[n] |= 1 << fd
            count += len(hits)
            if found and not hits and (file := self.task.fds.files.get(fd)) is not None:
                if file.queue is not None:  # POLLHUP alone does not make it writable
                    queues.append(file.queue)
        self.results = results
        return count

    def write(self) -> None:
        """Store the three sets."""
        for address, result in zip(self.addresses, self.results, strict=True):
            if address and self.size:
                self.task.mem.write(address, result.to_bytes(self.size, "little"))


def _table_size(task: Task) -> int:
    """How many bits select looks at: the size Linux's descriptor table would have."""
    highest = max(task.fds.files, default=0)
    if highest < FIRST_TABLE:
        return FIRST_TABLE
    return TABLE_STEP << (highest // TABLE_STEP).bit_length()


def _select_then_write(task: Task, check: _SelectCheck, deadline: int | None) -> Blocking[int]:
    """The sets are written only when the call succeeds."""
    ready = yield from _wait(task, check, deadline)
    check.write()
    return ready


@syscall("select(2)", arch="x86_64")
def select(
    task: Task, nfds: Count, readfds: FdSetPtr, writefds: FdSetPtr, exceptfds: FdSetPtr,
    timeout: TimevalPtr,
) -> Size | Blocking[Size]:  # fmt: skip
    """Wait for descriptors given as bit sets; the time left is written back.  See select(2)."""
    deadline, write_left = None, None
    if timeout:
        seconds, micros = task.mem.unpack(TIMEVAL, timeout)
        seconds, micros = _normalize(seconds, micros)
        deadline = _deadline(task, seconds, micros * 1000)
        write_left = _timeval_writer(task, timeout) if seconds or micros else None
    check = _SelectCheck(task, nfds, (readfds, writefds, exceptfds))
    return _finish(task, _select_then_write(task, check, deadline), deadline, write_left)


def _normalize(seconds: int, micros: int) -> tuple[int, int]:
    """tv_usec may be 1 000 000 or more; division is C's, towards zero."""
    whole = abs(micros) // 1_000_000 * (1 if micros >= 0 else -1)
    return seconds + whole, micros - whole * 1_000_000


@syscall("select(2)")
def pselect6(
    task: Task, nfds: Count, readfds: FdSetPtr, writefds: FdSetPtr, exceptfds: FdSetPtr,
    timeout: TimespecPtr, sigmask: PselectMaskPtr,
) -> Size | Blocking[Size]:  # fmt: skip
    """select with nanoseconds and another signal mask.  See pselect(2).

    The sixth argument points to the mask's address and size.
    """
    mask_address, mask_size = task.mem.unpack(SIGSET_ARGPACK, sigmask) if sigmask else (0, 0)
    deadline, write_left = None, None
    if timeout:
        seconds, nanoseconds = task.mem.unpack(TIMESPEC, timeout)
        deadline = _deadline(task, seconds, nanoseconds)
        write_left = _timespec_writer(task, timeout) if seconds or nanoseconds else None
    mask = _read_mask(task, mask_address, mask_size)
    check = _SelectCheck(task, nfds, (readfds, writefds, exceptfds))
    if mask is not None:
        lend_mask(task, mask)
    return _finish(task, _select_then_write(task, check, deadline), deadline, write_left)
