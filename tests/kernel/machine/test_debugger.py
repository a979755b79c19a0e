"""The debugger's core against real programs: what is reported, in which order, and what it changes."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EFAULT, EINVAL
from kernel.abi.signals import SIGCHLD, SIGSEGV, SIGTERM, SIGTRAP, SIGUSR1, SIGUSR2, SIGWINCH
from kernel.machine.debugger import ALL, Debugger, DebuggerBusy, Stop
from kernel.task.task import SLEEPING
from tests.support.debugging import Debugged, debugged

pytestmark = [pytest.mark.row("T2"), pytest.mark.guest]


def at_start(*names: str) -> object:
    """An answer that sets breakpoints at functions when the program starts."""

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            for name in names:
                run.break_at(stop, name)

    return answer


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


# -- calls


def calls_of(arch: str, *names: str) -> set[int]:
    """Numbers of calls."""
    from syscalls.table import table_for

    table = table_for(arch)
    return {number for number in range(500) if table.name(number) in names}


def test_a_call_is_reported_going_in_and_coming_out(arch: str) -> None:
    write = calls_of(arch, "write", "writev")

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = write

    run = debugged(arch, "signals", answer=answer)
    assert run.reasons == ["start", "enter", "return"]
    enter, leave = run.stops[1:]
    assert enter.number in write
    assert enter.args[0] == 1
    assert leave.result == len(run.result.stdout)
    assert (leave.number, leave.args) == (enter.number, enter.args)


def test_arguments_number_and_result_may_be_changed(arch: str) -> None:
    """read(fd, buffer, 8) reads 4 and says 8; a call of nobody's becomes another."""
    (read,) = calls_of(arch, "read")
    (getpid,) = calls_of(arch, "getpid")

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = {read}
        if stop.reason == "enter":
            stop.args = (*stop.args[:2], 4, *stop.args[3:])
        elif stop.reason == "return":
            assert stop.result == 4
            stop.result = 8

    run = debugged(arch, "receives", answer=answer)
    assert run.reasons == ["start", "enter", "return"]
    assert run.result.status == 1  # the other four bytes are not there

    def other(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = {read}
        if stop.reason == "enter":
            stop.number = getpid
        elif stop.reason == "return":
            assert (stop.number, stop.result) == (getpid, 2)

    assert debugged(arch, "receives", answer=other).result.status == 2

    def replaced(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = {read}
        if stop.reason == "enter":
            stop.result = 8

    assert debugged(arch, "receives", answer=replaced).result.status == 1


def test_registers_changed_at_entry_are_arguments(arch: str) -> None:
    (read,) = calls_of(arch, "read")
    third = {"x86_64": "rdx", "aarch64": "x2"}[arch]

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = {read}
        if stop.reason == "enter":
            run.debugger.machine.cpu.registers(stop.task.context).set(third, 3)

    run = debugged(arch, "receives", answer=answer)
    assert run.stops[-1].result == 3


def test_execve_is_reported_on_both_sides(arch: str) -> None:
    execve = calls_of(arch, "execve")

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = execve
        run.debugger.catch_execs = True

    run = debugged(arch, "executes", answer=answer)
    assert run.reasons == ["start", "enter", "exec", "return"]


# -- pause, hold, settle, leave


def test_pause_stops_at_once(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.debugger.pause()

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons == ["start", "pause"]
    assert run.stops[1].address == run.stops[0].address
    assert run.result.status == 0


def test_a_sleeping_call_goes_back_to_its_start(arch: str) -> None:
    """The thread that reads is brought out of its call; it makes it again and gets the bytes."""

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "marker")
            return
        (reader,) = [task for task in stop.task.group.tasks.values() if task is not stop.task]
        assert reader.state == SLEEPING
        assert reader.call is not None
        registers = run.debugger.machine.cpu.registers(reader.context)
        pc = registers.pc
        run.debugger.settle(reader)
        assert reader.generator is None
        assert registers.pc == pc - run.debugger.machine.cpu.arch.syscall_insn_size
        run.debugger.settle(reader)
        assert registers.pc == pc - run.debugger.machine.cpu.arch.syscall_insn_size

    assert debugged(arch, "asleep", answer=answer).result.status == 0


def test_settling_ends_a_nap_with_what_is_left_of_it(arch: str) -> None:
    """nanosleep is made again by restart_syscall: the time slept does not begin anew."""
    (nanosleep,) = {"x86_64": (35,), "aarch64": (101,)}[arch]

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_calls = {nanosleep, *calls_of(arch, "clock_nanosleep")}
        if stop.reason == "enter":
            run.debugger.pause()
        elif stop.reason == "pause" and stop.task.generator is not None:
            for task in list(stop.task.group.tasks.values()):
                run.debugger.settle(task)

    run = debugged(arch, "asleep", answer=answer, deterministic=True)
    assert run.result.status == 0
    assert "pause" in run.reasons


def test_only_one_debugger(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        with pytest.raises(DebuggerBusy, match="another debugger"):
            Debugger(run.debugger.machine, lambda stop: None)

    assert debugged(arch, "loop", answer=answer).result.status == 0


@pytest.mark.parametrize("reason", ["start", "breakpoint", "enter", "return", "signal"])
def test_a_debugger_may_go_at_any_stop(arch: str, reason: str) -> None:
    """The program goes on as if nothing had been; the machine has its own loop again."""

    def answer(run: Debugged, stop: Stop) -> None:
        debugger = run.debugger
        debugger.catch_calls = debugger.catch_signals = ALL
        if stop.reason == "start":
            run.break_at(stop, "marker")
        if stop.reason == reason:
            debugger.close()
            debugger.close()

    run = debugged(arch, "signals", answer=answer)
    machine = run.debugger.machine
    assert run.reasons[-1] == reason
    assert machine.debugger is None
    assert machine.turn == machine._turn
    assert not machine.observed
    assert machine.system.gate is None
    assert run.result.text == f"{SIGUSR1}\n"


@pytest.mark.parametrize("program", ["signals", "threads", "children", "receives"])
def test_the_machine_may_leave_its_loop_at_every_stop(arch: str, program: str) -> None:
    """Each stop ends Machine.run; running it again goes on there.  Nothing is lost or done twice."""

    def answer(run: Debugged, stop: Stop) -> None:
        debugger = run.debugger
        debugger.catch_calls = debugger.catch_signals = ALL
        debugger.catch_forks = debugger.catch_exits = debugger.catch_threads = True
        if stop.reason == "start":
            run.break_at(stop, "square")
            run.break_at(stop, "marker")

    straight = debugged(arch, program, answer=answer, deterministic=True)

    def leaving(run: Debugged, stop: Stop) -> None:
        answer(run, stop)
        run.debugger.leave()

    def again(run: Debugged) -> None:
        machine = run.debugger.machine
        loop = machine.run

        def run_in_pieces(until: object) -> None:
            while not until():  # type: ignore[operator]
                run.debugger.enter()
                loop(lambda: run.debugger.leaving or until())  # type: ignore[operator]

        machine.run = run_in_pieces  # type: ignore[method-assign, assignment]

    pieces = Debugged(arch, program, deterministic=True)
    pieces.run(leaving, prepare=again)
    assert pieces.result.status == straight.result.status == 0
    assert pieces.result.stdout == straight.result.stdout
    assert [(s.reason, s.task.tid, s.number, s.signal) for s in pieces.stops] == [
        (s.reason, s.task.tid, s.number, s.signal) for s in straight.stops
    ]
    assert SIGCHLD not in [s.signal for s in straight.stops] or program == "children"
