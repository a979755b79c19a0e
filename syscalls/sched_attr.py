"""Policy, nice value and priority in one structure: sched_setattr(2), sched_getattr(2)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import E2BIG, EACCES, EINVAL, EPERM, ESRCH
from kernel.arch.base import PAGE_SIZE
from kernel.task.limits import renice
from kernel.task.sched_policy import RT_POLICIES, SCHED_RESET_ON_FORK
from kernel.task.sched_rules import set_policy
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import PidT, SchedAttrOutPtr, SchedAttrPtr, UInt, Zero

ATTR: Final = Struct("<IIQiIQQQII")
"""size, policy, flags, nice, priority, runtime, deadline, period, util_min, util_max"""
FIRST_SIZE: Final = 48
RESET_ON_FORK: Final = 1
KEEP_POLICY: Final = 8
KEEP_PARAMS: Final = 0x10


def _target(task: Task, pid: int) -> Task:
    found = task.kernel.tasks.get(pid) if pid else task
    if found is None:
        raise ESRCH("there is no process %s", pid)
    return found


def _read(task: Task, address: int) -> tuple[int, int, int, int]:
    """Policy, flags, nice and priority; E2BIG, with our size written back, for what we know not."""
    size = task.mem.read_u32(address) or FIRST_SIZE
    if not FIRST_SIZE <= size <= PAGE_SIZE:
        task.mem.write_u32(address, ATTR.size)
        raise E2BIG("no size of a sched_attr")
    data = task.mem.read(address, size)
    if any(data[ATTR.size :]):
        task.mem.write_u32(address, ATTR.size)
        raise E2BIG("members of struct sched_attr past its first version are set")
    fields = ATTR.unpack(data[: ATTR.size].ljust(ATTR.size, b"\0"))
    return fields[1], fields[2], fields[3], fields[4]


@syscall("sched_setattr(2)", partial="SCHED_DEADLINE and utilization clamps are EINVAL")
def sched_setattr(task: Task, pid: PidT, attr: SchedAttrPtr, flags: UInt) -> Zero:
    """Set policy, nice value and priority of a task.  See sched_setattr(2)."""
    if not attr or pid < 0 or flags:
        raise EINVAL(
            "attribute %#x, process %d, flags %#x: one of them cannot be", attr, pid, flags
        )
    policy, how, nice, priority = _read(task, attr)
    if policy >> 31 or how & ~(RESET_ON_FORK | KEEP_POLICY | KEEP_PARAMS):
        raise EINVAL("policy %#x or flags %#x cannot be", policy, how)
    target = _target(task, pid)
    if how & KEEP_POLICY:
        policy = target.policy.policy
    if how & KEEP_PARAMS:
        nice, priority = target.policy.nice, target.policy.priority
    reset = SCHED_RESET_ON_FORK if how & RESET_ON_FORK else 0
    set_policy(task, target, policy | reset, priority)
    if policy not in RT_POLICIES and nice != target.policy.nice:
        try:
            renice(task, target, nice)
        except EACCES as error:  # setpriority(2) calls it so, this one does not
            raise EPERM(error.reason) from None
    return 0


@syscall("sched_setattr(2)")
def sched_getattr(task: Task, pid: PidT, attr: SchedAttrOutPtr, size: UInt, flags: UInt) -> Zero:
    """Policy, nice value and priority of a task.  See sched_setattr(2)."""
    if not attr or pid < 0 or flags or not FIRST_SIZE <= size <= PAGE_SIZE:
        raise EINVAL(
            "attribute %#x of %d bytes, process %d, flags %#x: one of them cannot be",
            attr, size, pid, flags,
        )  # fmt: skip
    policy = _target(task, pid).policy
    known = min(size, ATTR.size)
    how = RESET_ON_FORK if policy.reset_on_fork else 0
    nice = 0 if policy.realtime else policy.nice
    fields = (known, policy.policy, how, nice, policy.priority, 0, 0, 0, 0, 0)
    task.mem.write(attr, ATTR.pack(*fields)[:known])
    return 0
