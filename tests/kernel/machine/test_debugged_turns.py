"""The turns of a debugged machine, with a processor that does what a script says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kernel.cpu.base import TRAP_WATCHPOINT
from kernel.cpu.fake import FakeContext, Step, breakpoint_met, page_fault, slice_end, stepped
from kernel.cpu.fake import syscall as call
from kernel.machine.debugger import ALL, Debugger, Stop
from kernel.machine.loop import Machine
from kernel.machine.pace import HostPace
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.task import Task

pytestmark = pytest.mark.row("T2")


class Table:
    """Two calls: one gives 7, one what it is asked for."""

    entries: tuple[Callable[[Any, memoryview], int], ...] = (
        lambda task, trap: 7,
        lambda task, trap: trap[1],
    )

    @staticmethod
    def unknown(task: Any, trap: memoryview) -> int:
        return -38

    def name(self, number: int) -> str | None:
        return f"call{number}"

    def declared(self, number: int) -> bool:
        return True

    def decode(self, number: int, raw: tuple[int, ...], /) -> tuple[int, ...]:
        return raw

    def descriptors(self, number: int, raw: tuple[int, ...], /) -> tuple[int, ...]:
        return ()


class Poller:
    """Nobody is outside."""

    watching = False

    def wait(self, timeout_ns: int | None) -> None:
        assert timeout_ns is not None, "everybody sleeps"


class Rig:
    """A machine, its program's script, and the stops so far."""

    def __init__(self) -> None:
        self.world = World()
        self.cpu = self.world.cpu
        poller = Poller()
        pace = HostPace(self.cpu, self.world.clock, poller)
        self.machine = Machine(self.world.kernel, self.cpu, Table(), poller, pace)
        self.task = self.world.program
        self.stops: list[Stop] = []
        self.answer: Callable[[Stop], None] = lambda stop: None
        self.debugger = Debugger(self.machine, self._stopped)
        self.world.kernel.scheduler.enqueue(self.task)

    def _stopped(self, stop: Stop) -> None:
        self.stops.append(stop)
        self.answer(stop)

    def run(self, *steps: Step | Callable[[FakeContext], Step], task: Task | None = None) -> None:
        """Until the script is used up."""
        context = (task or self.task).context
        self.cpu.script(context, *steps)  # type: ignore[arg-type]  # a FakeContext
        self.machine.run(lambda: not context.steps)  # type: ignore[union-attr]

    @property
    def reasons(self) -> list[str]:
        return [stop.reason for stop in self.stops]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_breakpoint_is_passed_by_one_step(rig: Rig) -> None:
    mm = rig.task.mm
    assert mm is not None
    at = rig.world.data
    point = rig.debugger.break_at(mm, at)
    assert rig.cpu.breakpoints == {(mm.root, at)}
    rig.run(breakpoint_met(at), stepped(at + 1), slice_end())
    assert rig.reasons == ["start", "breakpoint"]
    assert rig.stops[1].point is point
    rig.debugger.remove(point)
    assert rig.cpu.breakpoints == set()


def test_a_fault_in_a_step_does_not_end_it(rig: Rig) -> None:
    def answer(stop: Stop) -> None:
        if stop.reason == "start":
            rig.debugger.step(rig.task)

    rig.answer = answer
    rig.run(page_fault(rig.world.data + 0x2000), page_fault(rig.world.data + 0x3000), stepped(5))
    assert rig.reasons == ["start", "step"]
    assert rig.stops[1].address == 5


def test_a_system_call_ends_a_step(rig: Rig) -> None:
    def answer(stop: Stop) -> None:
        if stop.reason == "start":
            rig.debugger.step(rig.task)

    def calls(context: FakeContext) -> Step:
        context.registers.pc += 2
        return call(0)

    rig.answer = answer
    rig.run(calls, slice_end())
    assert rig.reasons == ["start", "step"]
    assert rig.cpu.registers(rig.task.context).result == 7  # type: ignore[arg-type]


def test_what_is_assigned_at_entry_is_what_is_done(rig: Rig) -> None:
    rig.debugger.catch_calls = ALL

    def answer(stop: Stop) -> None:
        if stop.reason == "enter":
            assert (stop.number, stop.args[0]) == (0, 3)
            stop.number, stop.args = 1, (9, *stop.args[1:])
        elif stop.reason == "return":
            assert (stop.number, stop.result) == (1, 9)
            stop.result = 11

    rig.answer = answer
    rig.run(call(0, 3), slice_end())
    assert rig.reasons == ["start", "enter", "return"]
    assert rig.cpu.registers(rig.task.context).result == 11  # type: ignore[arg-type]


def test_a_watchpoint_says_which_and_what(rig: Rig) -> None:
    mm = rig.task.mm
    assert mm is not None
    first = rig.debugger.watch(mm, rig.world.data, 4, "w")
    second = rig.debugger.watch(mm, rig.world.data + 8, 4, "a")

    def writes(context: FakeContext) -> Step:
        rig.task.mem.write(rig.world.data + 8, b"new!")
        rig.cpu.watch_hits = 1 << second.number
        return Step(TRAP_WATCHPOINT, ((8, rig.world.data + 8),))

    rig.run(writes, slice_end())
    assert rig.stops[1].point is second
    assert (second.old, second.new) == (bytes(4), b"new!")
    assert (first.hits, second.hits) == (0, 1)


def test_held_tasks_do_not_run(rig: Rig) -> None:
    thread = rig.world.thread()
    assert thread.context is not None
    rig.cpu.script(thread.context, slice_end())
    rig.debugger.hold(thread)
    rig.run(slice_end(), slice_end())
    assert rig.debugger.parked
    assert thread.context.steps
    rig.debugger.release(thread)
    rig.run(slice_end(), task=thread)
    assert not rig.debugger.parked


def test_leaving_the_loop_keeps_the_turn(rig: Rig) -> None:
    at = rig.world.data
    assert rig.task.mm is not None
    rig.debugger.break_at(rig.task.mm, at)
    rig.answer = lambda stop: rig.debugger.leave()
    context: Any = rig.task.context
    rig.cpu.script(context, breakpoint_met(at), stepped(at + 1))
    rig.machine.run(lambda: rig.debugger.leaving)
    assert rig.reasons == ["start"]
    for _ in range(2):
        rig.debugger.enter()
        rig.machine.run(lambda: rig.debugger.leaving or not context.steps)
    assert rig.reasons == ["start", "breakpoint"]


def test_nothing_of_it_is_left(rig: Rig) -> None:
    assert rig.task.mm is not None
    point = rig.debugger.break_at(rig.task.mm, rig.world.data)
    rig.debugger.watch(rig.task.mm, rig.world.data, 4, "w")
    rig.debugger.close()
    assert not point.live
    assert not rig.cpu.breakpoints
    assert not rig.cpu.watches
    rig.run(slice_end())
    assert not rig.stops
