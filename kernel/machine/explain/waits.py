"""What a call that sleeps waits for, and who could end the wait.

Each family of calls has its own answer; a call without one names its wait queues, which every
sleep has.  All of it is read from the kernel's objects while the task sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from kernel.abi.files import LOCK_EX, LOCK_NB, O_ACCMODE, O_RDONLY, POLLIN, POLLOUT, POLLRDNORM
from kernel.abi.process import P_ALL, P_PGID, P_PID
from kernel.abi.signals import SIGCHLD, sigbit, signal_name
from kernel.fs.epoll import EpollFile
from kernel.machine.explain.files import SECOND, data, name_of, owners, room
from kernel.machine.explain.locks import futex, futexes
from kernel.machine.explain.who import everybody, text, who
from kernel.vfs.locks import RecordLock

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile

Values = tuple[int, ...]
Describe = Callable[["Task", Values], str]
MOST_FILES: Final = 4
_POLLFD: Final = Struct("<ihh")
_WORD_BITS: Final = 64


def waits_for(task: Task, name: str, values: Values) -> str:
    """``waits for data in pipe:[12], written by 5 (yes)``; '' if the task does not sleep.

    ``values`` are the decoded arguments of the call ``name``.
    """
    if task.generator is None or task.sleep is None:
        return ""
    describe = _CALLS.get(name)
    try:
        found = describe(task, values) if describe is not None else ""
    except KernelError:  # what it waited for is gone, and it has not heard of that yet
        found = ""
    return f"waits for {found or _queues(task)}{_limit(task, name)}"


def _queues(task: Task) -> str:
    waiter = task.waiter
    names = [queue.name for queue in waiter.queues if queue.name] if waiter is not None else []
    return " or ".join(dict.fromkeys(names)) or "a signal"


def _limit(task: Task, name: str) -> str:
    deadline = task.sleep.deadline if task.sleep is not None else None
    if deadline is None or name in _SLEEPS:
        return ""
    return f", for {_left(task):.3f} s at most"


def _left(task: Task) -> float:
    """Seconds until the sleep ends by itself."""
    deadline = task.sleep.deadline if task.sleep is not None else None
    return max(0, (deadline or 0) - task.kernel.clock.monotonic()) / SECOND


# --- files ---------------------------------------------------------------------------------------


def _file(task: Task, values: Values) -> OpenFile | None:
    return task.fds.files.get(values[0])


def _read(task: Task, values: Values) -> str:
    file = _file(task, values)
    return data(task, file) if file is not None else ""


def _write(task: Task, values: Values) -> str:
    file = _file(task, values)
    return room(task, file) if file is not None else ""


def _copy(task: Task, values: Values) -> str:
    """splice, tee, sendfile: whichever of the two descriptors has the queue it sleeps on."""
    queues = task.waiter.queues if task.waiter is not None else ()
    for fd in values:
        file = task.fds.files.get(fd)
        if file is not None and file.queue in queues:
            return data(task, file) if file.readable else room(task, file)
    return ""


def _open(task: Task, values: Values) -> str:
    """Only a FIFO lets open(2) wait."""
    at = next((value for value in values if value > _POINTERS), 0)
    flags = values[values.index(at) + 1] if at and values.index(at) + 1 < len(values) else 0
    reads = flags & O_ACCMODE == O_RDONLY
    return f"{'a writer to open' if reads else 'a reader to open'} {_string(task, at)}"


_POINTERS: Final = 4096


def _string(task: Task, address: int) -> str:
    try:
        return text(task.mem.read_path(address))
    except KernelError:
        return f"{address:#x}"


def _connect(task: Task, values: Values) -> str:
    file = _file(task, values)
    return f"the other side to answer {name_of(file)}" if file is not None else ""


def _flock(task: Task, values: Values) -> str:
    file = _file(task, values)
    if file is None:
        return ""
    return f"the lock on {name_of(file)}, {flock_owners(task, file, values[1])}"


def flock_owners(task: Task, file: OpenFile, operation: int) -> str:
    """``held by 5 (sh)``: who has a whole-file lock in the way."""
    table = file.inode.locks
    found = []
    for owner, kind in table.flocks.items() if table is not None else ():
        if owner is not file and LOCK_EX in (kind, operation & ~LOCK_NB):
            found.append(owners(task, owner))  # type: ignore[arg-type]  # flocks are open files'
    return f"held by {', '.join(dict.fromkeys(filter(None, found))) or 'nobody'}"


def _record_lock(task: Task, values: Values) -> str:
    file = _file(task, values)
    return f"a lock on {name_of(file)}, {record_owner(task, file)}" if file is not None else ""


def record_owner(task: Task, file: OpenFile) -> str:
    """``held by 5 (sh)``: who has a record lock that is in the way."""
    table = file.inode.locks
    if table is None:
        return "held by nobody"
    waited = task.fs.mounts.lock_waits.get(task.fds)
    lock = table.conflict(waited[1]) if waited is not None else _other(task, table.records)
    if lock is None:
        return "held by nobody"
    if lock.pid < 0:
        return f"held by an open file of {owners(task, lock.owner)}"  # type: ignore[arg-type]
    return f"held by {who(task.kernel, lock.pid)}"


def _other(task: Task, locks: list[RecordLock]) -> RecordLock | None:
    return next((lock for lock in locks if lock.owner is not task.fds), None)


# --- several files -------------------------------------------------------------------------------


def _either(task: Task, wanted: list[tuple[int, int]]) -> str:
    """``fd 3: data in pipe:[12], ... or fd 4: ...``; events are poll(2)'s."""
    files = task.fds.files
    there = [(fd, events) for fd, events in wanted if fd in files]
    parts = []
    for fd, events in there[:MOST_FILES]:  # to find who has the other end is a walk over everybody
        reads = events & (POLLIN | POLLRDNORM) or not events & POLLOUT
        what = data(task, files[fd]) if reads else room(task, files[fd])
        parts.append(f"descriptor {fd}: {what}")
    more = f" or {len(there) - MOST_FILES} more" if len(there) > MOST_FILES else ""
    if parts:
        return " or ".join(parts) + more
    return "time to pass" if task.sleep is not None and task.sleep.deadline else "a signal"


