"""`import diorama`: hooks, processes and their insides, errors, several machines at once."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import diorama

pytestmark = pytest.mark.guest


def test_programs_have_status_and_output(machine: diorama.Machine) -> None:
    one = machine.spawn("sh", "-c", "cat; echo $0 >&2; exit 3", stdin=b"given")
    two = machine.spawn("sh", "-c", "kill -9 $$")
    assert (one.status, one.stdout) == (None, "")
    machine.run()
    assert (one.status, one.stdout, one.stderr) == (3, "given", "sh\n")
    assert two.status == 137
    assert machine.counts()["execve"] == 1  # cat; what is spawned comes without a call


@pytest.mark.parametrize("wrong", [{"env": 3}, {"cwd": 3}, {"env": {"A": 3}}, {"cwd": "/none"}])
def test_what_could_not_be_spawned_leaves_nothing_behind(
    machine: diorama.Machine, wrong: dict[str, Any]
) -> None:
    """A process without a program stayed, in state R, and the next run was a deadlock."""
    with pytest.raises((diorama.DioramaError, TypeError, AttributeError)):
        machine.spawn("true", **wrong)
    with pytest.raises(TypeError):
        machine.spawn("echo", 3)  # type: ignore[arg-type]
    machine.spawn("cat", stdin=diorama.OPEN)
    with pytest.raises(diorama.Deadlock, match=r"\n1 task:\n.* cat S"):
        machine.run()


@pytest.mark.parametrize("way", ["end", "close"])
def test_the_end_of_what_is_fed(machine: diorama.Machine, way: str) -> None:
    """close() was the kernel's own, which nobody may call; the program waited on."""
    cat = machine.spawn("cat", stdin=diorama.OPEN)
    assert cat.stdin is not None
    cat.stdin.feed("fed\n")
    machine.run(seconds=0.1)
    getattr(cat.stdin, way)()
    machine.run()
    assert (cat.status, cat.stdout) == (0, "fed\n")


def test_a_hook_sees_and_changes_calls(machine: diorama.Machine) -> None:
    seen = []
    machine.on("openat", lambda call: seen.append((call.name, call.path(1))))
    machine.on("getuid", lambda call: 77)
    machine.on("sethostname", lambda call: "EACCES")
    process = machine.spawn("sh", "-c", "cat /etc/shells; id -ru; hostname new")
    machine.run()
    assert ("openat", "/etc/shells") in seen
    assert process.stdout.endswith("\n77\n")
    assert "Permission denied" in process.stderr


def test_what_a_hook_raises_is_its_owners(machine: diorama.Machine) -> None:
    """The call fails, ``run`` raises, and the machine can go on."""

    def broken(call: diorama.Call) -> None:
        raise ZeroDivisionError("in a hook")

    machine.on("sethostname", broken)
    process = machine.spawn("sh", "-c", "hostname new; echo on")
    with pytest.raises(ZeroDivisionError, match="in a hook"):
        machine.run()
    machine.run()
    assert (process.status, process.stdout) == (0, "on\n")
    assert "Input/output error" in process.stderr


