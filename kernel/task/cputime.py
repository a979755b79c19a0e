"""Processor-time clocks of processes and threads.  See clock_getcpuclockid(3).

Linux analogue: ``kernel/time/posix-cpu-timers.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL
from kernel.clock.clockids import CPU_USER, CpuClock
from kernel.task.usage import cpu_times

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup


def check_cpu_clock(task: Task, clock: CpuClock) -> None:
    """EINVAL if the clock is nobody's, or that of a thread of another process."""
    if clock.per_thread:
        _thread(task, clock.pid)
    else:
        _process(task, clock.pid)


def read_cpu_clock(task: Task, clock: CpuClock) -> int:
    """Nanoseconds of processor time, for clock_gettime(2)."""
    if clock.per_thread:
        thread = _thread(task, clock.pid)
        utime, stime = thread.utime, thread.stime
    else:
        utime, stime = cpu_times(_process(task, clock.pid))
    return utime if clock.kind == CPU_USER else utime + stime


def _thread(task: Task, tid: int) -> Task:
    thread = task if not tid else task.kernel.tasks.get(tid)
    if thread is None or thread.group is not task.group:
        raise EINVAL("there is no thread %d in this process", tid)
    return thread


def _process(task: Task, pid: int) -> ThreadGroup:
    group = task.group if not pid else task.kernel.groups.get(pid)
    if group is None:
        raise EINVAL("there is no process %d", pid)
    return group
