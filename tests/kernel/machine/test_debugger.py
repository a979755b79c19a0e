"""The debugger's core against real programs: points, signals, processes."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EFAULT, EINVAL
from kernel.abi.signals import SIGSEGV, SIGTERM, SIGTRAP, SIGUSR1, SIGUSR2, SIGWINCH
from kernel.machine.debugger import ALL, Stop
from tests.support.debugging import Debugged, debugged

pytestmark = [pytest.mark.row("T2"), pytest.mark.guest]


def nothing(run: Debugged, stop: Stop) -> None:
    """Go on."""


# -- breakpoints


def test_the_first_stop_is_before_the_first_instruction(arch: str) -> None:
    run = debugged(arch, "loop", answer=nothing)
    assert run.reasons == ["start"]
    assert run.stops[0].address == run.symbols["_start"]
    assert run.result.status == 0


def test_a_breakpoint_is_met_as_often_as_it_is_reached(arch: str) -> None:
    seen = []

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "square")
        else:
            registers = run.debugger.machine.cpu.registers(stop.task.context)
            seen.append(registers.get({"x86_64": "rdi", "aarch64": "x0"}[arch]))
            assert stop.address == run.pc(stop) == run.symbols["square"]

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons == ["start"] + 5 * ["breakpoint"]
    assert seen == [0, 1, 2, 3, 4]
    point = run.stops[1].point
    assert point is not None
    assert point.hits == 5
    assert not point.live  # its space is gone
    assert run.result.status == 0


def test_a_breakpoint_with_a_condition(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "square", when=lambda stop: run.word(stop, "counter") == 3)

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons == ["start", "breakpoint"]
    assert run.result.status == 0


def test_several_breakpoints_at_one_address(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "square")
            run.break_at(stop, "square")
        elif stop.point is not None:
            run.debugger.remove(stop.point)
            run.debugger.remove(stop.point)

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons == ["start", "breakpoint", "breakpoint"]


def test_no_breakpoint_where_nothing_is(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        mm = stop.task.mm
        assert mm is not None
        with pytest.raises(EFAULT):
            run.debugger.break_at(mm, 0x1000)
        with pytest.raises(EFAULT):
            run.debugger.watch(mm, 0x1000, 8, "w")
        with pytest.raises(EINVAL):
            run.debugger.watch(mm, run.symbols["counter"], 0, "w")
        with pytest.raises(EINVAL):
            run.debugger.watch(mm, run.symbols["counter"], 8, "x")

    assert debugged(arch, "loop", answer=answer).result.status == 0


def test_no_breakpoint_inside_an_aarch64_instruction() -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        assert stop.task.mm is not None
        with pytest.raises(EINVAL):
            run.debugger.break_at(stop.task.mm, run.symbols["square"] + 2)

    assert debugged("aarch64", "loop", answer=answer).result.status == 0


def test_another_program_counter_is_another_place(arch: str) -> None:
    """The debugger lets the function return at once, with another result."""

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "loop")
            return
        registers = run.debugger.machine.cpu.registers(stop.task.context)
        assert stop.task.mm is not None
        if arch == "x86_64":
            back = int.from_bytes(run.debugger.read(stop.task.mm, registers.sp, 8), "little")
            registers.sp += 8
        else:
            back = registers.get("x30")
        registers.pc, registers.result = back, 42

    assert debugged(arch, "loop", answer=answer).result.status == 42


# -- memory


def test_memory_is_read_and_written_whatever_its_protection(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        mm = stop.task.mm
        assert mm is not None
        text = run.symbols["square"]
        if stop.reason == "start":
            run.break_at(stop, "square")
            code = run.debugger.read(mm, text, 16)
            assert run.debugger.write(mm, text, code) == 16
            assert run.debugger.read(mm, 0x1000, 4) == b""
            assert run.debugger.write(mm, 0x1000, b"no") == 0
        else:
            run.debugger.write(mm, run.symbols["counter"], b"\0\0\0\0")

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons == ["start"] + 5 * ["breakpoint"]


# -- signals and faults


def test_signals_are_seen_before_they_are_delivered(arch: str) -> None:
    """Also one that is ignored, and one that is by default."""

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_signals = ALL
        if stop.reason == "signal":
            assert stop.info is not None
            assert stop.info.signo == stop.signal

    run = debugged(arch, "signals", answer=answer)
    assert [stop.signal for stop in run.stops[1:]] == [SIGUSR1, SIGUSR2, SIGWINCH]
    assert run.result.text == f"{SIGUSR1}\n"


def test_a_signal_is_dropped_or_becomes_another(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_signals = {SIGUSR1, SIGUSR2}
        if stop.signal == SIGUSR1:
            stop.signal = 0
        elif stop.signal == SIGUSR2:
            stop.signal = SIGUSR1

    run = debugged(arch, "signals", answer=answer)
    assert run.reasons == ["start", "signal", "signal"]
    assert run.result.text == f"{SIGUSR1}\n"


def test_a_deadly_signal_waits_for_the_answer(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_signals = {SIGTERM}
        if stop.reason == "signal":
            stop.signal = 0

    run = debugged(arch, "deadly", answer=answer)
    assert run.result.text == "survived\n"
    assert debugged(arch, "deadly", answer=nothing).result.status == 128 + SIGTERM


def test_a_fault_is_seen_before_its_signal(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_faults = True
        if stop.reason == "fault":
            assert stop.signal == SIGSEGV
            assert stop.info is not None
            assert stop.address == stop.info.address
            assert stop.address & 0xFFF == 12

    run = debugged(arch, "fault", answer=answer)
    assert run.reasons == ["start", "fault"]
    assert run.result.status == 0


@pytest.mark.parametrize(("becomes", "signals"), [(SIGSEGV, [SIGSEGV]), (SIGUSR1, [SIGUSR1])])
def test_a_fault_is_then_seen_as_its_signal(arch: str, becomes: int, signals: list[int]) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_faults = True
        run.debugger.catch_signals = ALL
        if stop.reason == "fault":
            stop.signal = becomes

    run = debugged(arch, "fault", answer=answer)
    assert run.reasons[:3] == ["start", "fault", "signal"]
    assert [stop.signal for stop in run.stops if stop.reason == "signal"][:1] == signals


def test_a_fault_that_is_dropped_is_no_signal(arch: str) -> None:
    """It is met again at once, and so is what its instruction did."""

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_faults = len(run.stops) < 4
        run.debugger.catch_signals = ALL
        if stop.reason == "fault":
            stop.signal = 0

    run = debugged(arch, "fault", answer=answer)
    assert run.reasons == ["start", "fault", "fault", "fault", "signal"]
    assert run.result.status == 0


def test_the_programs_own_breakpoint_is_its_own(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_signals = {SIGTRAP}
        if stop.reason == "start":
            run.break_at(stop, "own_trap")
        elif stop.reason != "signal":
            run.debugger.step(stop.task)

    run = debugged(arch, "trap", answer=answer)
    assert "signal" in run.reasons
    assert run.reasons.index("breakpoint") < run.reasons.index("signal")
    assert run.result.status == 0


# -- processes and threads


def test_children_are_reported_and_see_no_breakpoint(arch: str) -> None:
    """Fork copies the memory without the breakpoint; a vfork child runs in the parent's."""

    def answer(run: Debugged, stop: Stop) -> None:
        debugger = run.debugger
        debugger.catch_forks = debugger.catch_exits = True
        if stop.reason == "start":
            run.break_at(stop, "square")
        if stop.reason in ("fork", "vfork"):
            assert stop.other is not None
            assert stop.other.group is not stop.task.group

    run = debugged(arch, "children", answer=answer)
    assert run.reasons == [
        "start", "fork", "exit", "vfork", "breakpoint", "exit", "vfork_done", "exit",
    ]  # fmt: skip
    fork, child_exit, vfork, met, vfork_exit = run.stops[1:6]
    assert fork.other is child_exit.task
    assert vfork.other is met.task is vfork_exit.task
    assert [stop.status for stop in run.stops if stop.reason == "exit"] == [3 << 8, 5 << 8, 0]
    assert run.result.status == 0


