"""Restartable sequences: rseq(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBUSY, EFAULT, EINVAL, EPERM
from kernel.task.rseq import Registration, announce, withdraw
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import HexInt, UserAddr, Zero

RSEQ_FLAG_UNREGISTER: Final = 1
ALIGNMENT: Final = 32
SMALLEST: Final = 32


@syscall("rseq(2)")
def rseq(task: Task, area: UserAddr, length: HexInt, flags: HexInt, signature: HexInt) -> Zero:
    """Register or unregister the thread's restartable sequences.  See rseq(2)."""
    given = Registration(area, length, signature)
    if flags & RSEQ_FLAG_UNREGISTER:
        _unregister(task, given, flags)
        return 0
    if flags:
        raise EINVAL("flags %#x have unknown bits", flags)
    if task.rseq is not None:
        _check_again(task.rseq, given)
    if area % ALIGNMENT or length < SMALLEST or (length > SMALLEST and length % ALIGNMENT):
        raise EINVAL("struct rseq has 32 bytes, aligned to 32; not %d at %#x", length, area)
    if area >= task.kernel.arch.user_top:
        raise EFAULT("%#x is no address of the user half", area)
    announce(task, given)
    return 0


def _unregister(task: Task, given: Registration, flags: int) -> None:
    known = task.rseq
    if flags & ~RSEQ_FLAG_UNREGISTER:
        raise EINVAL("flags %#x have unknown bits", flags)
    if known is None or known[:2] != given[:2]:
        raise EINVAL("%d bytes at %#x are not what was registered", given[1], given[0])
    if known.signature != given.signature:
        raise EPERM("the signature is %#x, not %#x", given.signature, known.signature)
    withdraw(task, known)


def _check_again(known: Registration, given: Registration) -> None:
    if known[:2] != given[:2]:
        raise EINVAL("another area is registered, at %#x", known[0])
    if known.signature != given.signature:
        raise EPERM("the signature is %#x, not %#x", given.signature, known.signature)
    raise EBUSY("this thread's rseq area is registered already at %#x", known[0])
