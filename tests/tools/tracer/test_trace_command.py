"""``diorama trace`` and ``--trace``: a whole machine under the tracer, on both CPUs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syscalls.declare import DECLARATIONS
from tests.support.guest import GuestResult, run_cli

pytestmark = pytest.mark.row("K10")

ARCHES = ("x86_64", "aarch64")
both = pytest.mark.parametrize("arch", ARCHES)
RESULT = re.compile(r"^(\w+)\((.*)\) += (.+)$")


def trace(tmp_path: Path, arch: str, *words: str) -> list[str]:
    """The lines of a traced BusyBox; words before ``busybox`` are options."""
    output = tmp_path / "trace"
    at = words.index("busybox")
    run_cli("trace", "-o", str(output), "--arch", arch, *words[:at], *words[at:])
    return output.read_text().splitlines()


def on_stderr(arch: str, *words: str) -> GuestResult:
    return run_cli(*words[:1], "--arch", arch, "--quiet", *words[1:])


@both
def test_begins_with_the_programs_own_execve(arch: str, tmp_path: Path) -> None:
    first, *rest = trace(tmp_path, arch, "busybox", "echo", "hi")
    pattern = (
        r'execve\("/bin/busybox", \["busybox", "echo", "hi"\], 0x[0-9a-f]+ /\* \d vars? \*/\) = 0'
    )
    assert re.fullmatch(pattern, first)
    assert 'write(1, "hi\\n", 3)'.ljust(40) + "= 3" in rest
    assert rest[-2:] == ["exit_group(0)".ljust(40) + "= ?", "+++ exited with 0 +++"]


@both
def test_every_line_is_straces_shape(arch: str, tmp_path: Path) -> None:
    for line in trace(tmp_path, arch, "busybox", "ls", "-l", "/"):
        if not line.startswith(("+++", "---")):
            match = RESULT.match(line)
            assert match, line
            assert line.index(" = ") >= 39, line


@both
def test_errors_have_name_and_text(arch: str, tmp_path: Path) -> None:
    lines = trace(tmp_path, arch, "-e", "trace=%file", "busybox", "cat", "/nonexistent")
    wanted = 'openat(AT_FDCWD, "/nonexistent", O_RDONLY) = -1 ENOENT (No such file or directory)'
    assert wanted in lines


@both
def test_following_children_prefixes_pids(arch: str, tmp_path: Path) -> None:
    script = "(exit 3) & wait"
    lines = trace(tmp_path, arch, "-f", "busybox", "sh", "-c", script)
    assert all(re.match(r"\d+ +\S", line) for line in lines)
    assert any("+++ exited with 3 +++" in line for line in lines)
    assert any("--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED" in line for line in lines)
    assert any("[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]" in line for line in lines)


@both
def test_without_following_only_the_program_is_shown(arch: str, tmp_path: Path) -> None:
    lines = trace(tmp_path, arch, "busybox", "sh", "-c", "(exit 3); exit 4")
    assert "+++ exited with 4 +++" in lines
    assert not any("exited with 3 +++" in line for line in lines)


@both
def test_one_file_per_task(arch: str, tmp_path: Path) -> None:
    output = tmp_path / "trace"
    run_cli("trace", "-ff", "-o", str(output), "--arch", arch, "busybox", "sh", "-c", "(exit 3); :")
    assert "+++ exited with 3 +++" in (tmp_path / "trace.3").read_text()
    assert "+++ exited with 0 +++" in (tmp_path / "trace.2").read_text()


@both
def test_unfinished_calls_are_resumed(arch: str, tmp_path: Path) -> None:
    text = "\n".join(trace(tmp_path, arch, "-f", "busybox", "sh", "-c", "sleep 0.01; true"))
    assert re.search(r"wait4\(-1,  <unfinished \.\.\.>", text)
    assert re.search(r"<\.\.\. wait4 resumed>\[\{WIFEXITED", text)


@both
def test_death_by_signal(arch: str, tmp_path: Path) -> None:
    lines = trace(tmp_path, arch, "busybox", "sh", "-c", "kill -SEGV $$")
    assert lines[-1] == "+++ killed by SIGSEGV +++"
    assert lines[-2] == "--- SIGSEGV {si_signo=SIGSEGV, si_code=SI_USER, si_pid=2, si_uid=0} ---"


@both
def test_a_call_that_is_not_implemented(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(DECLARATIONS, "getuid")
    lines = trace(tmp_path, arch, "-e", "trace=getuid", "busybox", "true")
    assert any(line.endswith("= -1 ENOSYS (Function not implemented)") for line in lines)


@both
def test_status_filter_shows_whole_lines(arch: str, tmp_path: Path) -> None:
    lines = trace(
        tmp_path, arch, "-e", "trace=openat", "-e", "status=failed", "busybox", "cat", "/x"
    )
    assert [line for line in lines if line.startswith("openat")] == [
        'openat(AT_FDCWD, "/x", O_RDONLY)'.ljust(40) + "= -1 ENOENT (No such file or directory)"
    ]


@both
def test_strings_are_cut(arch: str, tmp_path: Path) -> None:
    lines = trace(tmp_path, arch, "-s", "4", "-e", "write", "busybox", "echo", "abcdefgh")
    assert 'write(1, "abcd"..., 9)'.ljust(40) + "= 9" in lines


@both
def test_durations_and_paths(arch: str, tmp_path: Path) -> None:
    lines = trace(tmp_path, arch, "-T", "-y", "-e", "%desc", "busybox", "cat", "/etc/hostname")
    opened = next(line for line in lines if '"/etc/hostname"' in line and "openat" in line)
    assert re.search(r"= \d+</etc/hostname> <\d+\.\d{6}>$", opened)


@both
def test_summary(arch: str) -> None:
    result = on_stderr(arch, "trace", "-c", "busybox", "echo", "hi")
    lines = result.stderr.decode().splitlines()
    assert lines[0] == "% time     seconds  usecs/call     calls    errors syscall"
    rows = {line.split()[-1]: line.split() for line in lines[2:]}
    assert rows["write"][3] == "1"
    assert rows["execve"][3] == "1"
    assert rows["total"][0] == "100.00"


@both
def test_raw_lines(arch: str) -> None:
    result = on_stderr(arch, "run", "--trace=raw", "busybox", "cat", "/nonexistent")
    lines = result.stderr.decode().splitlines()
    number = {"x86_64": 257, "aarch64": 56}[arch]
    entered = rf"\[TRACE\] pid=2 openat\({number}\) args=\((0x[0-9a-f]+, ){{5}}0x[0-9a-f]+\)"
    assert any(re.fullmatch(entered, line) for line in lines)
    assert f"[TRACE] pid=2 openat({number}) → -2 (ENOENT)" in lines


def test_bad_expressions_are_one_line() -> None:
    result = run_cli("trace", "-e", "trace=nosuch", "busybox", "true")
    assert result.status == 125
    assert result.stderr.decode().startswith("diorama: ")
    assert result.stderr.count(b"\n") == 1
