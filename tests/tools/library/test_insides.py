"""Memory, registers, files, streams, events and traces from Python."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import diorama
from tools.library.events import FaultEvent

pytestmark = [pytest.mark.guest, pytest.mark.row("T1")]


@pytest.mark.usefixtures("stopping")
def test_memory_is_read_written_searched_and_patched(machine: diorama.Machine) -> None:
    process = machine.spawn("stopping")
    memory, buffer = process.memory, process.symbol("buffer")
    assert memory.read_string(buffer) == "a text in memory"
    assert memory[buffer] == ord("a")
    assert memory[buffer : buffer + 6] == b"a text"
    assert buffer in memory.search(b"a text in memory")
    memory[buffer] = ord("A")
    memory.write_string(buffer + 2, "word")
    memory.write_int(process.symbol("counter"), 5, 4)
    assert memory.read_int(process.symbol("counter"), 4, signed=True) == 5
    before = process.patch(process.symbol("add"), b"\x00")
    process.patch(process.symbol("add"), before)
    place = memory.map(8192, "rw")
    assert memory.is_mapped(place, 8192)
    memory.write(place, b"x" * 8192)
    memory.protect(place, 4096, "r")
    memory.unmap(place, 8192)
    assert not memory.is_mapped(place)
    with pytest.raises(diorama.DioramaError, match=f"nothing is mapped at {place:#x}"):
        memory.read(place, 1)
    with pytest.raises(diorama.DioramaError, match="do not fill"):
        memory[buffer : buffer + 3] = b"12"
    machine.run()
    assert process.stdout == "10 15 A word\n"
    with pytest.raises(diorama.DioramaError, match="no memory any more"):
        memory.read(buffer, 1)


def test_a_patched_text_does_not_reach_the_file(machine: diorama.Machine, stopping: Path) -> None:
    one, two = machine.spawn("stopping"), machine.spawn("stopping")
    contents = stopping.read_bytes()
    one.memory.write_string(one.symbol("buffer"), "mine")
    one.patch(one.symbol("main"), b"\x90\x90\x90\x90")
    one.kill("KILL")
    machine.run()
    assert two.stdout.endswith("a text in memory\n")
    assert stopping.read_bytes() == contents


@pytest.mark.usefixtures("stopping")
def test_registers_by_name_and_role(machine: diorama.Machine, arch: str) -> None:
    process = machine.spawn("stopping")
    registers = process.registers
    assert registers.pc == registers[{"x86_64": "rip", "aarch64": "pc"}[arch]]
    assert dict(registers)[{"x86_64": "rsp", "aarch64": "sp"}[arch]] == registers.sp
    name = {"x86_64": "r13", "aarch64": "x13"}[arch]
    registers[name] = -1
    assert registers[name] == (1 << 64) - 1
    setattr(registers, name, 5)
    assert getattr(registers, name) == 5
    assert f"{name}=0x5" in repr(registers)
    assert len(registers) == len(machine.system.arch.register_names)
    with pytest.raises(diorama.DioramaError, match=r"no register 'eip'; there are pc, sp"):
        registers["eip"]
    with pytest.raises(AttributeError, match="no register"):
        registers.eip  # noqa: B018  # the access is what fails
    machine.run()
    with pytest.raises(diorama.DioramaError, match="has ended"):
        registers["pc"]


def test_threads_show_what_they_do(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", "sleep 50 & wait")
    machine.run(seconds=0.2)
    (thread,) = process.tasks()
    assert (thread.tid, thread.name, thread.state) == (process.pid, "sh", "S")
    assert thread.snapshot.call == "rt_sigsuspend"
    assert thread.snapshot.waits_for == ("a signal",)
    assert thread.stack()[0].address == process.registers.pc
    assert thread.signals.blocked == ()
    (child,) = process.children
    assert child.name == "sleep"
    assert child.stdout == ""
    with pytest.raises(diorama.DioramaError, match="not spawned from Python"):
        child.on_output(print)
    child.tasks()[0].kill("SIGKILL")
    machine.run()
    assert (child.status, process.status) == (137, 0)
    with pytest.raises(diorama.DioramaError, match="no process 999"):
        machine.process(999)
    with pytest.raises(diorama.DioramaError, match="no signal 'SIGNIX'"):
        process.kill("SIGNIX")
    with pytest.raises(diorama.DioramaError, match="no signal 99"):
        process.kill(99)


def test_a_sleeping_call_is_settled_before_its_registers_are_changed(
    machine: diorama.Machine,
) -> None:
    process = machine.spawn("cat", stdin=diorama.OPEN)
    machine.run(seconds=0.05)
    (thread,) = process.tasks()
    behind = thread.registers.pc
    machine.settle(thread)
    assert thread.registers.pc == behind - {"x86_64": 2, "aarch64": 4}[machine.arch]
    assert process.stdin is not None
    process.stdin.feed("on\n")
    process.stdin.end()
    machine.run()
    assert process.stdout == "on\n"


def test_streams_are_fed_asked_and_heard(machine: diorama.Machine) -> None:
    process = machine.spawn("cat", stdin=diorama.OPEN)
    heard: list[bytes] = []
    process.on_output(heard.append)
    assert process.stdin is not None
    for text in ("one ", "two"):
        process.stdin.feed(text)
        machine.run(seconds=0.05)
    process.stdin.end()
    machine.run()
    assert heard == [b"one ", b"two"]
    assert process.stdout_bytes == b"one two"
    parts = [b"", b"second", b"first "]
    asked = machine.spawn("cat", stdin=lambda size: parts.pop())
    polled = machine.spawn("sh", "-c", "read a; echo $a", stdin="line\nrest")
    machine.run()
    assert asked.stdout == "first second"
    assert polled.stdout == "line\n"


def test_environment_and_directory_of_a_program(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", "pwd; echo $WHO", env={"WHO": "me"}, cwd="/tmp")
    machine.run()
    assert process.stdout == "/tmp\nme\n"
    with pytest.raises(diorama.DioramaError, match="/nowhere"):
        machine.spawn("pwd", cwd="/nowhere")


def test_files_of_the_guest(machine: diorama.Machine) -> None:
    machine.write_file("/opt/new/file", "text", 0o640)
    assert machine.read_file("/opt/new/file") == b"text"
    assert machine.list_directory("/opt/new") == ["file"]
    process = machine.spawn("sh", "-c", "stat -c %a /opt/new/file; echo more >> /opt/new/file")
    machine.run()
    assert process.stdout == "640\n"
    assert machine.read_file("/opt/new/file") == b"textmore\n"
    machine.remove_file("/opt/new/file")
    assert not machine.exists("/opt/new/file")
    assert b"PageTables" in machine.read_file("/proc/meminfo")
    for broken in (
        lambda: machine.read_file("/nothing"),
        lambda: machine.read_file("/tmp"),
        lambda: machine.write_file("/tmp", "x"),
        lambda: machine.list_directory("/etc/passwd"),
        lambda: machine.remove_file("/tmp"),
    ):
        with pytest.raises(diorama.DioramaError, match=r"^/"):
            broken()
    machine.spawn("mkfifo", "/tmp/fifo")
    machine.run()
    with pytest.raises(diorama.DioramaError, match="No such device or address"):
        machine.write_file("/tmp/fifo", "x")


def test_files_that_are_python(machine: diorama.Machine) -> None:
    written: list[bytes] = []
    count = iter(range(10))
    machine.provide("/etc/answer", "42\n")
    machine.provide("/dev/counter", lambda: b"%d\n" % next(count), written.append)
    script = (
        "cat /etc/answer /dev/counter /dev/counter; echo hi > /dev/counter; echo no > /etc/answer"
    )
    process = machine.spawn("sh", "-c", script)
    machine.run()
    assert process.stdout == "42\n0\n1\n"
    assert written == [b"hi\n"]
    assert "can't create /etc/answer" in process.stderr
    with pytest.raises(diorama.DioramaError, match="directory"):
        machine.provide("/etc", "x")


def test_devices_that_are_python(machine: diorama.Machine) -> None:
    """What programs ask for decides what they get; the real device is hidden."""
    sizes: list[int] = []
    written: list[bytes] = []

    def zeros(size: int) -> bytes:
        sizes.append(size)
        return b"z" * size

    machine.provide_stream("/dev/urandom", zeros)
    machine.provide_stream("/dev/printer", lambda size: b"", written.append)
    script = "head -c 5 /dev/urandom; echo; echo page > /dev/printer; cat /dev/printer"
    process = machine.spawn("sh", "-c", script)
    machine.run()
    assert process.stdout == "zzzzz\n"
    assert sizes
    assert written == [b"page\n"]


def test_what_functions_raise_is_their_owners(machine: diorama.Machine) -> None:
    """Behind files, devices and streams: the run ends with it, the guest sees EIO."""

    def broken(*args: object) -> bytes:
        raise LookupError("mine")

    machine.provide("/etc/broken", broken)
    machine.provide("/etc/sink", "", broken)
    machine.provide_stream("/dev/broken", broken, broken)
    for script in ("cat /etc/broken", "cat /dev/broken", "echo x > /etc/sink", "cat"):
        process = machine.spawn("sh", "-c", script, stdin=broken)
        with pytest.raises(LookupError, match="mine"):
            machine.run()
        machine.run()
        assert process.status != 0
    process = machine.spawn("echo", "heard")
    process.on_output(broken)
    with pytest.raises(LookupError, match="mine"):
        machine.run()
    machine.run()
    assert not machine.kernel.bugs


def test_events_are_told(machine: diorama.Machine) -> None:
    told: list[str] = []
    hooks = [
        machine.on_fork(lambda event: told.append(f"fork {event.is_thread}")),
        machine.on_exec(lambda event: told.append(f"exec {event.path} {event.argv[1:]}")),
        machine.on_signal(lambda event: told.append(f"{event.signal} {event.action}"), "TERM", 9),
        machine.on_end(lambda event: told.append(f"end {event.status} {event.last}")),
    ]
    process = machine.spawn("sh", "-c", "/bin/sh -c 'exit 3'; kill $$")
    machine.run()
    assert process.status == 143
    assert told == [
        "fork False",
        "exec /bin/sh ('-c', \"/bin/sh -c 'exit 3'; kill $$\")",
        "fork False",
        "exec /bin/sh ('-c', 'exit 3')",
        "end 3 True",
        "SIGTERM kill",
        "end 143 True",
    ]
    for hook in hooks:
        hook.remove()
    assert not machine.kernel.observed


def test_only_what_exists_is_told(machine: diorama.Machine) -> None:
    """A program that cannot be started, and a child that cannot be made, never were."""
    told: list[str] = []
    machine.on_fork(lambda event: told.append(f"fork {event.child.pid}"))
    machine.on_end(lambda event: told.append(f"end {event.process.pid}"))
    machine.write_file("/bin/junk", b"\0", 0o755)
    for program, where in (("nothing", None), ("/bin/junk", None), ("pwd", "/nowhere")):
        with pytest.raises(diorama.DioramaError):
            machine.spawn(program, cwd=where)
    with pytest.raises(diorama.DioramaError, match="no process 2"):
        machine.process(2)
    refused = machine.on_call("/^(clone|fork|vfork)$", lambda call: "EAGAIN")
    process = machine.spawn("sh", "-c", "true & true")
    machine.run()
    refused.remove()
    assert "can't fork" in process.stderr
    assert told == [f"fork {process.pid}", f"end {process.pid}"]
    script = "ulimit -u 1; true & true"
    process = machine.spawn("su", "-s", "/bin/sh", "daemon", "-c", script)
    machine.run()
    assert "can't fork" in process.stderr
    assert len([line for line in told if line.startswith("fork")]) == 2


@pytest.mark.usefixtures("stopping")
def test_faults_are_told(machine: diorama.Machine) -> None:
    failed: list[FaultEvent] = []
    served: list[str] = []
    machine.on_fault(failed.append)
    machine.on_fault(lambda event: served.append(event.kind), served=True)
    process = machine.spawn("stopping", "s")
    machine.run()
    assert process.status == 139
    (event,) = failed
    assert (event.address, event.access, event.kind) == (0, "write", "SEGV_MAPERR")
    assert event.process is process
    assert {"SEGV_MAPERR"} < set(served)


def test_traces_are_iterated_while_the_machine_runs(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", "cat /etc/hostname; exit 4")
    found = []
    with machine.trace("openat,exit_group") as trace:
        for event in trace:
            found.append(event)
            if event["event"] == "call" and event.name == "openat":
                assert process.status is None
                assert event.argument("pathname") == '"/etc/hostname"'
                assert event.argument("flags") == "O_RDONLY"
    kinds = [event.event for event in found]
    assert kinds[-1] == "exit"
    assert {"call", "start_task", "exit"} <= set(kinds)
    assert not any(event.event == "fault" for event in found), "served faults are no events"
    with pytest.raises(AttributeError, match="has no 'nothing'"):
        found[0].nothing  # noqa: B018  # the access is what fails
    assert not machine.kernel.observed
    with pytest.raises(diorama.DioramaError, match="invalid system call"):
        machine.trace("opneat")


def test_a_trace_of_one_process(machine: diorama.Machine) -> None:
    one = machine.spawn("cat", "/etc/hostname")
    machine.spawn("cat", "/etc/shells")
    names = {event.argument("pathname") for event in machine.trace("openat", process=one)
             if event["event"] == "call"}  # fmt: skip
    assert names == {'"/etc/hostname"'}


def test_strace_text_goes_where_it_is_told(machine: diorama.Machine) -> None:
    stream = io.StringIO()
    with machine.strace(stream, "openat"):
        process = machine.spawn("cat", "/etc/hostname")
        machine.run()
    machine.spawn("cat", "/etc/shells")
    machine.run()
    lines = stream.getvalue().splitlines()
    assert lines[-1].split() == [str(process.pid), "+++", "exited", "with", "0", "+++"]
    assert any('openat(AT_FDCWD, "/etc/hostname", O_RDONLY)' in line for line in lines)
    assert "/etc/shells" not in stream.getvalue()


def test_statistics_and_counts(machine: diorama.Machine) -> None:
    machine.statistics()
    process = machine.spawn("sh", "-c", "cat /etc/hostname /nothing; true")
    machine.run()
    found = machine.statistics()
    rows = {row.name: row for row in found.rows}
    assert rows["openat"].calls == machine.counts()["openat"]
    assert rows["openat"].errnos["ENOENT"] >= 1
    assert process.pid in {one.pid for one in found.processes}


def test_boot_takes_a_root_and_is_repeatable(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/motto").write_text("mine")
    with diorama.boot("x86_64", memory="64m", rootfs=str(tmp_path)) as machine:
        assert machine.read_file("/etc/motto") == b"mine"
        assert not machine.exists("/bin/busybox")
    with pytest.raises(diorama.DioramaError, match="rootfs"):
        diorama.boot(rootfs=str(tmp_path / "nothing"))
    texts = []
    for _ in range(2):
        with diorama.boot("x86_64", memory="64m", deterministic=True) as machine:
            stream = io.StringIO()
            machine.strace(stream)
            machine.spawn("sh", "-c", "date; head -c 4 /dev/urandom | od; sleep 1")
            machine.run()
            texts.append(stream.getvalue())
    assert texts[0] == texts[1] != ""
