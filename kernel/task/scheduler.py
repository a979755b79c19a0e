"""Who runs next, and who sleeps.

Ordinary tasks take turns; SCHED_FIFO and SCHED_RR tasks go before them, highest priority first,
and interrupt them.  A turn is so many translated blocks, more for tasks with a low nice value
(``quantum``).  There is one processor.

Linux analogue: ``kernel/sched/``, much reduced: a deque is fair enough for tasks that all use
their whole turn or none of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from kernel.task.sched_policy import SCHED_FIFO, SCHED_IDLE
from kernel.task.task import RUNNING, SLEEPING, UNINTERRUPTIBLE, Task
from kernel.wait import Sleep, Waiter

if TYPE_CHECKING:
    from kernel.clock.clock import Clock
    from kernel.clock.timers import Timers

REALTIME_SHARE: Final = 20
"""Of so many turns one is for ordinary tasks, however busy real-time tasks are: Linux's
sched_rt_runtime_us leaves them 5%."""
AT_ONCE: Final = 0
"""A deadline that has passed: the task goes to the end of the run queue (sched_yield)."""
LOAD_PERIOD: Final = 5_000_000_000
_LOAD_DECAY: Final = (0.9200444146293232, 0.9834714538216174, 0.9944598480048967)
# Relative weight of nice values -20..19, as in Linux's sched_prio_to_weight: about 1.25 per step.
_NICE_BASE: Final = 1.25
IDLE_WEIGHT: Final = 3
"""Of 1024, which nice 0 has."""


class Scheduler:
    """The run queue.

    Invariants: a task is in the run queue at most once, and exactly then its ``queued`` is true;
    the state of a queued task is RUNNING; a blocked task has a waiter, a timer, or both, or waits
    for ever.  Stopped tasks are in no queue.
    ``current`` has the processor; ``preempt``: somebody better wants it (Linux: need_resched).
    """

    __slots__ = (
        "_clock",
        "_load",
        "_load_time",
        "_ordinary",
        "_realtime",
        "_realtime_turns",
        "_timers",
        "current",
        "preempt",
        "switches",
    )

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._ordinary: deque[Task] = deque()
        self._realtime: dict[int, deque[Task]] = {}
        self._realtime_turns = 0
        self.current: Task | None = None
        self.preempt = False
        self.switches = 0
        self._load = [0.0, 0.0, 0.0]
        self._load_time = clock.monotonic()

    @property
    def runnable(self) -> int:
        """How many tasks wait for the processor (the running one is not among them)."""
        return len(self._ordinary) + sum(len(queue) for queue in self._realtime.values())

    @property
    def load(self) -> tuple[float, float, float]:
        """The load averages as last sampled; looking changes nothing."""
        return self._load[0], self._load[1], self._load[2]

    def waiting(self) -> tuple[list[tuple[int, list[Task]]], list[Task]]:
        """Who wants the processor: (priority, tasks) highest first, then the ordinary tasks."""
        ranks = sorted(self._realtime, reverse=True)
        return [(rank, list(self._realtime[rank])) for rank in ranks], list(self._ordinary)

    def enqueue(self, task: Task, front: bool = False) -> None:
        """Put a runnable task at the end of its queue; nothing if it is in it already."""
        if task.queued:
            return
        task.queued = True
        task.state = RUNNING
        priority = task.policy.priority or task.boost
        if priority:
            self._enqueue_realtime(task, front)
        elif front:
            self._ordinary.appendleft(task)
        else:
            self._ordinary.append(task)

    def _enqueue_realtime(self, task: Task, front: bool) -> None:
        priority = task.priority
        queue = self._realtime.setdefault(priority, deque())
        if front:
            queue.appendleft(task)
        else:
            queue.append(task)
        current = self.current
        if current is not None and priority > current.priority:
            self.preempt = True
            current.work = True

    def turn_over(self, task: Task) -> None:
        """Its slice is used up.  SCHED_FIFO has none: it stays first among its equals."""
        self.enqueue(task, front=task.policy.policy == SCHED_FIFO)

    def set_boost(self, task: Task, boost: int) -> None:
        """Give a task the priority of those who wait for its locks."""
        queued = task.queued
        self.remove(task)
        task.boost = boost
        if queued:
            self.enqueue(task)

    def next(self) -> Task | None:
        """Take the next task out of the run queue, or None if nobody can run."""
        self.preempt = False
        if self._realtime and not self._ordinary_in_turn():
            best = max(self._realtime)
            queue = self._realtime[best]
            task = queue.popleft()
            if not queue:
                del self._realtime[best]
        elif self._ordinary:
            task = self._ordinary.popleft()
        else:
            self.current = None
            return None
        task.queued = False
        self.current = task
        return task

    def _ordinary_in_turn(self) -> bool:
        """Is it time for an ordinary task although real-time tasks want to run?"""
        if not self._ordinary:
            return False
        self._realtime_turns = (self._realtime_turns + 1) % REALTIME_SHARE
        return not self._realtime_turns

    def remove(self, task: Task) -> None:
        """Take a task out of the run queue if it is there (death, stop, new priority)."""
        if not task.queued:
            return
        task.queued = False
        if task in self._ordinary:
            self._ordinary.remove(task)
            return
        for priority in sorted(self._realtime):
            queue = self._realtime[priority]
            if task in queue:
                queue.remove(task)
                if not queue:
                    del self._realtime[priority]
                return

    def block(self, task: Task, sleep: Sleep) -> None:
        """Put the running task to sleep on wait queues and, perhaps, a deadline."""
        task.state = UNINTERRUPTIBLE if task.killable_only else SLEEPING
        task.sleep = sleep
        task.timed_out = False
        task.voluntary_switches += 1
        task.waiter = Waiter(task, sleep.queues, sleep.exclusive, sleep.key)
        if sleep.deadline == AT_ONCE:
            self._timeout(task)
        elif sleep.deadline is not None:
            task.timer = self._timers.add(sleep.deadline, self._timeout, task)

    def _timeout(self, task: Task) -> None:
        task.timer = None
        task.timed_out = True
        if task.waiter is not None:
            task.waiter.remove()
        self.enqueue(task)

    def wake(self, task: Task) -> None:
        """A wait queue woke a sleeping task: it has left its queues already."""
        if task.timer is not None:
            self._timers.cancel(task.timer)
            task.timer = None
        self.enqueue(task)

    def unblock(self, task: Task) -> None:
        """End a sleep from outside, neither woken nor timed out: a signal."""
        if task.waiter is not None:
            task.waiter.remove()
        self.wake(task)

    def load_average(self) -> tuple[float, float, float]:
        """The three numbers of /proc/loadavg, for a caller who runs."""
        self.sample_load(self.runnable + 1)
        return self.load

    def sample_load(self, active: int) -> None:
        """Every five seconds the number of tasks that run or want to goes into the averages."""
        now = self._clock.monotonic()
        if now - self._load_time > 200 * LOAD_PERIOD:  # slept for long: all of it has decayed
            self._load_time = now - 200 * LOAD_PERIOD
        while now - self._load_time >= LOAD_PERIOD:
            self._load_time += LOAD_PERIOD
            for index, decay in enumerate(_LOAD_DECAY):
                self._load[index] = self._load[index] * decay + active * (1 - decay)

    @staticmethod
    def quantum(task: Task, blocks: int) -> int:
        """A turn in translated blocks: ``blocks`` for nice 0, more or less for other values."""
        policy = task.policy
        if policy.policy == SCHED_IDLE:
            return max(256, blocks * IDLE_WEIGHT >> 10)
        nice = policy.nice
        return blocks if not nice else max(256, int(blocks * _NICE_BASE**-nice))

    def __repr__(self) -> str:
        current = self.current.tid if self.current is not None else None
        return f"<Scheduler {self.runnable} wait, current={current}>"
