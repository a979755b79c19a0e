"""Who connects, who goes away, who is refused; what never hangs and never raises."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import diorama
from tests.support.gdb import Running, debuggee, gdb
from tests.support.rsp import FEATURES, Client

pytestmark = pytest.mark.guest


def run(arch: str, *args: str, where: str = "0") -> Running:
    """The debuggee, waiting."""
    return Running("run", "-q", "-g", where, str(debuggee(arch)), *args)


def test_it_waits_and_says_how_to_connect(arch: str, work: Path) -> None:
    with run(arch, where="sock") as running:
        assert running.target == "sock"
        with Client("sock") as client:
            assert b"multiprocess+" in (client.ask(FEATURES) or b"")
            assert (client.ask(b"?") or b"").startswith(b"T05thread:p2.2;")
            assert client.ask(b"vCont;c") == b"W00;process:2"
            assert client.closed()
        result = running.finish()
    assert (result.status, result.stdout) == (0, "twice: 72\n")
    assert not (work / "sock").exists()
    assert result.stderr == "diorama: waiting for gdb: target remote sock\n"


def test_a_port_is_on_the_loopback_interface_only(arch: str) -> None:
    with run(arch) as running, Client(running.target) as client:
        assert running.target.startswith("127.0.0.1:")
        assert client.ask(b"k") is None
        assert running.finish().status == 128 + 9


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("99999", "no port"),
        ("", "a port, or a path"),
        ("x" * 200, "a port, or a path"),
        ("missing/sock", "No such file"),
        ("taken", "in use"),
        ("plain", "in use"),
    ],
)
def test_a_place_that_cannot_be(where: str, said: str, work: Path) -> None:
    (work / "plain").write_text("")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("taken")
        taken.listen()
        done = diorama("run", "-g", where, str(debuggee("x86_64")))
    assert done.returncode == 125
    assert done.stderr.startswith(b"diorama: ")
    assert done.stderr.count(b"\n") == 1
    assert said in done.stderr.decode()
    assert (work / "plain").exists()


def test_what_a_killed_run_left_behind_is_replaced(work: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind("sock")
    with run("x86_64", where="sock") as running, Client("sock") as client:
        client.send(b"vCont;c")
        assert running.finish().status == 0


def test_the_second_is_refused_and_told_why(arch: str) -> None:
    with run(arch) as running, Client(running.target) as first:
        first.ask(FEATURES)
        with Client(running.target) as second:
            assert second.ask(FEATURES) == b"E.diorama: another debugger is attached"
            assert second.closed()
        assert first.ask(b"qC") == b"QCp2.2"
        first.send(b"vCont;c")
        result = running.finish()
    assert result.status == 0
    assert "diorama: gdb: a second debugger was refused (another debugger is attached)" in (
        result.stderr
    )


def test_gdb_tells_its_user_why(arch: str) -> None:
    with run(arch) as running, Client(running.target) as first:
        first.ask(FEATURES)
        said = gdb(f"target remote {running.target}")
        assert "another debugger is attached" in said
        first.send(b"vCont;c")
        assert running.finish().status == 0


@pytest.mark.parametrize("how", ["while it stands", "while it runs", "in the middle of a packet"])
def test_one_that_goes_away_leaves_no_trace(arch: str, how: str) -> None:
    with run(arch, "threads") as running:
        with Client(running.target) as client:
            client.ask(FEATURES)
            pc = client.ask(b"p20" if arch == "aarch64" else b"p10") or b""
            address = int.from_bytes(bytes.fromhex(pc.decode()), "little")
            assert client.ask(b"Z0,%x,%x" % (address, 4 if arch == "aarch64" else 1)) == b"OK"
            if how == "while it runs":
                client.send(b"vCont;c")
            elif how == "in the middle of a packet":
                client.socket.sendall(b"$m1234")
        result = running.finish()
    assert (result.status, result.stdout) == (0, "threads: 14\n")


def test_it_may_come_back(arch: str) -> None:
    with run(arch, "busy") as running:
        with Client(running.target) as client:
            client.ask(FEATURES)
            assert client.ask(b"D;2") == b"OK"
        running.wait_for_output(b"busy\n")
        with Client(running.target) as client:
            client.ask(FEATURES)
            assert (client.ask(b"?") or b"").startswith(b"T05thread:p2.")
            assert client.ask(b"qAttached:2") == b"1"
            assert (client.ask(b"qfThreadInfo") or b"").count(b",") == 2
            assert client.ask(b"vKill;2") == b"OK"
        assert running.finish().status == 128 + 9


@pytest.mark.parametrize("what", ["busy", "asleep"])
def test_an_interrupt(arch: str, what: str) -> None:
    """The program computes, or everybody sleeps: ^C stops it, and it goes on."""
    with Running(
        "run", "-q", "-g", "0", str(debuggee(arch)), what, stdin=-1
    ) as running, Client(running.target) as client:  # fmt: skip
        client.ask(FEATURES)
        client.send(b"vCont;c")
        running.wait_for_output(what.encode())
        for _ in range(3):
            client.interrupt()
            assert (client.receive() or b"").startswith(b"T02thread:p2.")
            client.send(b"vCont;c")
        client.interrupt()
        assert (client.receive() or b"").startswith(b"T02thread:p2.")
        client.send(b"k")
        assert running.finish().status == 128 + 9


def test_an_interrupt_where_time_is_virtual(arch: str) -> None:
    """No ticker makes the machine look up."""
    with (
        Running("run", "-q", "--deterministic", "-g", "0", str(debuggee(arch)), "busy") as running,
        Client(running.target) as client,
    ):
        client.ask(FEATURES)
        client.send(b"vCont;c")
        running.wait_for_output(b"busy")
        client.interrupt()
        assert (client.receive() or b"").startswith(b"T02thread:p2.")
        assert client.ask(b"D;2") == b"OK"
        client.socket.close()
        with Client(running.target) as again:
            again.ask(FEATURES)
            assert (again.ask(b"?") or b"").startswith(b"T05thread:p2.")
            again.send(b"k")
            assert running.finish().status == 128 + 9


def test_a_deadlock_is_gdbs_to_solve(arch: str) -> None:
    """Nobody could ever wake the program, but gdb can; when it has gone, the run ends as always."""
    words = ("busybox", "sh", "-c", "mkfifo /tmp/f; echo made; cat /tmp/f")
    with (
        Running("run", "-q", "--arch", arch, "-g", "0", *words, stdin=-3) as running,
        Client(running.target) as client,
    ):
        client.ask(b"qSupported:multiprocess+")  # and no word of forks
        client.ask(b"QPassSignals:14")  # SIGCHLD
        client.send(b"vCont;c")
        running.wait_for_output(b"made")
        client.interrupt()
        assert (client.receive() or b"").startswith(b"T02thread:p2.2")
        assert client.ask(b"D;2") == b"OK"
        client.socket.close()
        result = running.finish()
    assert result.status == 125
    assert "deadlock: every task waits for ever" in result.stderr


def test_an_interrupted_read_goes_on_reading(arch: str) -> None:
    with Running(
        "run", "-q", "-g", "0", str(debuggee(arch)), "asleep", stdin=-1
    ) as running, Client(running.target) as client:  # fmt: skip
        client.ask(FEATURES)
        client.send(b"vCont;c")
        running.wait_for_output(b"asleep")
        client.interrupt()
        client.receive()
        registers = client.ask(b"g") or b""
        assert client.ask(b"G" + registers) == b"OK"
        client.send(b"vCont;c")
        assert running.process.stdin is not None
        running.process.stdin.write(b"x")
        running.process.stdin.close()
        running.process.stdin = None
        assert client.receive() == b"W07;process:2"
        assert running.finish().status == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("attached", [False, True])
def test_signals_to_diorama_end_it(number: signal.Signals, attached: bool) -> None:
    with run("x86_64", "busy") as running:
        if attached:
            with Client(running.target) as client:
                client.ask(FEATURES)
                os.kill(running.process.pid, number)
                assert running.finish().status == 128 + number
        else:
            os.kill(running.process.pid, number)
            assert running.finish().status == 128 + number


def test_a_timeout_counts_while_it_waits() -> None:
    done = diorama("run", "-g", "0", "--timeout", "0.2", str(debuggee("x86_64")))
    assert done.returncode == 124


def test_ctrl_c_ends_the_waiting() -> None:
    with run("x86_64") as running:
        os.kill(running.process.pid, signal.SIGINT)
        assert running.finish().status == 130


GARBAGE: tuple[Callable[[Client], None], ...] = (
    lambda client: client.socket.sendall(b"GET / HTTP/1.0\r\n\r\n"),
    lambda client: client.socket.sendall(b"$" * 200_000),
    lambda client: client.socket.sendall(b"\x03" * 1000 + b"-" * 1000 + b"#" * 1000),
    lambda client: client.socket.sendall(os.urandom(20_000)),
    lambda client: client.send(b"vCont;" + b"c;" * 3000),
    lambda client: client.send(b"M0,ffffffff:"),
    lambda client: client.send(b"Z0,-1,0"),
)


@pytest.mark.parametrize("number", range(len(GARBAGE)))
def test_a_client_that_is_no_gdb(number: int) -> None:
    """Whatever it sends: the program runs to its end once it has gone."""
    with run("x86_64") as running:
        with Client(running.target) as client:
            GARBAGE[number](client)
        result = running.finish()
    assert (result.status, result.stdout) == (0, "twice: 72\n")
    assert "internal error" not in result.stderr


def test_without_multiprocess(arch: str) -> None:
    """An old client, or another debugger: bare thread numbers, the older packets."""
    with run(arch) as running, Client(running.target) as client:
        client.ask(b"qSupported")
        assert (client.ask(b"?") or b"").startswith(b"T05thread:2;")
        assert client.ask(b"qC") == b"QC2"
        assert client.ask(b"Hg0") == b"OK"
        assert client.ask(b"Hc2") == b"OK"
        assert (client.ask(b"s") or b"").startswith(b"T05thread:2;")
        assert client.ask(b"Hc-1") == b"OK"
        assert client.ask(b"c") == b"W00"
        assert running.finish().status == 0


def test_shell_and_trace_have_it_too(arch: str, work: Path) -> None:
    with (
        Running("trace", "--gdb", "sock", "-e", "exit_group", str(debuggee(arch))) as running,
        Client("sock") as client,
    ):
        client.send(b"vCont;c")
        result = running.finish()
    assert "exit_group(0)" in result.stderr
