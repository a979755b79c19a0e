"""The alternate signal stack.  See sigaltstack(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENOMEM, EPERM
from kernel.abi.signals import MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK
from kernel.arch.base import AltStack

if TYPE_CHECKING:
    from kernel.task.task import Task

NO_ALTSTACK: Final = AltStack(0, SS_DISABLE, 0)


def on_altstack(task: Task, sp: int) -> bool:
    """Does this stack pointer lie in the alternate stack?  Never, with SS_AUTODISARM."""
    stack = task.altstack
    if stack.flags & SS_AUTODISARM:
        return False
    return stack.sp < sp <= stack.sp + stack.size


def altstack_flags(task: Task, sp: int) -> int:
    """ss_flags as sigaltstack(2) reports them."""
    if not task.altstack.size:
        return SS_DISABLE
    flags = SS_ONSTACK if on_altstack(task, sp) else 0
    return flags | task.altstack.flags & SS_AUTODISARM


def set_altstack(task: Task, sp: int, new: AltStack) -> None:
    """Change it: not while the caller runs on it, and not to one that is too small."""
    if on_altstack(task, sp):
        raise EPERM("the caller runs on the alternate stack: %#x lies in it", sp)
    mode = new.flags & ~SS_AUTODISARM
    if mode not in (0, SS_DISABLE, SS_ONSTACK):
        raise EINVAL("flags %#x are none of SS_DISABLE, SS_ONSTACK, SS_AUTODISARM", new.flags)
    if mode == SS_DISABLE:
        task.altstack = AltStack(0, new.flags, 0)
        return
    least = MINSIGSTKSZ[task.kernel.arch.name]
    if new.size < least:
        raise ENOMEM("a stack of %d bytes is below MINSIGSTKSZ, %d", new.size, least)
    task.altstack = new