def test_a_child_can_be_given_breakpoints(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_forks = True
        if stop.reason == "fork":
            assert stop.other is not None
            assert stop.other.mm is not None
            run.debugger.break_at(stop.other.mm, run.symbols["square"])

    run = debugged(arch, "children", answer=answer)
    assert run.reasons == ["start", "fork", "breakpoint", "vfork", "vfork_done"]
    assert run.stops[2].task is run.stops[1].other


def test_exec_ends_the_points_of_the_old_program(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_execs = True
        if stop.reason == "start":
            run.break_at(stop, "square")
            run.watch(stop, "counter", 4, "w")
        elif stop.reason == "exec":
            assert stop.address == run.symbols["_start"]
            assert not run.debugger.points.watches
            run.break_at(stop, "marker")

    run = debugged(arch, "executes", answer=answer)
    assert run.reasons == ["start", "exec", "breakpoint"]
    assert run.result.status == 0


def test_every_thread_meets_a_breakpoint(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_threads = run.debugger.catch_exits = True
        if stop.reason == "start":
            run.break_at(stop, "square")

    run = debugged(arch, "threads", answer=answer)
    assert run.result.status == 0
    assert run.reasons.count("clone") == run.reasons.count("thread_exit") == 3
    assert run.reasons[-1] == "exit"
    met = [stop.task for stop in run.stops if stop.reason == "breakpoint"]
    started = [stop.other for stop in run.stops if stop.reason == "clone"]
    assert {task: met.count(task) for task in met} == dict.fromkeys(started, 3)


def test_held_threads_stand_still(arch: str) -> None:
    """Whoever gets there first does all its work before anybody else does any."""
    order: list[int] = []

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_threads = True
        if stop.reason == "start":
            run.break_at(stop, "square")
        elif stop.reason == "breakpoint":
            order.append(stop.task.tid)
            for other in stop.task.group.tasks.values():
                if other is not stop.task:
                    run.debugger.hold(other)
        elif stop.reason == "thread_exit":
            for other in stop.task.group.tasks.values():
                run.debugger.release(other)

    run = debugged(arch, "threads", answer=answer)
    assert run.result.status == 0
    assert [order[0:3], order[3:6], order[6:9]] == [3 * order[n : n + 1] for n in (0, 3, 6)]


def test_a_held_process_can_be_killed(arch: str) -> None:
    """The time limit of the run ends it although nobody is allowed to run."""

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.hold(stop.task)

    run = debugged(arch, "loop", answer=answer, timeout=0.3)
    assert run.result.status == 124
