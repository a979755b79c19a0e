"""The machine's side over its real socket: what is told, what is answered, who cannot disturb."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import SECONDS, diorama
from tests.support.crowds import build_crowd
from tests.support.inspector import is_call, machine
from tools.inspector.protocol import LONGEST_REQUEST, NAME, VERSION
from tools.inspector.server import MOST_CONSUMERS
from tools.inspector.stream import LONGEST_WORD

pytestmark = pytest.mark.guest

SHELL = ("busybox", "sh", "-c")


def shell(arch: str, script: str) -> tuple[str, ...]:
    return ("-q", "--arch", arch, *SHELL, script)


def test_a_run_is_told_from_the_first_call_to_the_last(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "cat /etc/hostname | wc -c; exit 3")) as run:
        view = run.attach()
        assert (view.hello["hello"], view.hello["version"]) == (NAME, VERSION)
        assert (view.hello["arch"], view.hello["state"]) == (arch, "waiting")
        assert view.hello["program"][0] == "busybox"
        view.do(do="subscribe", rate=0)
        view.do(do="resume")
        events = view.rest()
        out, err = run.end()
    assert out == b"8\n"
    assert err == b"diorama: inspector: diorama top --attach=%s\n" % bytes(work / "s")
    assert run.process.returncode == 3
    assert events[-1] == {"event": "over", "status": 3}
    calls = [e for e in events if e["event"] == "call"]
    assert (calls[-1]["name"], calls[-1]["arguments"], calls[-1]["result"]) == (
        "exit_group", "3", "?",
    )  # fmt: skip
    opened = next(c for c in calls if c["name"] == "openat" and "hostname" in c["arguments"])
    assert opened["arguments"].startswith('AT_FDCWD, "/etc/hostname", O_RDONLY')
    assert opened["result"] == "3"
    assert [e["text"] for e in events if e["event"] == "end"][-1] == "exited with 3"
    assert len([e for e in events if e["event"] == "start"]) == 2
    assert any(e["event"] == "exec" and e["argv"][0] == "cat" for e in events)
    assert any(e["event"] == "signal" and e["signal"] == "SIGCHLD" for e in events)
    # Every call that was entered has its end, under the same number.
    asleep = {c["seq"] for c in calls if c["result"] is None}
    assert asleep <= {c["seq"] for c in calls if c["result"] is not None}
    assert not (work / "s").exists()


@pytest.mark.row("T1")
def test_kernel_objects_on_demand(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "sleep 1000 | cat"), wait=False) as run:
        view = run.attach()
        view.do(do="subscribe")
        view.do(do="pause")
        shown = view.do(
            do="show",
            what=["tasks", "run_queue", "waits", "wait_queues", "futexes", "mounts", "pipes",
                  "sockets", "memory"],
        )  # fmt: skip
        assert {task["tid"] for task in shown["tasks"]} >= {1, 2}
        assert any(mount["place"] == "/proc" for mount in shown["mounts"])
        assert shown["memory"]["total"] > shown["memory"]["free"] > 0
        shown = view.do(do="show", what=["descriptors", "memory_map", "signals"], tid=2)
        assert [d["fd"] for d in shown["descriptors"]][:3] == [0, 1, 2]
        stack = next(area for area in shown["memory_map"] if area["name"] == "[stack]")
        walk = view.do(do="show", what=["page_walk"], tid=2, address=stack["end"] - 8)
        assert len(walk["page_walk"]["levels"]) == 4
        assert view.do(do="show", what=["memory_map"], tid=1) == {"memory_map": []}
        source = view.do(do="source", of=shown["descriptors"][0]["implemented_by"])
        assert source["text"].startswith("class ")
        assert view.do(do="handler", of="openat")["text"].startswith("@syscall(")
        status = view.do(do="status")
        assert status["state"] == "paused"
        assert status["consumers"] == 1
        view.do(do="resume")


def test_requests_that_cannot_be_answered_have_one_line(work: Path) -> None:
    with machine(work / "s", "-q", "busybox", "true") as run:
        view = run.attach()
        wrong: list[dict[str, Any]] = [
            {"do": "fly"},
            {},
            {"do": "show"},
            {"do": "show", "what": "tasks"},
            {"do": "show", "what": ["nonsense"]},
            {"do": "show", "what": ["descriptors"]},
            {"do": "show", "what": ["descriptors"], "tid": 99},
            {"do": "show", "what": ["descriptors"], "tid": "2"},
            {"do": "show", "what": ["page_walk"], "tid": 2},
            {"do": "show", "what": ["page_walk"], "tid": 1, "address": 0},
            {"do": "source", "of": "os.system"},
            {"do": "source", "of": "kernel.nothing.Nothing"},
            {"do": "source"},
            {"do": "handler", "of": "nosuchcall"},
            {"do": "subscribe", "filter": ["trace=nosuchcall"]},
            {"do": "subscribe", "filter": "trace=open"},
            {"do": "subscribe", "events": ["weather"]},
            {"do": "subscribe", "rate": -1},
            {"do": "step", "filter": ["trace=/("]},
            {"do": "step", "tid": 1.5},
        ]
        for request in wrong:
            answer = view.ask(**request)
            assert "ok" not in answer, request
            assert answer["error"], request
            assert "\n" not in answer["error"], request
        view.do(do="resume")
        assert view.rest()[-1] == {"event": "over", "status": 0}


def test_a_filter_chooses_the_calls(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "cat /nothing; ls / > /dev/null")) as run:
        view = run.attach()
        view.do(do="subscribe", events=["calls"], rate=0,
                filter=["trace=openat,?open", "status=failed"])  # fmt: skip
        view.do(do="resume")
        calls = [e for e in view.rest() if e["event"] == "call"]
    assert {call["error"] for call in calls} == {"ENOENT"}
    assert {call["name"] for call in calls} <= {"open", "openat"}
    assert all(call["reason"] for call in calls)


def test_one_call_at_a_time(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "echo one; echo two")) as run:
        view = run.attach()
        view.do(do="subscribe", events=["calls"], filter=["trace=write"])
        for text in ("one", "two"):
            view.do(do="step", filter=["trace=write"])
            assert view.state("paused")["tid"] == 2
            calls = [e for e in view.events if e["event"] == "call"]
            assert text in calls[-1]["arguments"]
            assert view.do(do="status")["state"] == "paused"
            view.events.clear()
        view.do(do="step")
        view.state("paused")
        assert not [e for e in view.events if e["event"] == "call"]  # some other call
        view.do(do="resume")
        assert view.rest()[-1]["event"] == "over"


def test_a_step_of_one_task_lets_the_others_go(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "sleep 1000 & sleep 1000 & wait")) as run:
        view = run.attach()
        view.do(do="subscribe")
        view.do(do="resume")
        view.until(lambda e: e["event"] == "start" and e["tid"] == 4)
        view.until(lambda e: is_call("clock_nanosleep", ended=False)(e) and e["tid"] == 3)
        view.until(lambda e: is_call("clock_nanosleep", ended=False)(e) and e["tid"] == 4)
        view.do(do="pause")
        view.do(do="step", tid=4)  # asleep for a long time: the step goes on until it is stopped
        assert view.do(do="status")["state"] == "stepping"
        view.do(do="pause")
        assert view.do(do="status")["state"] == "paused"
        run.process.send_signal(signal.SIGTERM)
        assert view.rest()[-1] == {"event": "over", "status": 143}
        assert run.wait() == 143


def test_a_guest_that_only_computes_is_paused(arch: str, work: Path) -> None:
    """Virtual time as well, where no ticker makes the loop look around."""
    for option in ("-q", "--deterministic"):
        path = work / option.strip("-")
        with machine(path, option, *shell(arch, "while :; do :; done"), wait=False) as run:
            view = run.attach()
            view.do(do="pause")
            first = view.do(do="show", what=["tasks"])["tasks"][1]
            assert view.do(do="show", what=["tasks"])["tasks"][1]["utime"] == first["utime"]
            view.do(do="resume")
            assert view.do(do="status")["state"] == "running"
            run.process.send_signal(signal.SIGTERM)
            view.rest()
            assert run.wait() == 143


def test_who_goes_away_is_forgotten_and_holds_nobody(arch: str, work: Path) -> None:
    with machine(work / "s", *shell(arch, "echo begun; sleep 0.1; echo done")) as run:
        first = run.attach()
        first.do(do="subscribe")
        first.close()  # the machine was waiting for it
        out, _ = run.end()
    assert out == b"begun\ndone\n"
    assert run.process.returncode == 0


def test_a_machine_that_waits_is_not_let_go_by_who_only_knocks(work: Path) -> None:
    """``diorama top --attach`` knocks at every machine to see which ones run."""
    with machine(work / "s", "-q", "busybox", "echo", "begun") as run:
        run.ready()
        for _ in range(5):
            knock = run.attach()
            assert knock.hello["state"] == "waiting"
            knock.close()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(work / "s"))
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while stranger.recv(1 << 16):
                pass
        view = run.attach()
        assert view.do(do="status")["state"] == "waiting"
        view.do(do="resume")
        assert run.end()[0] == b"begun\n"


def test_huge_arguments_do_not_fill_a_consumers_queue(arch: str, work: Path) -> None:
    """Two megabytes of bytes were twelve of JSON, and who had them waiting was detached."""
    with machine(work / "s", "-q", str(build_crowd(arch)), "argv", "18") as run:
        view = run.attach()
        view.do(do="subscribe", events=["tasks"])
        view.do(do="resume")
        new = view.until(lambda e: e["event"] == "exec" and len(e["argv"]) > 3)
        assert new["argv"][1:3] == ["pipes", "0"]
        assert set(new["argv"][3:]) == {"\udcff" * LONGEST_WORD + "…"}
        assert len(new["argv"]) == 21


def test_a_machine_without_a_descriptor_left_turns_people_away(work: Path) -> None:
    """Nobody attaches then, but the program does not end for it, and nobody knocks for ever."""
    with machine(work / "s", "-q", *SHELL, "read a; echo $a", stdin=subprocess.PIPE) as run:
        view = run.attach()
        view.do(do="status")  # what it needs is loaded
        used = {int(name) for name in os.listdir(f"/proc/{run.process.pid}/fd")}
        free = next(number for number in count() if number not in used)
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (free, 4096))
        refused = socket.socket(socket.AF_UNIX)
        with refused:
            refused.settimeout(SECONDS)
            refused.connect(str(work / "s"))
            assert refused.recv(1) == b""
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        assert run.attach().do(do="status")["consumers"] == 2
        view.do(do="resume")
        assert run.process.communicate(b"fine\n")[0] == b"fine\n"


def test_a_consumer_that_stops_reading_disturbs_nobody(arch: str, work: Path) -> None:
    """Its events are counted, its requests wait; when it reads again it has what was promised."""
    script = """i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i > /dev/null; done
        touch /tmp/through; read a; echo over"""
    asked = 300
    with machine(work / "s", *shell(arch, script), stdin=subprocess.PIPE) as run:
        lazy, keen = run.attach(), run.attach()
        lazy.do(do="subscribe", events=["calls", "faults", "switches"], rate=0)
        keen.do(do="subscribe", events=["calls"], rate=0, filter=["trace=/open"])
        for _ in range(asked):
            lazy.send(do="show", what=["tasks", "mounts", "wait_queues", "memory"])
        keen.do(do="resume")
        keen.until(lambda e: e["event"] == "call" and "/tmp/through" in e["arguments"])
        answers = lost = told = 0
        while answers < asked or not lost:
            message = lazy.next()
            answers += "ok" in message
            told += message.get("event") == "call"
            lost += message["events"] if message.get("event") == "lost" else 0
        assert told
        assert run.process.communicate(b"\n")[0] == b"over\n"
    assert lost > 1000


def test_changes_of_state_come_to_everybody_and_only_some_fit(work: Path) -> None:
    words = ("-q", *SHELL, "read a; echo $a")
    with machine(work / "s", *words, stdin=subprocess.PIPE) as run:
        views = [run.attach() for _ in range(MOST_CONSUMERS)]
        refused = run.attach()
        assert "attached already" in refused.hello["error"]
        with pytest.raises(EOFError):
            refused.next()
        views[0].do(do="resume")
        for view in views:
            view.state("running")
        for view in views[1:]:
            view.close()
        views[0].do(do="pause")
        assert views[0].do(do="status")["state"] == "paused"
        again = run.attach()
        assert again.hello["state"] == "paused"
        views[0].close()
        assert again.do(do="status")["state"] == "paused"  # somebody still looks
        again.close()
        assert run.process.stdin is not None
        run.process.stdin.write(b"it goes on\n")
        run.process.stdin.flush()
        assert run.process.stdout is not None
        assert run.process.stdout.read() == b"it goes on\n"


@pytest.mark.parametrize(
    "garbage",
    [b"hello\n", b"[]\n", b"x" * (LONGEST_REQUEST + 1), b"\xff\xfe\n"],
    ids=["words", "list", "endless", "bytes"],
)
def test_who_does_not_speak_the_protocol_is_detached(work: Path, garbage: bytes) -> None:
    with machine(work / "s", "-q", "busybox", "echo", "fine") as run:
        good = run.attach()
        bad = run.attach()
        bad.connection.sendall(garbage)
        assert bad.rest()[-1]["event"] == "detached"
        good.do(do="resume")
        assert run.end()[0] == b"fine\n"


def test_the_socket_is_private_and_cannot_be_taken_twice(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(work / "old"))
    old.close()  # a machine that was killed leaves its socket behind
    with machine(work / "old", "-q", "busybox", "true") as run:
        assert run.process.stderr is not None
        assert b"--attach" in run.process.stderr.readline()
        view = run.attach()
        assert stat.S_IMODE(os.stat(work / "old").st_mode) == 0o600
        second = diorama("run", f"--inspect={work / 'old'}", "busybox", "true")
        assert second.returncode == 125
        assert second.stderr.count(b"\n") == 1
        assert b"something is there already" in second.stderr
        view.do(do="resume")
        assert run.wait() == 0


def test_places_where_no_socket_can_be(work: Path) -> None:
    (work / "file").write_text("precious")
    for place in (work / "file", work / "no" / "such", work / ("x" * 120)):
        done = diorama("run", f"--inspect={place}", "busybox", "echo", "never")
        assert (done.returncode, done.stdout) == (125, b"")
        assert done.stderr.startswith(b"diorama: ")
        assert done.stderr.count(b"\n") == 1
    assert (work / "file").read_text() == "precious"


def test_deadlocks_are_found_whoever_looks_on(arch: str, work: Path) -> None:
    script = "mkfifo /tmp/f; cat /tmp/f"
    with machine(work / "s", *shell(arch, script)) as run:
        view = run.attach()
        view.do(do="subscribe")
        view.do(do="resume")
        assert view.rest()[-1]["event"] == "over"
        _, err = run.end()
    assert b"deadlock" in err
    assert run.process.returncode == 125


@pytest.mark.row("T3")
def test_who_looks_changes_nothing_of_a_deterministic_run(arch: str, work: Path) -> None:
    """The same trace, with nobody attached and with somebody who asks all the time."""
    script = """
        for i in 1 2 3 4; do (j=0; while [ $j -lt 2000 ]; do j=$((j+1)); done; echo $i) & done
        wait; ls /proc"""
    words = ("--deterministic", *shell(arch, script))
    alone = diorama("run", f"--json={work / 'alone'}", *words)
    assert alone.returncode == 0
    asked = 0
    with machine(work / "s", f"--json={work / 'seen'}", *words) as run:
        view = run.attach()
        view.do(do="resume")
        try:
            while True:
                view.do(do="show", what=["tasks", "run_queue"])
                asked += 1
        except (EOFError, ConnectionError):
            pass
        out, _ = run.end()
    assert asked > 3
    assert out == alone.stdout
    assert (work / "seen").read_bytes() == (work / "alone").read_bytes()
