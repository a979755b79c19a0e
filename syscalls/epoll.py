"""epoll_create(2), epoll_ctl(2), epoll_wait(2).  The mechanism is in kernel.fs.epoll."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import NSEC_PER_MSEC, NSEC_PER_SEC
from kernel.abi.errors import EFAULT, EINTR, EINVAL, KernelError
from kernel.abi.files import (
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLWAKEUP,
)
from kernel.abi.structs import SIGSET, TIMESPEC
from kernel.arch.base import USER_TOP
from kernel.cred import CAP_BLOCK_SUSPEND, RLIMIT_NOFILE
from kernel.fs.epoll import (
    ALIGNED_EVENT,
    PACKED_EVENT,
    EpollFile,
    as_epoll,
    check_exclusive,
    check_target,
    make_epoll,
)
from kernel.task.signals import lend_mask, return_mask
from kernel.wait import Blocking, Interrupted, Sleep
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        Count,
        EpollCreateFlags,
        EpollEventPtr,
        EpollEventsPtr,
        EpollOp,
        Fd,
        Milliseconds,
        NewFd,
        SigsetPtr,
        Size,
        TimespecPtr,
        Zero,
    )

INT_MAX: Final = 0x7FFFFFFF
SIGSET_SIZE: Final = 8


def _layout(task: Task) -> Struct:
    return PACKED_EVENT if task.kernel.arch.epoll_event_packed else ALIGNED_EVENT


# --- making and filling --------------------------------------------------------------------------


@syscall("epoll_create(2)", arch="x86_64")
def epoll_create(task: Task, size: Count) -> NewFd:
    """An epoll file; the size has no meaning but must be positive.  See epoll_create(2)."""
    if size <= 0:
        raise EINVAL("the size is %d, not positive", size)
    return epoll_create1(task, 0)  # type: ignore[arg-type]


@syscall("epoll_create(2)")
def epoll_create1(task: Task, flags: EpollCreateFlags) -> NewFd:
    """An epoll file.  See epoll_create1(2), ERRORS."""
    if flags & ~EPOLL_CLOEXEC:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, EPOLL_CLOEXEC)
    limit = task.limits.soft(RLIMIT_NOFILE)
    return task.fds.install(make_epoll(task), bool(flags & EPOLL_CLOEXEC), 0, limit)


@syscall("epoll_ctl(2)")
def epoll_ctl(task: Task, epfd: Fd, op: EpollOp, fd: Fd, event: EpollEventPtr) -> Zero:
    """Add, change or remove one interest.  See epoll_ctl(2), ERRORS; the order is Linux's."""
    events = data = 0
    if op != EPOLL_CTL_DEL:
        events, data = task.mem.unpack(_layout(task), event)
    epoll, target = task.fds.get(epfd), task.fds.get(fd)
    check_target(target)
    if events & EPOLLWAKEUP and not task.cred.capable(CAP_BLOCK_SUSPEND):
        events &= ~EPOLLWAKEUP
    if epoll is target:
        raise EINVAL("an epoll file cannot watch itself")
    epoll = as_epoll(epoll)
    check_exclusive(target, events, op == EPOLL_CTL_ADD)
    if op == EPOLL_CTL_ADD:
        epoll.add(task, fd, target, events, data)
    elif op == EPOLL_CTL_DEL:
        epoll.remove(fd, target)
    elif op == EPOLL_CTL_MOD:
        epoll.modify(task, fd, target, events, data)
    else:
        raise EINVAL("operation %d is none of EPOLL_CTL_ADD, _DEL, _MOD", op)
    return 0


# --- waiting -------------------------------------------------------------------------------------


def _check(task: Task, epfd: int, address: int, most: int) -> EpollFile:
    """The order of checks is do_epoll_wait's."""
    size = _layout(task).size
    if not 0 < most <= INT_MAX // size:
        raise EINVAL("room for %d events", most)
    if address + most * size > USER_TOP:
        raise EFAULT("the array of events at %#x lies outside the user half", address)
    return as_epoll(task.fds.get(epfd))


