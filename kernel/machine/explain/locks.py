"""What a futex's sleeper waits for: the word, and who has the lock it stands for.

The kernel does not know what a word means.  A lock with priority inheritance names its owner; of
others it is read off the forms the C libraries give their mutexes, and nothing is said in doubt.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBUSY, KernelError
from kernel.abi.process import FUTEX_TID_MASK, FUTEX_WAITERS
from kernel.machine.explain.who import MOST, everybody, who
from kernel.task.futex import Bucket

if TYPE_CHECKING:
    from kernel.task.task import Task

_GLIBC_MUTEX: Final = Struct("<IIIII")
_GLIBC_KINDS: Final = 1 << 9


def futex(task: Task, values: tuple[int, ...]) -> str:
    """Of futex(2), by its arguments."""
    lock = task.pi_blocked
    if lock is not None:
        return f"{lock.queue.name}, held by {who(task.kernel, lock.owner.tid)}"
    return f"futex {values[0]:#x} to be woken{_word(task, values[0])}"


def _word(task: Task, address: int) -> str:
    """What the word says, and who has the lock if it is one that names its owner."""
    try:
        word = task.mem.read_u32(address)
    except KernelError:
        return ""
    owner = _owner(task, address, word)
    if owner:
        return f", held by {who(task.kernel, owner)}"
    others = [tid for tid in task.group.tasks if tid != task.tid]
    if not others:
        return f", the word is {word}"
    if len(others) > MOST:
        return f", the word is {word}; the process has {len(others)} other threads"
    return f", the word is {word}; other threads: {everybody(task.kernel, others)}"


def _owner(task: Task, address: int, word: int) -> int:
    """Who has the mutex; 0 where that cannot be told.

    Robust and error-checking mutexes have the owner's tid in the word itself (musl's ordinary ones
    EBUSY, 16, which is nobody's).  glibc's ``pthread_mutex_t`` is the word, a count, the owner's
    tid, the number of users and the kind; its word is 1, or 2 when somebody waits.
    """
    tasks = task.kernel.tasks
    tid = word & FUTEX_TID_MASK
    if word & FUTEX_WAITERS and tid in tasks and tid not in (task.tid, EBUSY.errno):
        return tid
    if word not in (1, 2):
        return 0
    try:
        _, count, tid, users, kind = task.mem.unpack(_GLIBC_MUTEX, address)
    except KernelError:
        return 0
    plausible = count <= 1 and 0 < users <= len(tasks) and kind < _GLIBC_KINDS
    return tid if plausible and tid in tasks and tid != task.tid else 0


def futexes(task: Task, values: tuple[int, ...]) -> str:
    """Of futex_waitv(2), by its arguments."""
    queues = task.waiter.queues if task.waiter is not None else ()
    words = [hex(q.address) for q in queues if isinstance(q, Bucket)]
    return f"one of futexes {', '.join(words)}" if words else f"one of {values[1]} futexes"