def _poll(task: Task, values: Values) -> str:
    try:
        raw = task.mem.read(values[0], values[1] * _POLLFD.size) if values[1] else b""
    except KernelError:
        return ""
    return _either(task, [(fd, events) for fd, events, _ in _POLLFD.iter_unpack(raw) if fd >= 0])


def _select(task: Task, values: Values) -> str:
    wanted: list[tuple[int, int]] = []
    for address, events in ((values[1], POLLIN), (values[2], POLLOUT)):
        wanted += [(fd, events) for fd in _fd_set(task, address, values[0])]
    return _either(task, wanted)


def _fd_set(task: Task, address: int, count: int) -> list[int]:
    """Programs may name any ``count``; as the kernel does, only open descriptors are looked at."""
    count = min(count, max(task.fds.files, default=-1) + 1)
    if not address or count <= 0:
        return []
    try:
        bits = task.mem.read(address, -(-count // _WORD_BITS) * 8)
    except KernelError:
        return []
    return [fd for fd in range(count) if bits[fd >> 3] >> (fd & 7) & 1]


def _epoll(task: Task, values: Values) -> str:
    file = _file(task, values)
    if not isinstance(file, EpollFile):
        return ""
    return _either(task, [(fd, interest.events) for (fd, _), interest in file.interests.items()])


# --- tasks ---------------------------------------------------------------------------------------


def _child(task: Task, values: Values) -> str:
    pid = values[0]
    kind = 0 if pid == -1 else P_PID if pid > 0 else P_PGID
    return _children(task, kind, abs(pid) if pid else task.group.pgrp.pgid)


def _waitid(task: Task, values: Values) -> str:
    return _children(task, values[0], values[1])


def _children(task: Task, kind: int, number: int) -> str:
    if kind == P_PID:
        return f"the exit of child {who(task.kernel, number)}"
    children = task.group.children.values()
    pids = [c.pid for c in children if kind != P_PGID or c.pgrp.pgid == number]
    named = everybody(task.kernel, pids)
    return f"the exit of {'child' if len(pids) == 1 else 'one of the children'} {named}"


def _vfork(task: Task, values: Values) -> str:
    queues = task.waiter.queues if task.waiter is not None else ()
    for child in task.kernel.tasks.values():
        if child.vfork_done is not None and child.vfork_done in queues:
            return f"vfork child {who(task.kernel, child.tid)} to execute a program or to end"
    return ""


def _execve(task: Task, values: Values) -> str:
    others = [tid for tid in task.group.tasks if tid != task.tid]
    return f"the other threads to end: {everybody(task.kernel, others)}" if others else ""


# --- time and signals ----------------------------------------------------------------------------


def _time(task: Task, values: Values) -> str:
    return f"a timer of {_left(task):.3f} s"


def _any_signal(task: Task, values: Values) -> str:
    blocked = _signals(task.blocked)
    signals = f"a signal{f' other than {blocked}' if blocked else ''}"
    children = task.group.children
    if not children or task.blocked & sigbit(SIGCHLD) or task.actions.ignores(SIGCHLD):
        return signals
    return f"{signals}; {_children(task, P_ALL, 0)} sends SIGCHLD"


def _one_signal(task: Task, values: Values) -> str:
    return f"one of the signals {_signals(task.sigwait)}"


def _signals(mask: int) -> str:
    numbers = [signo for signo in range(1, 65) if mask >> (signo - 1) & 1]
    if len(numbers) > 32:
        free = [signal_name(n) for n in range(1, 65) if n not in numbers]
        return f"all but {' '.join(free)}"
    return " ".join(map(signal_name, numbers))


# --- System V ------------------------------------------------------------------------------------


def _semaphore(task: Task, values: Values) -> str:
    semaphores = task.kernel.ipc.semaphores.find(values[0])
    blocker = semaphores.blocked.get(task)
    if blocker is None:
        return ""
    value = semaphores.values[blocker.number]
    wanted = f"to allow {blocker.change}" if blocker.change else "to be 0"
    pid = semaphores.pids[blocker.number]
    last = f", changed last by {who(task.kernel, pid)}" if pid else ""
    return f"semaphore {blocker.number} of set {values[0]} {wanted}; it is {value}{last}"


def _message(task: Task, values: Values) -> str:
    return f"a message in queue {values[0]}"


def _message_room(task: Task, values: Values) -> str:
    queue = task.kernel.ipc.queues.find(values[0])
    return f"room in message queue {values[0]}, which has {len(queue.messages)} messages"


def _table() -> dict[str, Describe]:
    groups: list[tuple[Describe, str]] = [
        (_read, "read readv pread64 preadv preadv2 recvfrom recvmsg recvmmsg accept accept4"),
        (_read, "mq_timedreceive"),
        (_write, "write writev pwrite64 pwritev pwritev2 sendto sendmsg sendmmsg mq_timedsend"),
        (_copy, "splice tee sendfile vmsplice copy_file_range"),
        (_open, "open openat openat2 creat"),
        (_connect, "connect"),
        (_flock, "flock"),
        (_record_lock, "fcntl"),
        (_poll, "poll ppoll"),
        (_select, "select pselect6"),
        (_epoll, "epoll_wait epoll_pwait epoll_pwait2"),
        (_child, "wait4"),
        (_waitid, "waitid"),
        (_vfork, "vfork clone clone3"),
        (_execve, "execve execveat"),
        (futex, "futex"),
        (futexes, "futex_waitv"),
        (_time, "nanosleep clock_nanosleep"),
        (_any_signal, "pause rt_sigsuspend"),
        (_one_signal, "rt_sigtimedwait"),
        (_semaphore, "semop semtimedop"),
        (_message, "msgrcv"),
        (_message_room, "msgsnd"),
    ]
    return {name: describe for describe, names in groups for name in names.split()}


_CALLS: Final = _table()
_SLEEPS: Final = frozenset({"nanosleep", "clock_nanosleep"})
"""Calls that wait for nothing but time."""
