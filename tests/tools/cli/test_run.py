"""`diorama run` and its kin to the end: what comes out, and with which status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.guest import GuestResult, run_cli
from tools.busybox import find_busybox
from tools.fetch import HOST_CPU
from userland import build

pytestmark = pytest.mark.guest

OTHER_CPU = {"x86_64": "aarch64", "aarch64": "x86_64"}


def one_line(result: GuestResult, status: int, *parts: str) -> None:
    """Our own complaint: one line, that status, nothing on stdout."""
    text = result.stderr.decode()
    assert text.startswith("diorama: "), text
    assert text.count("\n") == 1, text
    for part in parts:
        assert part in text
    assert result.status == status
    assert result.stdout == b""


def put(path: Path, content: bytes, mode: int = 0o755) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.smoke
@pytest.mark.row("K1", "K8")
def test_echo_hi(arch: str) -> None:
    result = run_cli("run", "-q", "--arch", arch, "busybox", "echo", "hi")
    assert (result.status, result.stdout, result.stderr) == (0, b"hi\n", b"")


@pytest.mark.row("K8", "X2")
def test_a_pipeline_and_its_status(arch: str) -> None:
    script = "ls -la / | sort -k5n | tail -3; cat /proc/self/maps; exit 7"
    result = run_cli("run", "-q", "--arch", arch, "busybox", "sh", "-c", script)
    assert result.status == 7
    assert len(result.stdout.splitlines()) > 6
    assert b"[stack]" in result.stdout
    assert result.stderr == b""


def test_sh_is_a_name_for_busybox(arch: str) -> None:
    result = run_cli("run", "-q", "--arch", arch, "sh", "-c", "echo $0; uname -m")
    assert result.stdout.decode().split() == ["sh", arch]


def test_a_signals_status_is_128_plus(arch: str) -> None:
    script = ("run", "-q", "--arch", arch, "sh", "-c")
    assert run_cli(*script, "kill -TERM $$").status == 143
    assert run_cli(*script, "kill -KILL $$").status == 137


@pytest.mark.row("K4")
def test_the_first_process(arch: str) -> None:
    """Pid 2 below pid 1, the leader of its session; a fixed environment; umask 022."""
    script = "echo $$ $PPID; umask; pwd; id -u; env | sort; hostname; ulimit -n;"
    script += "cut -d' ' -f5,6 /proc/self/stat"
    result = run_cli("run", "-q", "--arch", arch, "busybox", "sh", "-c", script)
    assert result.text.splitlines() == [
        "2 1",
        "0022",
        "/",
        "0",
        "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD=/",
        "SHLVL=1",
        "diorama",
        "1024",
        "2 2",
    ]


def test_options_reach_the_guest(arch: str) -> None:
    words = ["-e", "A=1 2", "-w", "/tmp", "-u", "1000:5", "-h", "box"]
    script = "echo $A; pwd; id -u; id -g; hostname"
    result = run_cli("run", "-q", "--arch", arch, *words, "busybox", "sh", "-c", script)
    assert result.text.splitlines() == ["1 2", "/tmp", "1000", "5", "box"]


def test_a_program_of_the_callers(arch: str, work: Path) -> None:
    put(work / "greet", build.build("hello", arch).read_bytes())
    result = run_cli("run", "-q", "./greet")
    assert (result.status, result.stdout) == (7, b"hello\n")


def test_the_program_appears_in_bin(arch: str, work: Path) -> None:
    source = """
        #include <stdio.h>
        #include <unistd.h>
        #include <sys/auxv.h>
        int main(int argc, char **argv) {
            char path[256] = "";
            readlink("/proc/self/exe", path, 255);
            printf("%s %s %s %d\\n", argv[0], path, (char *)getauxval(AT_EXECFN),
                   access("/bin/who-am-i", W_OK));
            return argc;
        }"""
    put(work / "who-am-i", build.build_source("who-am-i", arch, source).read_bytes())
    result = run_cli("run", "-q", "--read-only", "./who-am-i", "x")
    assert (result.status, result.text) == (2, "./who-am-i /bin/who-am-i /bin/who-am-i -1\n")


@pytest.mark.row("R7")
def test_no_descriptor_of_ours_is_inherited(arch: str) -> None:
    with open(os.devnull) as extra:
        os.set_inheritable(extra.fileno(), True)
        result = run_cli("run", "-q", "--arch", arch, "busybox", "ls", "/proc/self/fd")
    assert result.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is ls's own


def test_status_127() -> None:
    one_line(run_cli("run", "no-such-program"), 127, "no-such-program")
    one_line(run_cli("run", "./no-such-program"), 127)


@pytest.mark.parametrize(
    ("content", "mode", "part"),
    [
        (b"", 0o755, ""),
        (b"just text\n", 0o755, ""),
        (b"\x7fELF", 0o755, ""),
        (b"\x7fELF\x01\x01\x01" + bytes(60), 0o755, "32"),
        (b"#!/bin/sh\nexit 3\n", 0o644, "executable"),
        (b"#!/no/such/interpreter\n", 0o755, "/no/such/interpreter"),
    ],
    ids=["empty", "text", "magic", "32-bit", "mode", "interpreter"],
)
def test_status_126(work: Path, content: bytes, mode: int, part: str) -> None:
    put(work / "file", content, mode)
    one_line(run_cli("run", "./file"), 126, "file", part)


def test_status_126_for_a_directory_and_the_wrong_cpu(work: Path) -> None:
    one_line(run_cli("run", "/"), 126, "directory")
    put(work / "hello", build.build("hello", OTHER_CPU[HOST_CPU]).read_bytes())
    one_line(run_cli("run", "--arch", HOST_CPU, "./hello"), 126, HOST_CPU)


def test_a_dynamic_program_names_its_interpreter(arch: str, work: Path) -> None:
    flags = (*build.C_FLAGS[:-1], "-dynamic")
    path = build.build_source("dynamic", arch, "int main(void) { return 0; }", flags)
    put(work / "dynamic", path.read_bytes())
    one_line(run_cli("run", "./dynamic"), 126, "ld-musl")


def test_a_script_finds_its_interpreter_with_busybox(arch: str, work: Path) -> None:
    put(work / "script", b"#!/bin/sh -e\necho $0 $1\n")
    without = run_cli("run", "--arch", arch, "./script", "x")
    one_line(without, 126, "/bin/sh", "--busybox")
    result = run_cli("run", "-q", "--busybox", "--arch", arch, "./script", "x")
    assert (result.status, result.text) == (0, "/bin/script x\n")


def test_status_124_after_the_timeout(arch: str) -> None:
    words = ["run", "-q", "--arch", arch, "--timeout", "0.3", "busybox"]
    assert run_cli(*words, "sleep", "100").status == 124
    assert run_cli(*words, "sh", "-c", "while :; do :; done").status == 124


def test_what_is_left_ends_with_the_program(arch: str) -> None:
    result = run_cli("run", "-q", "--arch", arch, "sh", "-c", "sleep 100 & exit 5")
    assert result.status == 5


def test_an_unknown_call_is_named_once() -> None:
    source = """
        #include <unistd.h>
        #include <errno.h>
        int main(void) {
            for (int i = 0; i < 3; i++) syscall(1000);
            return errno == ENOSYS ? 0 : 1;
        }"""
    path = str(build.build_source("unknown", HOST_CPU, source))
    result = run_cli("run", path)
    assert result.status == 0
    assert result.stderr.startswith(b"diorama: pid 2: ")
    assert result.stderr.endswith(b"(1000): not implemented, ENOSYS\n")
    assert result.stderr.count(b"\n") == 1
    assert run_cli("run", "-q", path).stderr == b""


def test_a_seed_makes_randomness_repeatable(arch: str) -> None:
    words = ["run", "-q", "--arch", arch]
    tail = ["busybox", "od", "-An", "-tx1", "-N16", "/dev/urandom"]
    first = run_cli(*words, "--seed", "5", *tail).stdout
    assert first == run_cli(*words, "--seed", "5", *tail).stdout
    assert first != run_cli(*words, "--seed", "6", *tail).stdout
    assert run_cli(*words, *tail).stdout != run_cli(*words, *tail).stdout


def test_memory_is_the_guests_memtotal(arch: str) -> None:
    words = ["run", "-q", "--arch", arch, "--memory", "64m", "busybox"]
    assert b" 65536 kB" in run_cli(*words, "grep", "MemTotal", "/proc/meminfo").stdout


@pytest.mark.row("R6")
def test_volumes_are_read_and_written(arch: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    words = ["run", "-q", "--arch", arch, "-v", f"{tmp_path}:/work", "-w", "/work", "sh", "-c"]
    result = run_cli(*words, "cat in; echo from inside > out; mkdir d; ln -s in link; ls")
    assert result.text.splitlines() == ["from outside", "d", "in", "link", "out"]
    assert (tmp_path / "out").read_text() == "from inside\n"
    assert (tmp_path / "link").readlink() == Path("in")
    assert (tmp_path / "out").stat().st_uid == os.getuid()


def test_a_read_only_volume_stays_as_it_is(arch: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept\n")
    words = ["run", "-q", "--arch", arch, "-v", f"{tmp_path}:/work:ro", "sh", "-c"]
    result = run_cli(*words, "echo x > /work/file || rm /work/file || echo refused")
    assert b"refused" in result.stdout
    assert b"Read-only file system" in result.stderr
    assert (tmp_path / "file").read_text() == "kept\n"


def test_a_file_can_be_a_volume(arch: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one\n")
    words = ["run", "-q", "--arch", arch, "-v", f"{file}:/etc/motd", "sh", "-c"]
    assert run_cli(*words, "cat /etc/motd; echo two >> /etc/motd").stdout == b"one\n"
    assert file.read_text() == "one\ntwo\n"


@pytest.mark.row("R6")
def test_no_path_leaves_a_volume(arch: str, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("secret")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to(outside)
    (volume / "up").symlink_to("../secret")
    words = ["run", "-q", "--arch", arch, "-v", f"{volume}:/v", "sh", "-c"]
    result = run_cli(*words, "cat /v/link; cat /v/up; cat /v/../secret; ls /v/../../..")
    assert b"secret" not in result.stdout


def test_a_volumes_program_is_the_guests_path(arch: str, tmp_path: Path) -> None:
    put(tmp_path / "hello", build.build("hello", arch).read_bytes())
    result = run_cli("run", "-q", "-v", f"{tmp_path}:/work:ro", "/work/hello")
    assert (result.status, result.stdout) == (7, b"hello\n")


def test_the_working_directory_must_exist() -> None:
    one_line(run_cli("run", "-w", "/nowhere", "busybox", "true"), 125, "/nowhere")


def test_read_only_root_and_tmpfs(arch: str) -> None:
    words = ["run", "-q", "--arch", arch, "--read-only", "--tmpfs", "/scratch", "sh", "-c"]
    result = run_cli(*words, "echo x > /etc/x || echo y > /scratch/y && cat /scratch/y")
    assert result.stdout == b"y\n"


def test_stats_table(arch: str, work: Path) -> None:
    result = run_cli("stats", "-q", "--arch", arch, "busybox", "true")
    lines = result.stderr.decode().splitlines()
    assert lines[0].split() == ["calls", "errors", "seconds", "syscall"]
    assert lines[-2].endswith(" total")
    assert lines[-1].endswith(" unknown")
    assert any(line.endswith(" exit_group") for line in lines)
    run_cli("stats", "-q", "--stats=out.json", "--arch", arch, "busybox", "true")
    assert (work / "out.json").read_text().startswith("{")


def test_an_output_that_cannot_be_written_is_125() -> None:
    one_line(run_cli("run", "--stats=/no/such/dir/x", "busybox", "true"), 125, "/no/such/dir/x")


@pytest.mark.row("K10")
def test_raw_trace(arch: str) -> None:
    result = run_cli("run", "-q", "--trace=raw", "--arch", arch, "busybox", "cat", "/nowhere")
    lines = result.stderr.decode().splitlines()
    assert any(line.startswith("[TRACE] pid=2 exit_group(") for line in lines)
    number = {"x86_64": 1, "aarch64": 64}[arch]
    assert any(line.startswith(f"[TRACE] pid=2 write({number}) args=(0x2, 0x") for line in lines)
    assert any(line.endswith(" → -2 (ENOENT)") for line in lines)


@pytest.mark.row("K8")
def test_shell_reads_a_script_from_stdin(arch: str) -> None:
    result = run_cli("shell", "-q", "--arch", arch, stdin=b"echo $((6*7)); exit 4\n")
    assert (result.status, result.stdout, result.stderr) == (4, b"42\n", b"")


@pytest.mark.slow
@pytest.mark.row("K8")
def test_the_tour(arch: str) -> None:
    tour = Path(build.HERE).parent / "tools" / "tour.sh"
    result = run_cli("shell", "--stats", "--arch", arch, stdin=tour.read_bytes())
    assert result.status == 0
    assert b"caught SIGUSR1" in result.stdout
    assert b"a shell that was killed: status 143" in result.stdout
    assert b"it said: the job is done" in result.stdout
    assert b"syscall" in result.stderr


def test_stdin_is_shared_with_the_callers_next_command(arch: str, tmp_path: Path) -> None:
    """`(diorama run busybox head -c 3; cat) < file`: what no guest read is still there."""
    (tmp_path / "file").write_bytes(b"abcdef")
    with (tmp_path / "file").open("rb", buffering=0) as file:
        result = run_cli("run", "-q", "--arch", arch, "busybox", "head", "-c", "3", stdin=file)
        assert result.stdout == b"abc"
        assert file.read() == b"def"


def test_a_pipe_is_read_only_as_far_as_asked(arch: str) -> None:
    """`while read l; do diorama run busybox true; done`: true reads nothing."""
    reader, writer = os.pipe()
    os.write(writer, b"one\ntwo\n")
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as source:
        assert run_cli("run", "-q", "--arch", arch, "busybox", "true", stdin=source).status == 0
        assert source.read() == b"one\ntwo\n"


def test_the_kinds_of_0_1_2(arch: str) -> None:
    result = run_cli("run", "-q", "--arch", arch, "busybox", "stat", "-L", "-c", "%F", "/dev/fd/0")
    assert result.stdout == b"regular empty file\n"


def test_syscalls_lists_the_declarations(arch: str) -> None:
    import json

    rows = json.loads(run_cli("syscalls", "--json", "--arch", arch).stdout)
    names = {row["name"]: row["number"] for row in rows}
    assert names["read"] == {"x86_64": 0, "aarch64": 63}[arch]
    assert all(row["support"] in ("full", "partial") for row in rows)
    assert [row["number"] for row in rows] == sorted(row["number"] for row in rows)


def test_a_busybox_that_cannot_be_used(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSYBOX", str(put(work / "busybox", b"text")))
    one_line(run_cli("run", "busybox", "true"), 125, "BUSYBOX=")


def test_the_cache_may_not_be_writable(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that runs needs to write there once BusyBox was found."""
    monkeypatch.setenv("BUSYBOX", str(find_busybox(arch)))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nobody/writes/here")
    result = run_cli("run", "-q", "--arch", arch, "busybox", "sh", "-c", "ls /bin/ls")
    assert (result.status, result.text, result.stderr) == (0, "/bin/ls\n", b"")
