"""Robust futexes: what a dying task held is marked and somebody is woken.

The list is in user memory and may be garbage: every step is checked, its length is limited, and a
bad address ends the walk.  See get_robust_list(2); Linux: ``exit_robust_list``.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EFAULT, EINVAL
from kernel.abi.process import FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS

if TYPE_CHECKING:
    from kernel.task.task import Task

_HEAD: Final = Struct("<QqQ")  # first entry, offset of the futex word, entry being changed
LIST_LIMIT: Final = 2048
_PI: Final = 1  # the lowest bit of an entry's address


def release_robust_futexes(task: Task) -> None:
    """The task ends: give up what its robust list says it holds."""
    head = task.robust_list[0]
    task.robust_list = (0, 0)
    if not head or task.mm is None:
        return
    try:
        entry, offset, pending = task.mem.unpack(_HEAD, head)
        for _ in range(LIST_LIMIT):
            if entry & ~_PI == head:
                break
            following = task.mem.read_u64(entry & ~_PI)
            if entry & ~_PI != pending & ~_PI:
                _owner_died(task, (entry & ~_PI) + offset, entry & _PI)
            entry = following
        if pending:
            _owner_died(task, (pending & ~_PI) + offset, pending & _PI, in_progress=True)
    except (EFAULT, EINVAL):
        return


def _owner_died(task: Task, address: int, pi: int, in_progress: bool = False) -> None:
    """Mark one lock.  Contended locks with priority inheritance are handed over elsewhere."""
    word = task.mem.read_u32(address)
    owner = word & FUTEX_TID_MASK
    if in_progress and not pi and not owner:
        task.kernel.futexes.wake(task, address, 1)  # unlocked, and died before it woke anybody
        return
    if owner != task.tid:
        return
    task.mem.write_u32(address, word & FUTEX_WAITERS | FUTEX_OWNER_DIED)
    if word & FUTEX_WAITERS and not pi:
        task.kernel.futexes.wake(task, address, 1)
