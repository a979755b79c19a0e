"""The debugger's core at system calls, and how it comes and goes."""

from __future__ import annotations

import pytest

from kernel.abi.signals import SIGCHLD, SIGUSR1
from kernel.machine.debugger import ALL, Debugger, DebuggerBusy, Stop
from kernel.task.task import SLEEPING
from syscalls.table import build_table
from tests.support.debugging import Debugged, debugged

pytestmark = [pytest.mark.row("T2"), pytest.mark.guest]


# -- calls


def calls_of(arch: str, *names: str) -> set[int]:
    """Numbers of calls."""
    table = build_table(arch)
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


def test_a_step_of_a_sleeper_ends_with_its_call(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "marker")
        elif stop.reason == "breakpoint":
            (reader,) = [task for task in stop.task.group.tasks.values() if task is not stop.task]
            run.debugger.step(reader)
        else:
            registers = run.debugger.machine.cpu.registers(stop.task.context)
            assert registers.result == 5
            assert stop.task.generator is None

    run = debugged(arch, "asleep", answer=answer)
    assert run.reasons == ["start", "breakpoint", "step"]
    assert run.result.status == 0


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
    """Each stop ends Machine.run; running it again goes on there.  Nothing is done twice."""

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

        machine.run = run_in_pieces  # type: ignore[method-assign]

    pieces = Debugged(arch, program, deterministic=True)
    pieces.run(leaving, prepare=again)
    assert pieces.result.status == straight.result.status == 0
    assert pieces.result.stdout == straight.result.stdout
    assert [(s.reason, s.task.tid, s.number, s.signal) for s in pieces.stops] == [
        (s.reason, s.task.tid, s.number, s.signal) for s in straight.stops
    ]
    assert (SIGCHLD in [s.signal for s in straight.stops]) == (program == "children")


def test_a_stop_that_is_overlooked_ends_no_step(arch: str) -> None:
    """As many steps as were asked for, with calls and breakpoints on the way."""
    wanted = 900

    def answer(run: Debugged, stop: Stop) -> None:
        debugger = run.debugger
        debugger.catch_calls = ALL
        if stop.reason == "start":
            run.break_at(stop, "main")
        if stop.reason in ("enter", "return", "breakpoint"):
            debugger.overlook()
        elif run.reasons.count("step") < wanted:
            debugger.step(stop.task)

    run = debugged(arch, "loop", answer=answer)
    assert run.reasons.count("step") == wanted
    assert {"enter", "return", "breakpoint"} <= set(run.reasons)
    assert run.result.status == 0