def _wait(
    task: Task, epoll: EpollFile, address: int, most: int, timeout: int | None
) -> int | Blocking[int]:
    """``timeout`` in ns; None: for ever."""
    layout = _layout(task)
    found = epoll.collect(task, task.mem, address, most, layout)
    if found or timeout == 0:
        return found
    deadline = None if timeout is None else task.kernel.clock.monotonic() + timeout
    return _sleep(task, epoll, (address, most), layout, deadline)


def _sleep(
    task: Task, epoll: EpollFile, room: tuple[int, int], layout: Struct, deadline: int | None
) -> Blocking[int]:
    """A handler ends the call whatever its flags say: signal(7) has it among the EINTR ones."""
    woken = True
    while woken:
        try:
            woken = yield Sleep((epoll.sleepers,), deadline, True)
        except Interrupted:
            raise EINTR("nothing is ready") from None
        found = epoll.collect(task, task.mem, *room, layout)
        if found:
            if epoll.ready and epoll.sleepers.waiters:
                epoll.sleepers.wake()  # more than one call took: the next sleeper may have it
            return found
    return 0


def _masked(task: Task, wait: int | Blocking[int], mask: int | None) -> int | Blocking[int]:
    """Lend the mask for as long as the call sleeps."""
    return wait if mask is None or isinstance(wait, int) else _sleep_masked(task, wait, mask)


def _sleep_masked(task: Task, wait: Blocking[int], mask: int) -> Blocking[int]:
    lend_mask(task, mask)
    try:
        found = yield from wait
    except EINTR:
        raise  # delivery gives the old mask back
    except KernelError:
        return_mask(task)
        raise
    return_mask(task)
    return found


def _read_mask(task: Task, address: int, size: int) -> int | None:
    if not address:
        return None
    if size != SIGSET_SIZE:
        raise EINVAL("the signal mask has %d bytes, not %d", size, SIGSET_SIZE)
    return int(task.mem.unpack(SIGSET, address)[0])


def _milliseconds(timeout: int) -> int | None:
    return None if timeout < 0 else timeout * NSEC_PER_MSEC


@syscall("epoll_wait(2)", arch="x86_64")
def epoll_wait(
    task: Task, epfd: Fd, events: EpollEventsPtr, maxevents: Count, timeout: Milliseconds
) -> Size | Blocking[Size]:
    """Wait for events.  See epoll_wait(2), ERRORS."""
    epoll = _check(task, epfd, events, maxevents)
    return _wait(task, epoll, events, maxevents, _milliseconds(timeout))


@syscall("epoll_wait(2)")
def epoll_pwait(
    task: Task, epfd: Fd, events: EpollEventsPtr, maxevents: Count, timeout: Milliseconds,
    sigmask: SigsetPtr, sigsetsize: Size,
) -> Size | Blocking[Size]:  # fmt: skip
    """epoll_wait under another signal mask.  See epoll_pwait(2)."""
    mask = _read_mask(task, sigmask, sigsetsize)
    epoll = _check(task, epfd, events, maxevents)
    return _masked(task, _wait(task, epoll, events, maxevents, _milliseconds(timeout)), mask)


@syscall("epoll_wait(2)")
def epoll_pwait2(
    task: Task, epfd: Fd, events: EpollEventsPtr, maxevents: Count, timeout: TimespecPtr,
    sigmask: SigsetPtr, sigsetsize: Size,
) -> Size | Blocking[Size]:  # fmt: skip
    """epoll_pwait with nanoseconds.  See epoll_pwait2(2)."""
    limit = None
    if timeout:
        seconds, nanoseconds = task.mem.unpack(TIMESPEC, timeout)
        if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
            raise EINVAL("%d s %d ns is no time to wait", seconds, nanoseconds)
        limit = seconds * NSEC_PER_SEC + nanoseconds
    mask = _read_mask(task, sigmask, sigsetsize)
    epoll = _check(task, epfd, events, maxevents)
    return _masked(task, _wait(task, epoll, events, maxevents, limit), mask)
