"""The loop: pick a task, run it, handle its trap.

Everything here is on the hot path of every guest instruction stream, so the inner loop binds what
it uses to local names and touches no object it does not need.

Errors of ours: an exception that is no KernelError and escapes a handler is a bug.  It is logged
once with its traceback, counted in ``bugs``, and the task gets EFAULT; tests fail when the count
is not 0.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final

from kernel.abi.errors import EFAULT, ERESTARTSYS, KernelError, Restart
from kernel.abi.results import NO_RETURN_VALUE
from kernel.cpu.base import (
    T_ACCESS,
    T_ADDRESS,
    T_BLOCKS_LEFT,
    T_EXCEPTION,
    T_PC,
    TRAP_ATTENTION,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SYSCALL,
)
from kernel.machine.deadlock import check_deadlock
from kernel.machine.dispatch import Counts, ObservedEntries
from kernel.machine.faults import report_exception, report_fault
from kernel.mm.fault import FAULT_BUS, FAULT_OOM
from kernel.mm.mapping import WX_REASON
from kernel.task import sleep
from kernel.task.delivery import return_to_user
from kernel.task.itimer import account
from kernel.task.rseq import disturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernel.cpu.base import Cpu
    from kernel.events import Observer
    from kernel.machine.debugger import Debugger
    from kernel.machine.dispatch import Door, Entry, Hook, SyscallTable
    from kernel.machine.pace import Pace, Poller
    from kernel.task.system import System
    from kernel.task.task import Task

QUANTUM: Final = 100_000
"""A turn in translated blocks: some milliseconds."""


class Machine:
    """One machine: a system, a processor, and the loop between them.

    ``bugs`` counts exceptions that escaped a handler; ``on_attention`` is called whenever the
    attention word ended a turn (host signals, the debugger, the clock of ``--timeout``).
    ``turn`` lets a task run; ``debugger``, while there is one, has put its own in this place.
    """

    def __init__(
        self, system: System, cpu: Cpu, table: SyscallTable, poller: Poller, pace: Pace
    ) -> None:
        self.system = system
        self.cpu = cpu
        self.table = table
        self.poller = poller
        self.pace = pace
        self.counts = Counts(len(table.entries))
        self.bugs: list[str] = []
        self._hinted: dict[int, None] = {}
        self.on_attention: list[Callable[[], None]] = []
        self.stopping = False
        self.debugger: Debugger | None = None
        self.turn: Callable[[Task], None] = self._turn
        self._observed = ObservedEntries(table, self.counts)
        self._entries: Sequence[Entry] = table.entries
        self._last: Task | None = None

    def __repr__(self) -> str:
        arch, tasks = self.system.arch.name, len(self.system.tasks)
        return f"<Machine {arch} {tasks} tasks{', observed' if self.observed else ''}>"

    # -- observers ---------------------------------------------------------------------------

    @property
    def observed(self) -> bool:
        """Does anybody look?"""
        return self._entries is not self.table.entries

    def attach(self, observer: Observer[Task]) -> None:
        """From the next call on, ``observer`` sees every event."""
        self.system.events = (*self.system.events, observer)
        self._swap_entries()

    def detach(self, observer: Observer[Task]) -> None:
        """No more events for this one."""
        self.system.events = tuple(o for o in self.system.events if o is not observer)
        self._swap_entries()

    def hook(self, number: int, hook: Hook) -> None:
        """Call ``hook`` before every system call ``number``; its result may replace the call."""
        self._observed.hooks.setdefault(number, []).append(hook)
        self._swap_entries()

    def add_door(self, door: Door) -> None:
        """From the next call on, those calls that ``door`` names pass it."""
        self._observed.doors = (*self._observed.doors, door)
        self._swap_entries()

    def remove_door(self, door: Door) -> None:
        """Calls pass it no more."""
        self._observed.doors = tuple(d for d in self._observed.doors if d is not door)
        self._swap_entries()

    def _swap_entries(self) -> None:
        self._observed.observers = self.system.events
        if self.system.events or self._observed.hooks or self._observed.doors:
            self._entries = [self._observed.call] * len(self.table.entries)
        else:
            self._entries = self.table.entries

    # -- the loop ----------------------------------------------------------------------------

    def run(self, until: Callable[[], bool]) -> None:
        """Run tasks until ``until()`` is true; it is asked whenever a turn has ended.

        Deadlock: everybody waits for somebody else, and nothing outside can change that.
        """
        scheduler = self.system.scheduler
        self.pace.begin()
        try:
            while not until():
                if self.pace.due():
                    self._attend()
                task = scheduler.next()
                if task is None:
                    self._idle()
                else:
                    self.turn(task)
        finally:
            self.pace.end()

    def _idle(self) -> None:
        """Nobody can run: let time pass until a timer is due or the host has something."""
        if self.debugger is not None and self.debugger.free_doomed():
            return
        timers = self.system.timers
        self.system.scheduler.sample_load(0)
        if timers.barren:
            check_deadlock(self)
        self.pace.idle(timers.next_deadline())
        self.system.scheduler.sample_load(0)
        self._attend()

    def _attend(self) -> None:
        """Look at everything that may have happened outside: timers, host, signals."""
        system = self.system
        self.pace.synchronize()
        system.scheduler.sample_load(system.scheduler.runnable + 1)
        system.timers.expire(system.clock.monotonic())
        self.poller.wait(0)
        for callback in self.on_attention:
            callback()

    def _turn(self, task: Task) -> None:
        """One turn of one task: finish the call it slept in, then user code until it ends."""
        if task is not self._last:
            self._switched(task)
        if task.generator is None or self._wake(task):
            self._run_user(task)

    def _wake(self, task: Task) -> bool:
        """Go on with the call the task slept in; false if it sleeps again, or died."""
        result = self._guarded(task, sleep.resume, task)
        if result is None:
            return False
        self._finish_sleep(task, result)
        return not task.dead

    def _switched(self, task: Task) -> None:
        self.system.counters.switches += 1
        for observer in self.system.events:
            observer.switch(self._last, task)
        self._last = task

    def _run_user(self, task: Task) -> None:
        """Run user code and serve its traps until the turn ends, the task sleeps, or dies."""
        run = self.cpu.run
        set_result = self.cpu.set_result
        trap = self.cpu.trap
        calls = self.counts.calls
        known = len(calls)
        scheduler = self.system.scheduler
        blocks = self.pace.budget(scheduler.quantum(task, QUANTUM))
        while True:
            if task.work and not return_to_user(task):
                return
            kind = run(task.context, task.mm.root, blocks)  # type: ignore[union-attr]
            if kind == TRAP_SYSCALL:
                number = trap[0]
                if number < known:
                    calls[number] += 1
                    entry = self._entries[number]
                else:
                    entry = self._outside(number)
                try:
                    result = entry(task, trap)
                except KernelError as error:
                    result = self._failed(task, trap, error)
                except Exception:  # noqa: BLE001  # a bug of ours; the one place that catches it
                    result = self._bug(task, trap)
                if result.__class__ is int:
                    if result is not NO_RETURN_VALUE:
                        set_result(task.context, result)
                    elif task.dead:
                        return
                elif not self._sleep(task, trap, result):
                    return
                blocks = trap[T_BLOCKS_LEFT] or 1
            elif kind == TRAP_PAGE_FAULT:
                if not self._fault(task, trap):
                    return
                blocks = trap[T_BLOCKS_LEFT] or 1
            elif kind == TRAP_EXCEPTION:
                self._guarded(task, report_exception, task, trap[T_EXCEPTION], trap[T_PC])
                blocks = trap[T_BLOCKS_LEFT] or 1
            else:
                steady = self.pace.steady
                if kind == TRAP_ATTENTION and steady:
                    blocks = trap[T_BLOCKS_LEFT] or 1
                    self._attend()
                    if not (self.cpu.asked or self.stopping or task.dead):
                        continue  # as if nobody had looked: the turn has not ended
                if not task.dead:
                    self._slice_ends(task)
                if kind == TRAP_ATTENTION:
                    if not steady:
                        self._attend()
                    self.cpu.asked = False
                    if not scheduler.runnable and not self.stopping:
                        blocks = scheduler.quantum(task, QUANTUM)
                        continue
                task.involuntary_switches += 1
                if not task.dead:
                    disturbed(task)
                    scheduler.turn_over(task)
                return

    def _slice_ends(self, task: Task) -> None:
        account(self.system, task.group)
        for observer in self.system.events:
            observer.slice_end(task)

    # -- system calls ------------------------------------------------------------------------

    def _call(self, task: Task, trap: memoryview) -> Any:
        """What _run_user does with a system call, up to its result: for a debugger's turns."""
        number = trap[0]
        if number < len(self.counts.calls):
            self.counts.calls[number] += 1
            entry = self._entries[number]
        else:
            entry = self._outside(number)
        try:
            return entry(task, trap)
        except KernelError as error:
            return self._failed(task, trap, error)
        except Exception:  # noqa: BLE001  # a bug of ours
            return self._bug(task, trap)

    def _sleep(self, task: Task, trap: memoryview, generator: Any) -> bool:
        """A handler wants to wait: begin its generator.  False if the task now sleeps."""
        number, *args = trap[0:7].tolist()
        task.call = (number, *args)
        result = self._guarded(task, sleep.begin, task, generator)
        if result is None:
            return False
        self._finish_sleep(task, result)
        return not task.dead

    def _finish_sleep(self, task: Task, result: int) -> None:
        """A call that slept has a result."""
        call = task.call
        if result is NO_RETURN_VALUE or call is None:
            if self.observed and call is not None:
                self._observed._without_result(task, call[0], call[1:])
            return
        if self.observed:
            result = self._observed.leave(task, call[0], call[1:], result, task.error_reason)
        if not task.dead:
            self.cpu.set_result(task.context, result)
        if -ERESTARTSYS.errno < result < 0 and call[0] < len(self.counts.errors):
            self.counts.errors[call[0]] += 1

    def _failed(self, task: Task, trap: memoryview, error: KernelError) -> int:
        """A handler raised: the result is -errno, and perhaps a signal comes with it."""
        number = trap[0]
        if error.reason is WX_REASON and task.tgid not in self._hinted:
            self._hinted[task.tgid] = None
            self.system.log(f"pid {task.tgid}: {self.table.name(number)}: {WX_REASON}")
        if isinstance(error, Restart):
            task.call = tuple(trap[0:7].tolist())
        elif number < len(self.counts.errors):
            self.counts.errors[number] += 1
        return sleep.failed(task, error)

    def _bug(self, task: Task, trap: memoryview) -> int:
        self._record_bug(f"pid {task.tgid}: {self.table.name(trap[0]) or trap[0]}")
        return -EFAULT.errno

    def _guarded(self, task: Task, work: Callable[..., Any], *args: Any) -> Any:
        """Do kernel work for a task outside a handler's frame; a bug of ours ends as EFAULT."""
        try:
            return work(*args)
        except Exception:  # noqa: BLE001  # see _record_bug
            self._record_bug(f"pid {task.tgid}: {work.__name__}")
            task.generator = None
            return -EFAULT.errno

    def _record_bug(self, where: str) -> None:
        text = traceback.format_exc()
        if text not in self.bugs:
            self.system.log(f"{where}: internal error\n{text.rstrip()}")
        self.bugs.append(text)

    def _outside(self, number: int) -> Entry:
        self.counts.outside[number] = self.counts.outside.get(number, 0) + 1
        return self._observed.call if self.observed else self.table.unknown

    # -- faults ------------------------------------------------------------------------------

    def _fault(self, task: Task, trap: memoryview) -> bool:
        """A page is missing a right: the address space decides, or the task gets a signal.

        False: there is no frame, and the turn goes to whoever has to die for it.
        """
        address, access = trap[T_ADDRESS], trap[T_ACCESS]
        try:
            verdict = task.mm.fault(address, access)  # type: ignore[union-attr]
        except Exception:  # noqa: BLE001  # see _record_bug
            self._record_bug(f"pid {task.tgid}: page fault at {address:#x}")
            verdict = FAULT_BUS
        if not verdict:
            for observer in self.system.events:
                observer.fault(task, address, access, task.mm.fault_kind)  # type: ignore[union-attr]
            return True
        self._guarded(task, report_fault, task, address, access, verdict)
        if verdict != FAULT_OOM:
            return True
        self.system.scheduler.turn_over(task)
        return False
