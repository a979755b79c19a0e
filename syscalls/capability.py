"""capget(2) and capset(2): the capability sets of a task, in the three versions of the interface.

See capabilities(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, EPERM, ESRCH
from kernel.abi.process import (
    _LINUX_CAPABILITY_VERSION_1,
    _LINUX_CAPABILITY_VERSION_2,
    _LINUX_CAPABILITY_VERSION_3,
)
from kernel.abi.structs import CAP_DATA, CAP_HEADER
from kernel.cred import ALL_CAPABILITIES, CAP_SETPCAP
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import CapDataOutPtr, CapDataPtr, CapHeaderPtr, Zero

WORDS: Final = {
    _LINUX_CAPABILITY_VERSION_1: 1,
    _LINUX_CAPABILITY_VERSION_2: 2,
    _LINUX_CAPABILITY_VERSION_3: 2,
}
LOW: Final = 0xFFFFFFFF


def _header(task: Task, address: int) -> tuple[int, int]:
    """(32-bit words per set, pid); a version we do not know is answered with ours, and EINVAL."""
    version, pid = task.mem.unpack(CAP_HEADER, address)
    words = WORDS.get(version, 0)
    if not words:
        task.mem.write_u32(address, _LINUX_CAPABILITY_VERSION_3)
    return words, pid


@syscall("capget(2)")
def capget(task: Task, hdrp: CapHeaderPtr, datap: CapDataOutPtr) -> Zero:
    """Read the capabilities of a task.  See capget(2)."""
    words, pid = _header(task, hdrp)
    if not datap and not words:
        return 0  # the documented way to ask for the version
    if not words or pid < 0:
        raise EINVAL("the version is not known, or process %d cannot be", pid)
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise ESRCH("there is no task %d", pid)
    if not datap:
        return 0
    cred = target.cred
    sets = (cred.effective, cred.permitted, cred.inheritable)
    for word in range(words):
        low = (value >> 32 * word & LOW for value in sets)
        task.mem.pack(CAP_DATA, datap + word * CAP_DATA.size, *low)
    return 0


@syscall("capset(2)")
def capset(task: Task, hdrp: CapHeaderPtr, datap: CapDataPtr) -> Zero:
    """Set the caller's own capabilities.  See capset(2)."""
    words, pid = _header(task, hdrp)
    if not words:
        raise EINVAL("the version in the header is not known")
    if pid not in (0, task.tid):
        raise EPERM("only one's own capabilities can be set, not those of task %d", pid)
    effective = permitted = inheritable = 0
    for word in range(words):
        low = task.mem.unpack(CAP_DATA, datap + word * CAP_DATA.size)
        effective |= low[0] << 32 * word
        permitted |= low[1] << 32 * word
        inheritable |= low[2] << 32 * word
    _set(
        task,
        effective & ALL_CAPABILITIES,
        permitted & ALL_CAPABILITIES,
        inheritable & ALL_CAPABILITIES,
    )
    return 0


def _set(task: Task, effective: int, permitted: int, inheritable: int) -> None:
    """The rules of capabilities(7), "Programmatically adjusting capability sets"."""
    old = task.cred
    if not old.capable(CAP_SETPCAP) and inheritable & ~(old.inheritable | old.permitted):
        raise EPERM("inheritable %#x is not all permitted or inheritable already", inheritable)
    if inheritable & ~(old.inheritable | old.bounding):
        raise EPERM(
            "inheritable %#x is not all in the bounding set, %#x", inheritable, old.bounding
        )
    if permitted & ~old.permitted:
        raise EPERM("the permitted set %#x can only shrink, not to %#x", old.permitted, permitted)
    if effective & ~permitted:
        raise EPERM("effective %#x is not all permitted, %#x", effective, permitted)
    task.cred = old.changed(
        effective=effective,
        permitted=permitted,
        inheritable=inheritable,
        ambient=old.ambient & permitted & inheritable,
    )
