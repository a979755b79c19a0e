"""Breakpoints with predicates, watchpoints, events, steps: ``Machine.run`` returns stops."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import diorama

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]


@pytest.mark.usefixtures("stopping")
def test_a_breakpoint_with_a_predicate_stops_and_changes(
    machine: diorama.Machine, first: str
) -> None:
    process = machine.spawn("stopping")
    point = machine.break_at("add", lambda stop: stop.registers[first] == 3)
    stop = machine.run()
    assert stop is not None
    assert (stop.reason, stop.process, stop.point) == ("breakpoint", process, point)
    assert stop.address == stop.registers.pc == process.symbol("add")
    assert stop.symbol.endswith(" add")
    assert (stop.registers[first], point.hits) == (3, 1)
    stop.registers[first] = 100
    assert machine.run() is None
    assert process.stdout.startswith("107 107 ")
    point.remove()


@pytest.mark.usefixtures("stopping")
def test_full_speed_without_points(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping")
    point = machine.break_at("main")
    assert machine.kernel.debugger is not None
    stop = machine.run()
    assert stop is not None
    point.remove()
    point.remove()
    assert machine.run() is None
    assert machine.kernel.debugger is None
    assert not machine.kernel.observed
    assert process.status == 3


@pytest.mark.usefixtures("stopping")
def test_a_hook_at_an_address_never_stops(machine: diorama.Machine, first: str) -> None:
    machine.spawn("stopping")
    seen = []
    with machine.break_at("add", hook=lambda stop: seen.append(stop.registers[first])) as point:
        assert machine.run() is None
    assert seen == [0, 1, 2, 3, 4]
    assert point.hits == 5


@pytest.mark.usefixtures("stopping")
def test_a_watchpoint_shows_old_and_new(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping")
    machine.watch("counter", condition=lambda stop: stop.new[0] > 2)
    values = []
    while (stop := machine.run()) is not None:
        assert stop.reason == "watchpoint"
        values.append((stop.old[0], stop.new[0]))
    assert values == [(1, 3), (3, 6), (6, 10)]
    assert process.status == 3


@pytest.mark.usefixtures("stopping")
def test_steps_are_single_instructions(machine: diorama.Machine) -> None:
    machine.spawn("stopping")
    with machine.break_at("add"):
        machine.run()
    before = machine.stop.address  # type: ignore[union-attr]
    addresses = [before]
    for _ in range(3):
        stop = machine.step()
        assert stop is not None
        assert stop.reason == "step"
        addresses.append(stop.address)
    assert len(set(addresses)) == 4
    assert all(0 < b - a <= 16 for a, b in pairwise(addresses))
    assert machine.run() is None


@pytest.mark.usefixtures("stopping")
def test_calls_stop_twice_and_may_be_changed(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping")
    machine.stop_on("call", "/^writev?$")
    stop = machine.run()
    assert stop is not None
    assert stop.reason == "enter"
    assert stop.call.name in ("write", "writev")
    assert stop.call.args.fd == 1
    stop.call.args.fd = 2
    stop = machine.run()
    assert stop is not None
    assert (stop.reason, stop.call.result) == ("return", len(process.stderr))
    machine.run()
    assert process.stdout == ""
    assert process.stderr.startswith("10 10 ")


@pytest.mark.usefixtures("stopping")
def test_signals_and_faults_can_be_dropped(machine: diorama.Machine) -> None:
    """A dropped fault is met again: the instruction has not become better."""
    process = machine.spawn("stopping", "s")
    fault = machine.stop_on("fault")
    stop = machine.run()
    assert stop is not None
    assert (stop.reason, stop.signal) == ("fault", "SIGSEGV")
    assert stop.kernel.info is not None
    assert stop.kernel.info.address == 0
    fault.remove()
    machine.run()
    assert process.status == 139
    with pytest.raises(diorama.DioramaError, match="not at a system call"):
        stop.call  # noqa: B018  # the access is what fails


@pytest.mark.usefixtures("stopping")
def test_a_step_over_a_call_that_a_hook_sees(machine: diorama.Machine) -> None:
    machine.spawn("stopping")
    with machine.stop_on("call", "writev"):
        stop = machine.run()
    assert stop is not None
    behind = stop.registers.pc
    machine.run()
    process = machine.spawn("stopping")
    with machine.break_at(behind - {"x86_64": 2, "aarch64": 4}[machine.arch]):
        machine.run()
    with machine.stop_on("call", hook=lambda stop: None) as point:
        stop = machine.step()
    assert stop is not None
    assert (stop.reason, stop.registers.pc) == ("step", behind)
    assert point.hits == 2
    machine.run()
    assert process.status == 3


@pytest.mark.usefixtures("stopping")
def test_a_fault_stops_again_as_a_signal(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping", "s")
    machine.stop_on("fault")
    machine.stop_on("signal")
    for reason in ("fault", "signal"):
        stop = machine.run()
        assert stop is not None
        assert (stop.reason, stop.signal) == (reason, "SIGSEGV")
    machine.run()
    assert process.status == 139


@pytest.mark.usefixtures("stopping")
def test_a_signal_is_dropped(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping", "r", stdin=diorama.OPEN)
    machine.run(seconds=0.05)
    machine.stop_on("signal", "SIGUSR1,TERM")
    process.kill("SIGTERM")
    stop = machine.run(seconds=1)
    assert stop is not None
    assert (stop.reason, stop.signal) == ("signal", "SIGTERM")
    stop.signal = None
    machine.run(seconds=0.05)
    assert process.status is None
    process.kill("SIGUSR1")
    stop = machine.run(seconds=1)
    assert stop is not None
    stop.signal = "SIGKILL"
    machine.run()
    assert process.status == 137


@pytest.mark.usefixtures("stopping")
def test_forks_and_ends_stop(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping", "f")
    machine.stop_on("fork")
    machine.stop_on("exit")
    stop = machine.run()
    assert stop is not None
    assert stop.reason == "fork"
    child = stop.child
    assert child is not None
    assert child.parent is process
    assert process.children == [child]
    stops = [(stop.reason, stop.process.pid, stop.status) for stop in iter(machine.run, None)]
    assert stops == [("exit", child.pid, 7), ("exit", process.pid, 3)]


@pytest.mark.usefixtures("stopping")
def test_threads_step_alone(machine: diorama.Machine, first: str) -> None:
    process = machine.spawn("stopping", "t")
    machine.break_at("add", lambda stop: stop.registers[first] == 1000)
    stop = machine.run()
    assert stop is not None
    assert len(process.tasks()) == 2
    assert stop.thread.tid != process.pid
    other = next(one for one in process.tasks() if one.tid != stop.thread.tid)
    state, registers = other.state, dict(other.registers)
    machine.step()
    assert (other.state, dict(other.registers)) == (state, registers)
    machine.run()
    assert process.stdout.startswith("10 1010 ")


@pytest.mark.usefixtures("stopping")
def test_what_a_condition_raises_ends_the_run(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping")

    def broken(stop: diorama.Stop) -> bool:
        raise ZeroDivisionError("in a condition")

    point = machine.break_at("add", broken)
    with pytest.raises(ZeroDivisionError, match="in a condition"):
        machine.run()
    point.remove()
    machine.run()
    assert process.status == 3


def test_mistakes_are_diorama_errors(machine: diorama.Machine, stopping: Path) -> None:
    with pytest.raises(diorama.DioramaError, match="0 spawned programs live"):
        machine.break_at("main")
    process = machine.spawn("stopping")
    with pytest.raises(diorama.DioramaError, match="no symbol 'nowhere'"):
        machine.break_at("nowhere")
    with pytest.raises(diorama.DioramaError, match="no breakpoint at 0x10"):
        machine.break_at(0x10)
    with pytest.raises(diorama.DioramaError, match="no watchpoint"):
        machine.watch("counter", access="q")
    with pytest.raises(diorama.DioramaError, match="want one of signal, fault"):
        machine.stop_on("breakfast")
    with pytest.raises(diorama.DioramaError, match="no such system call"):
        machine.stop_on("call", "opneat")
    with pytest.raises(diorama.DioramaError, match="nothing has stopped"):
        machine.step()
    assert machine.kernel.debugger is None, "nothing is left behind by what failed"
    machine.run()
    assert process.status == 3
    with pytest.raises(diorama.DioramaError, match="has ended"):
        machine.break_at(0x1000, process=process)


@pytest.mark.usefixtures("stopping")
def test_two_debuggers_are_one_too_many(machine: diorama.Machine) -> None:
    from kernel.machine.debugger import Debugger

    machine.spawn("stopping")
    other = Debugger(machine.kernel, lambda stop: None)
    with pytest.raises(diorama.DioramaError, match="another debugger"):
        machine.break_at("main")
    other.close()
    machine.run()


@pytest.mark.usefixtures("stopping")
def test_pause_stops_a_busy_machine(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", "while :; do :; done")
    calls = []
    machine.on_enter("all", lambda call: calls.append(call.name))
    timer = machine.system.timers.add(machine.system.clock.monotonic() + 10_000_000, machine.pause)
    stop = machine.run()
    assert stop is not None
    assert stop.reason == "pause"
    assert not timer.active
    process.kill("KILL")
    machine.run()
    assert process.status == 137


@pytest.mark.usefixtures("stopping")
def test_functions_are_answered_in_their_place(machine: diorama.Machine) -> None:
    """Arguments by number and a return value, the same on both CPUs."""
    process = machine.spawn("stopping")
    asked = []

    def multiply(stop: diorama.Stop) -> None:
        asked.append((stop.argument(0), stop.argument(1)))
        stop.return_from(stop.argument(0) * 2 + stop.argument(1))

    point = machine.break_at("add", hook=multiply)
    machine.run()
    assert asked == [(0, 0), (1, 0), (2, 2), (3, 6), (4, 12)]
    assert process.stdout.startswith("20 0 ")
    point.remove()
    machine.spawn("stopping")
    machine.break_at("add", hook=lambda stop: stop.set_argument(0, 5))
    machine.run()
    with pytest.raises(diorama.DioramaError, match="not in a register"):
        diorama.Stop.argument(asked_stop(machine), 8)


def asked_stop(machine: diorama.Machine) -> diorama.Stop:
    """A stop at a breakpoint."""
    machine.spawn("stopping")
    machine.break_at("main")
    stop = machine.run()
    assert stop is not None
    return stop
