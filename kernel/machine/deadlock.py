"""Is it over?  Nobody can run, and nothing will ever change that.

A task that sleeps can be woken by another task, by a timer, or from outside the machine: a host
descriptor somebody watches, or Ctrl-C for a task that catches SIGINT and waits for just that.  If
no task can run, no timer is set and nothing outside is watched, the run would last for ever; it is
ended instead, with a report of who waits for what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signals import SIG_IGN, SIGINT, sigbit
from kernel.machine.snapshot import snapshot_lines, take_snapshot

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task


class Deadlock(Exception):
    """Every task waits for another one.  The message names each with what it waits for."""


def check_deadlock(machine: Machine) -> None:
    """Called when nobody can run and no timer is set.  Deadlock, if nothing outside can help."""
    if machine.poller.watching or machine.stopping:
        return
    if machine.debugger is not None and machine.debugger.parked:
        return  # somebody could run, and is held
    system = machine.system
    if system.signal_came.waiters:
        return  # somebody reads or watches a signalfd: a signal may come from the host
    if any(_waits_for_interrupt(system.tasks[tid]) for tid in sorted(system.tasks)):
        return
    tasks = take_snapshot(machine)
    if tasks:
        raise Deadlock("\n".join(["every task waits for ever", *snapshot_lines(tasks)]))


def _waits_for_interrupt(task: Task) -> bool:
    """Does it sleep until a signal comes, and has it a use for SIGINT?"""
    if task.generator is None or (task.waiter is not None and task.waiter.queues):
        return False
    bit = sigbit(SIGINT)
    if task.sigwait & bit:
        return True
    return task.actions.get(SIGINT).handler > SIG_IGN and not task.blocked & bit
