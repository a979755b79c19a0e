"""A process: the tasks that share a pid, and what belongs to all of them.

Linux analogue: ``struct signal_struct`` and the thread group leader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import Limits
from kernel.task.pending import PendingSet
from kernel.task.usage import Usage
from kernel.wait import WaitQueue

if TYPE_CHECKING:
    from kernel.task.itimer import IntervalTimer
    from kernel.task.posix_timer import CpuAlarm, PosixTimer
    from kernel.task.session import ProcessGroup, Session
    from kernel.task.sysv.sem import SemaphoreSet
    from kernel.task.task import Task


class ThreadGroup:
    """One process.

    Identity: ``pid``; ``leader`` is the task with that number; ``tasks`` by tid, live ones only
    (a dead leader stays in ``leader`` until the process is reaped).
    Family: ``parent`` and ``children`` (a zombie stays a child until it is waited for).
    ``ended`` is woken at death and when the process is waited for (pidfd_open(2)).
    Signals: ``pending`` is for whichever task takes it first.  ``exiting``: exit_group or a fatal
    signal has been decided, ``status`` (as wait(2) shows it) is final.
    ``dumpable``: may it leave a core and be looked into (prctl(2), PR_SET_DUMPABLE).
    ``no_terminal``: it gave up the session's terminal for itself (TIOCNOTTY).
    Job control: ``stop_signal`` != 0 while the process is stopped or stopping; ``stop_report`` is
    the signal a parent has not waited for yet; ``continued`` likewise for SIGCONT; ``stopped``:
    the parent has been told of the present stop.
    ``executing``: the task of it that does execve and ends all others; it sleeps on
    ``siblings_gone`` meanwhile.
    """

    __slots__ = (
        "child_usage",
        "child_wait",
        "children",
        "continued",
        "cpu_alarms",
        "cpu_timers",
        "cpu_warnings",
        "did_exec",
        "dumpable",
        "ended",
        "executing",
        "exit_signal",
        "exiting",
        "leader",
        "limits",
        "next_timer",
        "no_terminal",
        "oom_score_adj",
        "parent",
        "pending",
        "pgrp",
        "pid",
        "posix_timers",
        "real_timer",
        "reaped",
        "sem_undo",
        "siblings_gone",
        "status",
        "stop_report",
        "stop_signal",
        "stopped",
        "subreaper",
        "tasks",
        "unkillable",
        "usage",
    )

    def __init__(
        self,
        pid: int,
        parent: ThreadGroup | None,
        pgrp: ProcessGroup,
        limits: Limits,
        charges: dict[int, int],
    ) -> None:
        self.pid = pid
        self.leader: Task = None  # type: ignore[assignment]  # set by Task.__init__, at once
        self.tasks: dict[int, Task] = {}
        self.parent = parent
        self.children: dict[int, ThreadGroup] = {}
        self.child_wait = WaitQueue("child")
        self.ended = WaitQueue("end of a process")
        self.pgrp = pgrp
        self.limits = limits
        self.pending = PendingSet(charges)
        self.exit_signal = 0
        self.exiting = False
        self.executing: Task | None = None
        self.siblings_gone: WaitQueue | None = None
        self.reaped = False
        self.status = 0
        self.stop_signal = 0
        self.stop_report = 0
        self.stopped = False
        self.continued = False
        self.subreaper = False
        self.unkillable = False
        self.did_exec = False
        self.dumpable = 1
        self.no_terminal = False
        self.oom_score_adj = 0
        self.usage = Usage()
        self.child_usage = Usage()
        self.real_timer: IntervalTimer | None = None
        self.cpu_timers: list[IntervalTimer] = []
        self.cpu_alarms: list[CpuAlarm] = []
        self.posix_timers: dict[int, PosixTimer] = {}
        self.next_timer = 0
        self.sem_undo: dict[SemaphoreSet, None] = {}
        self.cpu_warnings = 0  # SIGXCPU sent so far

    @property
    def session(self) -> Session:
        """The session of its process group."""
        return self.pgrp.session

    @property
    def zombie(self) -> bool:
        """Dead, every task of it, and not waited for."""
        return not self.tasks

    def __repr__(self) -> str:
        return f"<ThreadGroup {self.pid} tasks={list(self.tasks)}>"
