"""mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import NSEC_PER_SEC, SIGEV_NONE, SIGEV_SIGNAL
from kernel.abi.errors import (
    EACCES,
    EBADF,
    EEXIST,
    EINVAL,
    EMSGSIZE,
    ENAMETOOLONG,
    ENOENT,
    ENOSYS,
)
from kernel.abi.files import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    NAME_MAX,
    O_ACCMODE,
    O_CREAT,
    O_EXCL,
    O_NONBLOCK,
    S_IFREG,
)
from kernel.abi.ipc import MQ_ATTR, MQ_PRIO_MAX
from kernel.abi.signals import NSIG
from kernel.abi.structs import SIGEVENT, TIMESPEC
from kernel.cred import RLIMIT_NOFILE
from kernel.vfs.anonymous import hidden_path
from kernel.vfs.permissions import check, check_sticky
from kernel.views.mqueue import (
    MSG_MAX,
    MSGSIZE_MAX,
    MqueueFile,
    MqueueInode,
    MqueueSuperBlock,
    Notice,
    check_new_queue,
    receive,
    send,
)
from syscalls.declare import syscall
from syscalls.kinds import (
    Fd,
    FileMode,
    InBuf,
    NewFd,
    OpenFlags,
    OutBuf,
    SigeventPtr,
    Size,
    TimespecPtr,
    UserAddr,
    Zero,
)
from syscalls.kinds_ipc import MqAttrOutPtr, MqAttrPtr, MqNamePtr, MqPriority

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.mount import Mount
    from kernel.wait import Blocking

_WANTS: Final = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE)


# --- names ---------------------------------------------------------------------------------------


def _queues(task: Task) -> tuple[Mount, MqueueSuperBlock]:
    mount = task.fs.mounts.anonymous.get(b"mqueue")
    if mount is None or not isinstance(mount.sb, MqueueSuperBlock):
        raise ENOSYS("this machine has no message queues")
    return mount, mount.sb


def _name(task: Task, address: int) -> bytes:
    """One name, without the slash the C library takes away."""
    name = task.mem.read_path(address)
    if not name:
        raise ENOENT("the name is empty")
    if b"/" in name or name in (b".", b".."):
        raise EACCES("%r: a name has no slash but the first", name)
    if len(name) > NAME_MAX:
        raise ENAMETOOLONG("the name has %d bytes, at most %d are allowed", len(name), NAME_MAX)
    return name


@syscall("mq_open(3)")
def mq_open(
    task: Task, name: MqNamePtr, oflag: OpenFlags, mode: FileMode, attr: MqAttrPtr
) -> NewFd:
    """Open or make a queue.  See mq_open(3), ERRORS."""
    wanted = task.mem.unpack(MQ_ATTR, attr) if attr else None
    word = _name(task, name)
    if oflag & O_ACCMODE == O_ACCMODE:
        raise EINVAL("access mode 3 means nothing")
    mount, sb = _queues(task)
    found = sb.root.names.get(word)
    if found is None:
        if not oflag & O_CREAT:
            raise ENOENT("there is no message queue %r", word)
        found = _create(task, sb, word, mode & ~task.fs.umask, wanted)
    elif oflag & O_CREAT and oflag & O_EXCL:
        raise EEXIST("message queue %r exists (O_EXCL)", word)
    else:
        check(task.cred, found, _WANTS[oflag & O_ACCMODE])
    path = hidden_path(mount, b"/" + word, found)
    file = found.open(task, path, oflag & (O_ACCMODE | O_NONBLOCK))
    return task.fds.install(file, True, 0, task.limits.soft(RLIMIT_NOFILE))  # always O_CLOEXEC


def _create(
    task: Task, sb: MqueueSuperBlock, name: bytes, mode: int, wanted: tuple[int, ...] | None
) -> MqueueInode:
    check(task.cred, sb.root, MAY_WRITE | MAY_EXEC)
    most, longest = (MSG_MAX, MSGSIZE_MAX) if wanted is None else wanted[1:3]
    check_new_queue(task, sb, most, longest)
    owner = (task.cred.fsuid, task.cred.fsgid)
    return sb.root.add(name, S_IFREG | mode & 0o777, owner, most, longest)


@syscall("mq_unlink(3)")
def mq_unlink(task: Task, name: MqNamePtr) -> Zero:
    """Remove a name; the queue goes with its last descriptor.  See mq_unlink(3)."""
    word = _name(task, name)
    _, sb = _queues(task)
    found = sb.root.names.get(word)
    if found is None:
        raise ENOENT("there is no message queue %r", word)
    check(task.cred, sb.root, MAY_WRITE | MAY_EXEC)
    check_sticky(task.cred, sb.root, found)
    sb.root.unlink(word, found)
    if not found.opens:
        found.evict()
    return 0


# --- messages ------------------------------------------------------------------------------------


def _queue(task: Task, fd: int) -> MqueueFile:
    file = task.fds.get(fd)
    if not isinstance(file, MqueueFile):
        raise EBADF("descriptor %d (%s) is no message queue", fd, file.path)
    return file


def _until(task: Task, address: int) -> int | None:
    if not address:
        return None
    seconds, nanoseconds = task.mem.unpack(TIMESPEC, address)
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise EINVAL("%d s %d ns is no time", seconds, nanoseconds)
    return int(seconds * NSEC_PER_SEC + nanoseconds)


@syscall("mq_send(3)")
def mq_timedsend(
    task: Task, mqdes: Fd, msg_ptr: InBuf, msg_len: Size, msg_prio: MqPriority,
    abs_timeout: TimespecPtr,
) -> Zero | Blocking[Zero]:  # fmt: skip
    """Add a message.  See mq_timedsend(3), ERRORS."""
    until = _until(task, abs_timeout)
    if msg_prio >= MQ_PRIO_MAX:
        raise EINVAL("priority %d is not below %d", msg_prio, MQ_PRIO_MAX)
    file = _queue(task, mqdes)
    if not file.writable:
        raise EBADF("descriptor %d is not open for sending", mqdes)
    if msg_len > file.messages.longest:
        raise EMSGSIZE("a message of %d bytes; at most %d", msg_len, file.messages.longest)
    return send(task, file, task.mem.read(msg_ptr, msg_len), msg_prio, until)


@syscall("mq_receive(3)")
def mq_timedreceive(
    task: Task, mqdes: Fd, msg_ptr: OutBuf, msg_len: Size, msg_prio: UserAddr,
    abs_timeout: TimespecPtr,
) -> Size | Blocking[Size]:  # fmt: skip
    """Take the oldest of the most urgent messages.  See mq_timedreceive(3), ERRORS."""
    until = _until(task, abs_timeout)
    file = _queue(task, mqdes)
    if not file.readable:
        raise EBADF("descriptor %d is not open for receiving", mqdes)
    if msg_len < file.messages.longest:
        raise EMSGSIZE(
            "the buffer has %d bytes, a message may have %d", msg_len, file.messages.longest
        )
    found = receive(task, file, until)
    if isinstance(found, tuple):
        return _store(task, msg_ptr, msg_prio, *found)
    return _receive(task, found, msg_ptr, msg_prio)


def _receive(
    task: Task, waiting: Blocking[tuple[bytes, int]], msg_ptr: int, msg_prio: int
) -> Blocking[int]:
    return _store(task, msg_ptr, msg_prio, *(yield from waiting))


def _store(task: Task, address: int, where: int, text: bytes, priority: int) -> int:
    if where:
        task.mem.write_u32(where, priority)
    task.mem.write(address, text)
    return len(text)


@syscall("mq_notify(3)", partial="SIGEV_THREAD, which needs a netlink socket, is EINVAL")
def mq_notify(task: Task, mqdes: Fd, sevp: SigeventPtr) -> Zero:
    """Ask for a signal when a message comes into the empty queue.  See mq_notify(3), ERRORS."""
    notice = None
    if sevp:
        value, signo, notify, _ = task.mem.unpack(SIGEVENT, sevp)
        if notify not in (SIGEV_NONE, SIGEV_SIGNAL):
            raise EINVAL("notification %d is none of SIGEV_NONE, SIGEV_SIGNAL", notify)
        if notify == SIGEV_SIGNAL and not 0 <= signo <= NSIG:
            raise EINVAL("there is no signal %s", signo)
        notice = Notice(task.group, notify, signo, value)
    _queue(task, mqdes).messages.register(task.group, notice)
    return 0


@syscall("mq_getattr(3)")
def mq_getsetattr(task: Task, mqdes: Fd, newattr: MqAttrPtr, oldattr: MqAttrOutPtr) -> Zero:
    """Look at a queue; only O_NONBLOCK can be changed.  See mq_getattr(3), ERRORS."""
    flags = task.mem.unpack(MQ_ATTR, newattr)[0] if newattr else 0
    if flags & ~O_NONBLOCK:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, O_NONBLOCK)
    file = _queue(task, mqdes)
    queue = file.messages
    old = (file.flags & O_NONBLOCK, queue.most, queue.longest, len(queue.messages))
    if newattr:
        file.flags = file.flags & ~O_NONBLOCK | flags
    if oldattr:
        task.mem.pack(MQ_ATTR, oldattr, *old)
    return 0