def test_the_insides_of_a_process(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", "exec 7</etc/passwd; echo up; while :; do :; done")
    machine.run(lambda: process.stdout == "up\n")
    assert {file.fd: file.path for file in process.files()}[7] == "/etc/passwd"
    assert any("[stack]" in str(area) for area in process.maps())
    assert process.status is None
    assert machine.spawn("kill", str(process.pid)).status is None
    machine.run()
    assert process.status == 143
    assert process.maps() == []


def test_mistakes_are_diorama_errors(machine: diorama.Machine, tmp_path: Path) -> None:
    with pytest.raises(diorama.DioramaError, match="no such system call"):
        machine.on("nosuchcall", lambda call: None)
    with pytest.raises(diorama.DioramaError, match="not found"):
        machine.spawn("nosuchprogram")
    with pytest.raises(diorama.DioramaError, match="directory"):
        machine.spawn("ls", cwd="/nowhere")
    assert [task.comm for task in machine.processes()] == ["init"], "nothing of it is left"
    with pytest.raises(diorama.DioramaError, match="no such file"):
        machine.mount(str(tmp_path / "nowhere"), "/x")
    with pytest.raises(diorama.DioramaError, match="memory"):
        diorama.boot(memory="lots")
    process = machine.spawn("echo", "alive")
    machine.run()
    assert process.stdout == "alive\n"


def test_two_machines_share_nothing(tmp_path: Path) -> None:
    with (
        diorama.boot("x86_64", memory="64m", seed=1) as one,
        diorama.boot("aarch64", memory="64m", hostname="other") as two,
    ):
        script = "echo x > /tmp/$(uname -m); hostname; ls /tmp; read line; echo $line"
        both = [machine.spawn("sh", "-c", script, stdin=b"in\n") for machine in (one, two)]
        for machine in (two, one):
            machine.run()
        assert both[0].stdout == "diorama\nx86_64\nin\n"
        assert both[1].stdout == "other\naarch64\nin\n"


def test_a_mount_shows_the_host(machine: diorama.Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from outside")
    machine.mount(str(tmp_path), "/m")
    process = machine.spawn("sh", "-c", "cat /m/file; echo from inside > /m/made")
    machine.run()
    assert process.stdout == "from outside"
    assert (tmp_path / "made").read_text() == "from inside\n"


@pytest.mark.parametrize("script", ["while :; do :; done", "sleep 1000"])
def test_ctrl_c_ends_the_run_and_nothing_else(machine: diorama.Machine, script: str) -> None:
    """Whether the guest is busy or everybody sleeps: the run ends at once and can go on."""
    process = machine.spawn("sh", "-c", script)
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    later = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])

    def run() -> None:
        later.start()
        machine.run(seconds=60)

    with pytest.raises(KeyboardInterrupt):
        run()
    later.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert process.status is None
    process.kill("KILL")
    machine.run()
    assert process.status == 137


def test_a_hook_cannot_run_the_machine(machine: diorama.Machine) -> None:
    machine.on_enter("openat", lambda call: machine.run())
    process = machine.spawn("cat", "/etc/hostname")
    with pytest.raises(diorama.DioramaError, match="runs already"):
        machine.run()
    machine.run()
    assert process.status == 1
    assert "I/O error" in process.stderr or "Input/output error" in process.stderr


def test_a_closed_machine_says_so(arch: str) -> None:
    """Nothing of it is asked any more: its memory is gone."""
    machine = diorama.boot(arch, memory="64m")
    process = machine.spawn("cat", stdin=diorama.OPEN)
    machine.run(seconds=0.05)
    memory, registers = process.memory, process.registers
    machine.close()
    machine.close()
    for ask in (
        lambda: registers.pc, lambda: registers["sp"], lambda: memory.read(4096, 4),
        lambda: process.maps(), lambda: process.files(), lambda: process.page_walk(0),
        lambda: process.kill(), lambda: process.symbol("main"),
        machine.processes, machine.snapshot, machine.run, machine.wait_graph, machine.statistics,
        machine.counts, machine.trace, machine.pipes, machine.step, machine.pause,
        lambda: machine.spawn("ls"), lambda: machine.read_file("/etc/passwd"),
        lambda: machine.write_file("/x", ""), lambda: machine.exists("/"),
        lambda: machine.provide("/x", ""), lambda: machine.remove_file("/x"),
        lambda: machine.mount("/", "/x"), lambda: machine.break_at(0, process=process),
        lambda: machine.watch(0, process=process), lambda: machine.stop_on("exit"),
        lambda: machine.on_enter("read", print), lambda: machine.on_fork(print),
    ):  # fmt: skip
        with pytest.raises((diorama.DioramaError, AttributeError), match=r"is closed|nothing has"):
            ask()
    assert repr(machine) == f"<Machine {arch}, closed>"
    assert repr(process).startswith("<Process 2 cat")
    assert process.stdout == ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"memory": "1k"}, "too little to start a program"),
        ({"memory": "300g"}, "255g is the most memory"),
        ({"memory": 1 << 60}, "bytes of memory can be made: "),
        ({"memory": "lots"}, "want a number"),
        ({"network": "moon"}, "want loopback, none, host"),
        ({"hostname": "x" * 65}, "longer than 64 bytes"),
    ],
)
def test_a_machine_that_cannot_be_is_refused_in_one_line(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(diorama.DioramaError, match=why) as refused:
        diorama.boot(**wrong)
    assert "\n" not in str(refused.value)


def test_a_program_of_the_hosts_has_to_be_mounted(machine: diorama.Machine) -> None:
    with pytest.raises(diorama.DioramaError, match=r"not found in .* after mount\(\)"):
        machine.spawn(__file__)
