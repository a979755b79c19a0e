"""The debugger's core: stops, breakpoints, watchpoints, single steps.

All-stop and synchronous.  The machine has one thread; when something is to be reported the loop
calls ``on_stop(stop)`` at a point where the kernel's state is consistent, and the world stands
still until that returns.  A front end (gdb's protocol, the console, the library) serves its user
inside ``on_stop``: it reads and changes registers (``machine.cpu.registers(task.context)``) and
memory (``Debugger.read``, ``write``), sets breakpoints, asks for a step of the task that stopped,
and returns to let everybody go on.

A guest cannot tell that it is debugged: breakpoints are in no page it can read, a step leaves no
trap flag behind, and nothing of this is in its address space.

Linux analogue: ptrace(2), ``hw_breakpoint``, ``uprobes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.machine.debugged import DebuggedTurns
from kernel.machine.points import Points, refresh
from kernel.machine.stops import (
    ALL,
    NONE,
    REASONS,
    Breakpoint,
    DebuggerBusy,
    Everything,
    Stop,
    Watchpoint,
)
from kernel.mm.peek import peek, poke
from kernel.task.delivery import restart_at_once
from kernel.task.sleep import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from kernel.machine.loop import Machine
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task

__all__ = [
    "ALL",
    "NONE",
    "REASONS",
    "Breakpoint",
    "Debugger",
    "DebuggerBusy",
    "Everything",
    "Stop",
    "Watchpoint",
]


class Debugger:
    """The one debugger of a machine.

    ``catch_calls`` and ``catch_signals``: numbers that stop, a set or ALL.  A signal is reported
    before it is delivered to the task, also one that it ignores; SIGKILL is not.
    ``catch_faults``: processor exceptions and refused accesses; the signal that one becomes is
    reported after it, if it is in ``catch_signals``.
    ``catch_forks``, ``catch_execs``, ``catch_exits``, ``catch_threads``: fork and vfork; execve;
    the end of processes; the start and end of further threads.
    ``closed``: it was taken out.
    """

    def __init__(self, machine: Machine, on_stop: Callable[[Stop], None]) -> None:
        """Attach.  The first task to run is reported with 'start'.

        Raises DebuggerBusy if the machine has a debugger.
        """
        if machine.debugger is not None:
            raise DebuggerBusy("diorama: another debugger is attached")
        self.machine = machine
        self.on_stop = on_stop
        self.catch_calls: Container[int] = NONE
        self.catch_signals: Container[int] = NONE
        self.catch_faults = False
        self.catch_forks = False
        self.catch_execs = False
        self.catch_exits = False
        self.catch_threads = False
        self.closed = False
        self.points = Points(machine.cpu)
        self._turns = DebuggedTurns(self, machine)
        self._pausing = False
        machine.debugger = self
        machine.turn = self._turns.turn
        machine.attach(self._turns.watching)
        machine.add_door(self._turns.watching)
        machine.on_attention.append(self._attention)
        machine.system.gate = self._turns.gate

    def close(self) -> None:
        """Take everything out; held tasks go on; the machine is back on its fast path.

        A call that was reported with 'enter' and not done yet is done as it was made.
        """
        if self.closed:
            return
        self.closed = True
        machine, turns = self.machine, self._turns
        self.points.clear()
        for task in list(turns.held):
            self.release(task)
        turns.withdraw()
        machine.turn = machine._turn
        machine.detach(turns.watching)
        machine.remove_door(turns.watching)
        machine.on_attention.remove(self._attention)
        machine.system.gate = None
        machine.debugger = None

    # -- points ------------------------------------------------------------------------------

    def break_at(
        self,
        mm: AddressSpace,
        address: int,
        *,
        hardware: bool = False,
        when: Callable[[Stop], object] | None = None,
    ) -> Breakpoint:
        """Stop before the instruction at an address is executed by any task of this space.

        Several breakpoints may be at one address; the first whose ``when`` holds is reported.  It
        stays until removed, also if something else is mapped there.  Raises EFAULT if nothing is
        mapped there, EINVAL if no instruction can begin there.
        """
        return self.points.break_at(mm, address, hardware, when)

    def watch(
        self,
        mm: AddressSpace,
        address: int,
        length: int,
        access: str,
        *,
        when: Callable[[Stop], object] | None = None,
    ) -> Watchpoint:
        """Stop after an instruction that accessed the bytes: 'r' read, 'w' wrote, 'a' either.

        A system call that changed the bytes is reported when it returns ('w', 'a'); what it reads
        is not.  Raises EFAULT if nothing is mapped there, EINVAL for another access or a bad
        length, ENOSPC beyond 64 watchpoints.
        """
        return self.points.watch(mm, address, length, access, when)

    def remove(self, point: Breakpoint | Watchpoint) -> None:
        """Take a point out; one that is gone already is left alone."""
        self.points.remove(point)

    # -- going on ----------------------------------------------------------------------------

    def step(self, task: Task) -> None:
        """Stop with 'step' after one instruction of this task, one system call or one signal.

        For a task that sleeps in a call that is the end of the call.  Other tasks run meanwhile,
        unless held.  Another reason to stop ends the request, unless it is overlooked.  A step that
        ends at a breakpoint is reported as 'breakpoint'.
        """
        if task.context is not None:
            inside = task in self._turns.kept or task.generator is not None
            began = -1 if inside else self.machine.cpu.registers(task.context).pc
            self._turns.steps[task] = began

    def overlook(self) -> None:
        """Within ``on_stop``: nobody is told of this stop; steps that were asked for go on."""
        self._turns.overlook()

    def hold(self, task: Task) -> None:
        """Do not run this task until ``release`` (gdb's scheduler-locking).

        SIGKILL ends it all the same.
        """
        if not task.dead:
            self._turns.held[task] = None

    def release(self, task: Task) -> None:
        """Let a held task run again."""
        turns = self._turns
        turns.held.pop(task, None)
        if task in turns.parked:
            del turns.parked[task]
            if not task.dead:
                self.machine.system.scheduler.enqueue(task)

    @property
    def parked(self) -> bool:
        """Would anybody run who is held?"""
        return bool(self._turns.parked)

    def free_doomed(self) -> bool:
        """Let those run who are held and were killed; was there one?"""
        return self._turns.free_doomed()

    def pause(self) -> None:
        """Stop with 'pause' as soon as possible; callable from a signal handler."""
        self._pausing = True
        self.machine.cpu.request_attention()

    def _attention(self) -> None:
        """Between two traps: whoever has the processor, or else anybody, is reported."""
        if not self._pausing:
            return
        self._pausing = self.machine.cpu.asked = False  # to stand still ends nobody's turn
        task = self._present_task()
        if task is not None:
            self._turns.report(Stop(task, "pause"))

    def _present_task(self) -> Task | None:
        system = self.machine.system
        for task in (system.scheduler.current, self.machine._last):
            if task is not None and task.context is not None:
                return task
        tasks = (system.tasks[tid] for tid in sorted(system.tasks))
        return next((task for task in tasks if task.context is not None), None)

    def leave(self) -> None:
        """Within ``on_stop``: let ``Machine.run`` return when that returns (see ``leaving``).

        What is assigned to the stop until the machine runs again counts.
        """
        self._turns.leaving = True

    def enter(self) -> None:
        """The machine is about to run again; what else there was to report may come at once."""
        self._turns.leaving = False
        self._turns.drain()

    @property
    def leaving(self) -> bool:
        """Was ``leave`` called?  To be asked by the ``until`` of ``Machine.run``."""
        return self._turns.leaving

    # -- memory ------------------------------------------------------------------------------

    def read(self, mm: AddressSpace, address: int, length: int) -> bytes:
        """Bytes of a space as ptrace(2) PEEKDATA: whatever the protections, without breakpoints.

        Fewer bytes if what follows is not mapped.
        """
        return peek(mm, address, length)

    def write(self, mm: AddressSpace, address: int, data: bytes) -> int:
        """Write as POKEDATA: read-only private pages too, never their file; the count done."""
        done = poke(mm, address, data)
        for point in self.points.watches:
            if point.mm is mm:
                refresh(point)
        return done

    def settle(self, task: Task) -> None:
        """Bring a task that sleeps in a call back to the call's start, to change its registers.

        The call is made again when the task runs, if its program counter was left where it is; one
        that had done part of its work has returned that.  A task that nothing but SIGKILL can wake
        (the parent of a vfork) stays asleep.
        """
        machine = self.machine
        while task.generator is not None and task.waiter is not None:
            if task.waiter.woken or task.timed_out:
                machine.system.scheduler.remove(task)
                if machine._wake(task):
                    machine.system.scheduler.enqueue(task)
                continue
            result = machine._guarded(task, settle, task)
            if result is None:
                return
            machine._finish_sleep(task, result)
        if not task.dead and task.interrupted is not None:
            restart_at_once(task)
