"""Whose is a futex?  Who has the lock it stands for, or whose end will wake its sleepers.

The kernel does not know what a word means.  A lock with priority inheritance names its owner; of
others it is read off the forms the C libraries give their mutexes, and nothing is said in doubt.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBUSY, KernelError
from kernel.abi.process import FUTEX_TID_MASK, FUTEX_WAITERS

if TYPE_CHECKING:
    from kernel.task.task import Task

_GLIBC_MUTEX: Final = Struct("<IIIII")
_GLIBC_KINDS: Final = 1 << 9


def word_owner(task: Task, address: int) -> int:
    """Who has the mutex at an address ``task`` sleeps on; 0 where that cannot be told.

    Robust and error-checking mutexes have the owner's tid in the word itself (musl's ordinary ones
    EBUSY, 16, which is nobody's).  glibc's ``pthread_mutex_t`` is the word, a count, the owner's
    tid, the number of users and the kind; its word is 1, or 2 when somebody waits.
    """
    tasks = task.kernel.tasks
    try:
        word = task.mem.read_u32(address)
        tid = word & FUTEX_TID_MASK
        if word & FUTEX_WAITERS and tid in tasks and tid not in (task.tid, EBUSY.errno):
            return tid
        if word not in (1, 2):
            return 0
        _, count, tid, users, kind = task.mem.unpack(_GLIBC_MUTEX, address)
    except KernelError:
        return 0
    plausible = count <= 1 and 0 < users <= len(tasks) and kind < _GLIBC_KINDS
    return tid if plausible and tid in tasks and tid != task.tid else 0


def ending_thread(task: Task, address: int) -> int:
    """The thread whose end clears the word and wakes its sleepers (pthread_join of glibc); or 0.

    See CLONE_CHILD_CLEARTID in clone(2).
    """
    try:
        tid = task.mem.read_u32(address)
    except KernelError:
        return 0
    other = task.kernel.tasks.get(tid)
    found = other is not None and other.mm is task.mm and other.clear_child_tid == address
    return tid if found and tid != task.tid else 0
