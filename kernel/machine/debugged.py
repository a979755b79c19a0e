"""The loop while a debugger is attached: turns that can stop at every instruction.

``DebuggedTurns.turn`` takes the place of the machine's own turn and does the same work in the same
order, in steps where steps are asked for, with a question to the debugger wherever something may
have to be reported.  Nothing of it is in the machine's own loop.

Stops are reported only where the kernel's state is consistent: between a trap and its handling,
or before user code runs.  What happens in the middle of a call (a fork, an execve, a death) waits
in ``waiting`` until the call is over or asleep.  So a report may also end the turn, and the machine
may even leave its loop there; the next turn of the task goes on where this one was.

Linux analogue: ``ptrace_stop``, ``ptrace_event``, ``user_single_step_report``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from kernel.abi.results import NO_RETURN_VALUE
from kernel.cpu.base import (
    T_ADDRESS,
    T_BLOCKS_LEFT,
    T_EXCEPTION,
    T_PC,
    TRAP_ATTENTION,
    TRAP_BREAKPOINT,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_STEP,
    TRAP_SYSCALL,
    TRAP_WATCHPOINT,
)
from kernel.machine.faults import report_exception
from kernel.machine.gate import Gate, TurnOver
from kernel.machine.loop import QUANTUM
from kernel.machine.stops import Stop
from kernel.machine.watching import Watching
from kernel.task.delivery import return_to_user
from kernel.task.rseq import disturbed
from kernel.task.signals import doomed

if TYPE_CHECKING:
    from kernel.machine.debugger import Debugger
    from kernel.machine.dispatch import Passage
    from kernel.machine.loop import Machine
    from kernel.task.task import Task


class DebuggedTurns:
    """The turns of a debugged machine.

    ``steps``: the tasks that make one step, and where it began (-1 within a call).  ``passed``:
    breakpoints that were reported to tasks which have not gone on from there yet.  ``held``: who
    must not run; ``parked``: those of them that would.  ``entered``: calls between their two
    reports; ``left``: their ends; ``kept``: those that were reported and are to be done.
    ``waiting``: what is to be reported next.  ``leaving``: the debugger wants the machine to leave
    its loop.
    """

    def __init__(self, debugger: Debugger, machine: Machine) -> None:
        self.debugger = debugger
        self.machine = machine
        self.watching = Watching(self)
        self.steps: dict[Task, int] = {}
        self.passed: dict[Task, int] = {}
        self.held: dict[Task, None] = {}
        self.parked: dict[Task, None] = {}
        self.entered: dict[Task, Stop] = {}
        self.left: dict[Task, Passage] = {}
        self.waiting: deque[Stop] = deque()
        self.dying: list[Task] = []
        self.leaving = False
        self.spaces_changed = False
        self.started = False
        self._vforks: dict[Task, None] = {}
        self._unused: dict[Task, int] = {}
        self.kept: dict[Task, tuple[tuple[int, ...], Stop]] = {}
        self.gate = Gate(self)
        self._open: Stop | None = None
        self._ended: dict[Task, int] = {}
        self._found = 0

    # -- reports -----------------------------------------------------------------------------

    def report(self, stop: Stop) -> bool:
        """The world stands still; afterwards: may the task go on with its turn?"""
        self._ended, self.steps = self.steps, {}
        self._found = stop.result if stop.result is not None else 0
        if not stop.address and stop.task.context is not None:
            stop.address = self._registers(stop.task).pc
        self.debugger.on_stop(stop)
        if self.leaving:
            self._open = stop  # what is assigned until the loop is entered again counts, too
        else:
            self._apply(stop)
        return self._may_go(stop.task)

    def overlook(self) -> None:
        """See Debugger.overlook."""
        self.steps = {task: at for task, at in self._ended.items() if not task.dead} | self.steps

    def _may_go(self, task: Task) -> bool:
        over = task.dead or task.queued or self.leaving or self.debugger.closed
        return not over and not self._is_held(task)

    def _is_held(self, task: Task) -> bool:
        """Must it not run?  Who is to die may."""
        return task in self.held and not doomed(task)

    def _apply(self, stop: Stop) -> None:
        """What was assigned to a 'return'."""
        if stop.reason == "return" and not stop.task.dead and stop.result is not None:
            if stop.result != self._found:
                stop.task.interrupted = None
                self.machine.cpu.set_result(stop.task.context, stop.result)

    def give_back(self, task: Task) -> None:
        """The turn ends early: the task goes on later, where it is, with what is left of it."""
        if task.dead or task.queued:
            return
        left = self.machine.cpu.trap[T_BLOCKS_LEFT]
        if left:
            self._unused[task] = left
        if self._is_held(task):
            self.parked[task] = None
        else:
            self.machine.system.scheduler.enqueue(task, front=True)

    def drain(self) -> None:
        """Report what waits."""
        if self.spaces_changed and self.waiting:
            self.spaces_changed = False
            self.debugger.points.prune()
        while self.waiting and not self.leaving and not self.debugger.closed:
            stop = self.waiting.popleft()
            if stop.other is not None and stop.other.vfork_done is not None:
                stop.reason = "vfork"
                self._vforks[stop.task] = None
            self.report(stop)

    def _forget(self, task: Task) -> None:
        for table in (
            self.steps, self.passed, self.held, self.parked, self.entered, self.left, self._vforks,
            self.kept, self.gate.kept, self._unused,
        ):  # fmt: skip
            table.pop(task, None)

    def _registers(self, task: Task) -> Any:
        return self.machine.cpu.registers(task.context)

    # -- turns -------------------------------------------------------------------------------

    def turn(self, task: Task) -> None:
        """See Machine._turn."""
        if self._open is not None:
            stop, self._open = self._open, None
            self._apply(stop)
        if self._is_held(task):
            self.parked[task] = None
            return
        machine = self.machine
        if task is not machine._last:
            machine._switched(task)
        if task.generator is not None:
            if not machine._wake(task):
                self._end_of_turn(task)
                return
            self._call_is_over(task)
        self._run_user(task)
        self._end_of_turn(task)

    def _end_of_turn(self, task: Task) -> None:
        if self.spaces_changed:
            self.spaces_changed = False
            self.debugger.points.prune()
        while self.dying:
            self._forget(self.dying.pop())
        self.drain()
        self.free_doomed()

    def free_doomed(self) -> bool:
        """Those who are to die get to run, held or not; was there one?"""
        doomed_tasks = [task for task in self.parked if doomed(task)]
        for task in doomed_tasks:
            del self.parked[task]
            self.machine.system.scheduler.enqueue(task)
        return bool(doomed_tasks)

    def withdraw(self) -> None:
        """The debugger goes: calls that were reported and not done yet are made again."""
        for task in self.kept:
            registers = self._registers(task)
            registers.pc -= self.machine.cpu.arch.syscall_insn_size
        self.kept.clear()

    def _run_user(self, task: Task) -> None:
        """See Machine._run_user; one trap after the other."""
        machine = self.machine
        trap = machine.cpu.trap
        blocks = machine.pace.budget(machine.system.scheduler.quantum(task, QUANTUM))
        blocks = min(blocks, self._unused.pop(task, blocks))
        while self._ready(task):
            kind = self._run(task, blocks)
            blocks = trap[T_BLOCKS_LEFT] or 1
            if kind == TRAP_SYSCALL:
                going = self._system_call(task, trap)
            elif kind == TRAP_PAGE_FAULT:
                going = machine._fault(task, trap)
            elif kind == TRAP_EXCEPTION:
                machine._guarded(task, report_exception, task, trap[T_EXCEPTION], trap[T_PC])
                going = True
            elif kind == TRAP_STEP:
                going = self._stepped(task, trap[T_PC])
            elif kind == TRAP_BREAKPOINT:
                going = self._at_breakpoint(task, trap[T_PC])
            elif kind == TRAP_WATCHPOINT:
                going = self._watched(task, trap[T_ADDRESS])
            else:
                blocks = self._slice(task, kind)
                going = blocks > 0
            if not going:
                return

    def _ready(self, task: Task) -> bool:
        """All that comes before user code; false if the turn is over."""
        while True:
            if not self.started:
                self.started = True
                self.waiting.append(Stop(task, "start"))
            self.drain()
            if not self._may_go(task):
                self.give_back(task)
                return False
            if task in self.kept and not doomed(task):
                if not self._dispatch_kept(task):
                    return False
                continue
            if task.work:
                try:
                    if not return_to_user(task):
                        return False
                except TurnOver:
                    self.give_back(task)
                    return False
                if self.debugger.closed:
                    self.give_back(task)
                    return False
            began = self.steps.get(task)
            if began is None or self._registers(task).pc == began:
                return True
            self._step_is_over(task)

    def _run(self, task: Task, blocks: int) -> int:
        """User code, up to a trap; one instruction only if that was asked, or to leave a point."""
        cpu = self.machine.cpu
        root = task.mm.root  # type: ignore[union-attr]  # a task with user code has memory
        passed = self.passed.get(task)
        if passed is not None and self._registers(task).pc != passed:
            del self.passed[task]
            passed = None
        if passed is not None or task in self.steps:
            return cpu.step(task.context, root, blocks)
        return cpu.run(task.context, root, blocks)

    def _slice(self, task: Task, kind: int) -> int:
        """The end of a turn, or attention: so many blocks if the task goes on at once, or 0."""
        machine = self.machine
        cpu, scheduler = machine.cpu, machine.system.scheduler
        steady = machine.pace.steady
        if kind == TRAP_ATTENTION and steady:
            left = cpu.trap[T_BLOCKS_LEFT] or 1
            machine._attend()
            if self._may_go(task) and not machine.stopping and not cpu.asked:
                return left  # as if nobody had looked: the turn has not ended
        if not task.dead:
            machine._slice_ends(task)
        if kind == TRAP_ATTENTION:
            if not steady:
                machine._attend()
            if self._may_go(task) and not machine.stopping:
                if not scheduler.runnable:
                    cpu.asked = False
                    return scheduler.quantum(task, QUANTUM)
            cpu.asked = False
        task.involuntary_switches += 1
        if not task.dead:
            disturbed(task)
            if self._is_held(task) or self.leaving:
                self.give_back(task)
            else:
                scheduler.turn_over(task)
        return 0

    # -- steps and points --------------------------------------------------------------------

    def _stepped(self, task: Task, pc: int) -> bool:
        """An instruction is done: one that was asked for, or the one under a breakpoint."""
        self.passed.pop(task, None)
        if task in self.steps:
            self._step_is_over(task)
        return True

    def _step_is_over(self, task: Task) -> None:
        """Report it; at a breakpoint that counts as that, unless it was and is overlooked."""
        pc = self._registers(task).pc
        if self.passed.get(task) != pc and self._met(task, pc):
            return
        self.steps.pop(task, None)
        self.waiting.append(Stop(task, "step", pc))

    def _at_breakpoint(self, task: Task, pc: int) -> bool:
        if not self._met(task, pc):
            self.passed[task] = pc
        return True

    def _met(self, task: Task, pc: int) -> bool:
        """Is there a breakpoint at ``pc`` that stops this task?"""
        assert task.mm is not None
        for point in self.debugger.points.at(task.mm, pc):
            stop = Stop(task, "breakpoint", pc)
            stop.point = point
            if point.when is None or point.when(stop):
                point.hits += 1
                self.passed[task] = pc
                self.waiting.append(stop)
                return True
        return False

    def _watched(self, task: Task, address: int) -> bool:
        assert task.mm is not None
        self.passed.pop(task, None)
        found = self.debugger.points.hit(task.mm, self.machine.cpu.watch_hits)
        for point in found:
            if self._watch_counts(task, point, address):
                return True
        if task in self.steps:
            self._step_is_over(task)
        return True

    def _watch_counts(self, task: Task, point: Any, address: int) -> bool:
        stop = Stop(task, "watchpoint", address)
        stop.point = point
        if point.when is not None and not point.when(stop):
            return False
        point.hits += 1
        self.waiting.append(stop)
        return True

    # -- calls -------------------------------------------------------------------------------

    def _system_call(self, task: Task, trap: memoryview) -> bool:
        """Report it if it is caught, and do it."""
        number = trap[0]
        self.passed.pop(task, None)
        self.entered.pop(task, None)
        if number not in self.debugger.catch_calls:
            return self._dispatch(task, trap)
        words = tuple(trap[0:7].tolist())
        stop = Stop(task, "enter", trap[T_PC])
        stop.number, stop.args = number, words[1:]
        before = self._call_registers(task)
        self.kept[task] = (words, stop)
        going = self.report(stop)
        after = self._call_registers(task)
        if not task.dead and after != before and stop.args == words[1:]:
            stop.args = after  # as PTRACE_SETREGS at a syscall-stop
        if not going:
            self.give_back(task)
            return False
        return self._dispatch_kept(task)

    def _call_registers(self, task: Task) -> tuple[int, ...]:
        if task.context is None:
            return ()
        registers = self._registers(task)
        names = self.machine.cpu.arch.syscall_argument_registers
        return tuple(registers.get(name) for name in names)

    def _dispatch_kept(self, task: Task) -> bool:
        """The call that was reported, as it is now."""
        words, stop = self.kept.pop(task)
        trap = self.machine.cpu.trap
        for place, word in enumerate(words):
            trap[place] = word
        self.entered[task] = stop
        return self._dispatch(task, trap)

    def _dispatch(self, task: Task, trap: memoryview) -> bool:
        """See Machine._run_user, TRAP_SYSCALL.  False if the task sleeps or is dead."""
        machine = self.machine
        result = machine._call(task, trap)
        if result.__class__ is int:
            if result is not NO_RETURN_VALUE:
                machine.cpu.set_result(task.context, result)
            elif task.dead:
                return False
        elif not machine._sleep(task, trap, result):
            return False
        self._call_is_over(task)
        return True

    def _call_is_over(self, task: Task) -> None:
        """What a call that has returned leaves to report: it is in the registers now."""
        entered, left = self.entered.pop(task, None), self.left.pop(task, None)
        if task in self._vforks:
            del self._vforks[task]
            self.waiting.append(Stop(task, "vfork_done"))
        if task.mm is not None and self.debugger.points.watches:
            for point in self.debugger.points.changed(task.mm):
                self._watch_counts(task, point, point.address)
        if left is None and entered is None:
            return
        stop = Stop(task, "return")
        if left is not None:
            stop.number, stop.args, stop.result = left.number, left.args, int(left.result)
        elif entered is not None:  # execve, rt_sigreturn
            stop.number, stop.args, stop.result = entered.number, entered.args, 0
        if stop.number in self.debugger.catch_calls:
            self.waiting.append(stop)
