"""Scheduling policy as plain data.  See sched(7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SCHED_OTHER: Final = 0
SCHED_FIFO: Final = 1
SCHED_RR: Final = 2
SCHED_BATCH: Final = 3
SCHED_IDLE: Final = 5
SCHED_DEADLINE: Final = 6
SCHED_RESET_ON_FORK: Final = 0x40000000
RT_POLICIES: Final = (SCHED_FIFO, SCHED_RR)
NORMAL_POLICIES: Final = (SCHED_OTHER, SCHED_BATCH, SCHED_IDLE)


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """How a task competes for the processor; immutable, so that fork shares it.

    ``priority`` is 1..99 for SCHED_FIFO and SCHED_RR and 0 for the others.
    """

    policy: int = SCHED_OTHER
    priority: int = 0
    nice: int = 0
    reset_on_fork: bool = False

    @property
    def realtime(self) -> bool:
        """Does it run before every ordinary task?"""
        return self.policy in RT_POLICIES

    def for_child(self) -> SchedulingPolicy:
        """What fork gives the child."""
        if not self.reset_on_fork:
            return self
        return SchedulingPolicy(nice=max(self.nice, 0))

    def with_nice(self, nice: int) -> SchedulingPolicy:
        """The same with another nice value, clamped to -20..19."""
        return replace(self, nice=max(-20, min(19, nice)))
