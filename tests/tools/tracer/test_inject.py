"""``--inject``: the grammar, and lines compared with those of strace tampering with the same."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tools.busybox import find_busybox
from tools.tracer.filters import FilterError
from tools.tracer.inject import When, parse_injection

pytestmark = pytest.mark.row("T4")
NAMES = ("chdir", "read", "openat", "getpid", "write")
SCRIPT = "cd /etc; cd /tmp; cd /etc; cd /none; :"
HOWS = (
    "error=EPERM:when=2",
    "error=1",
    "retval=7:signal=USR1:when=2+",
    "retval=0",
    "signal=SIGUSR2:when=2",
    "delay_enter=10:when=2+2",
    "delay_exit=10us:error=EIO:when=1..2",
    "delay_enter=1ms:delay_exit=1ms:when=1..3+2",
    "error=ENOENT:when=1+2",
    "poke_enter=@arg1=2f746d7000:when=1",
    "poke_enter=@arg1=2f00:when=2+:delay_enter=10",
    "poke_enter=@arg1=2f00:poke_exit=@arg1=2f74:error=EIO:when=1",
    "poke_exit=@arg1=41:when=3+",
    "poke_enter=@arg2=00:poke_exit=@arg1=2f",
    "syscall=getuid:retval=3:when=2",
    "syscall=getppid:error=EIO",
)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("chdir", "---", "+++"))]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("how", HOWS)
def test_the_lines_are_straces(arch: str, how: str, tmp_path: Path) -> None:
    strace = str(oracles.program("strace"))
    busybox = str(find_busybox("x86_64"))
    options = ["-e", "trace=chdir", f"--inject=chdir:{how}"]
    outside = tmp_path / "outside"
    subprocess.run(
        [strace, "-o", str(outside), *options, busybox, "sh", "-c", SCRIPT],
        capture_output=True,
        timeout=90,
        check=False,
    )
    inside, records = tmp_path / "inside", tmp_path / "records"
    run_cli(
        "trace", "--arch", arch, "-o", str(inside), "--json", str(records), *options,
        "busybox", "sh", "-c", SCRIPT,
    )  # fmt: skip
    assert lines(inside.read_text()) == lines(outside.read_text())
    marks = [
        event["injected"]
        for event in map(json.loads, records.read_text().splitlines())
        if "injected" in event
    ]
    assert any(marks) == ("INJECTED" in inside.read_text() or "DELAYED" in inside.read_text())


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_delay_takes_its_time_and_only_from_its_task(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "records"
    result = run_cli(
        "trace", "-f", "--arch", arch, "--json", str(path),
        "--inject=chdir:delay_enter=50ms:delay_exit=50ms", "busybox", "sh", "-c",
        "(cd /tmp; echo late) & echo early; wait",
    )  # fmt: skip
    assert result.stdout == b"early\nlate\n"
    calls = [e for e in map(json.loads, path.read_text().splitlines()) if e["event"] == "call"]
    (delayed,) = [e for e in calls if e["name"] == "chdir"]
    assert delayed["duration"] >= 100_000_000
    assert delayed["return"] == 0


def test_a_blocking_call_may_be_delayed() -> None:
    result = run_cli(
        "trace", "-f", "-o", "/dev/null", "--inject=read:delay_enter=1ms:delay_exit=1ms",
        "busybox", "sh", "-c", "(sleep 0.02; echo x) | cat",
    )  # fmt: skip
    assert (result.status, result.stdout) == (0, b"x\n")


def test_a_delay_ends_with_a_signal() -> None:
    result = run_cli(
        "trace", "-f", "-o", "/dev/null", "--inject=chdir:delay_enter=60s",
        "busybox", "sh", "-c", "(cd /tmp) & sleep 0.05; kill $!; wait $!; echo $?",
    )  # fmt: skip
    assert result.stdout == b"143\n"


def test_without_f_only_the_program_is_tampered_with() -> None:
    script = "(cd /tmp && echo child); cd /tmp; echo never"
    words = ("-o", "/dev/null", "--inject=chdir:error=EPERM", "busybox", "sh", "-c", script)
    assert run_cli("trace", *words).stdout == b"child\nnever\n"
    assert run_cli("trace", "-f", *words).stdout == b"never\n"


def test_fault_is_an_error_of_enosys() -> None:
    result = run_cli(
        "trace", "-e", "trace=chdir", "-e", "fault=chdir", "busybox", "sh", "-c", "cd /"
    )
    assert b"= -1 ENOSYS (Function not implemented) (INJECTED)\n" in result.stderr


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("3", When(3, 3)),
        ("3+", When(3)),
        ("3+2", When(3, step=2)),
        ("3..5", When(3, 5)),
        ("3..9+2", When(3, 9, 2)),
    ],
)
def test_when(text: str, when: When) -> None:
    assert parse_injection(f"chdir:error=EIO:when={text}", NAMES).when == when


def test_when_counts_from_one() -> None:
    when = When(2, 6, 2)
    assert [n for n in range(10) if when.hits(n)] == [2, 4, 6]


@pytest.mark.parametrize(
    "text",
    [
        "chdir", "chdir:", "chdir:when=2", "nosuch:error=EIO", "chdir:error=FOO", "chdir:error=0",
        "chdir:error=4096", "chdir:error=EIO:retval=3", "chdir:error=EIO:error=EIO",
        "chdir:retval=x", "chdir:retval=-1", "chdir:signal=99", "chdir:signal=", "chdir:signal=all",
        "chdir:delay_enter=x", "chdir:delay_exit=1h", "chdir:error=EIO:when=0",
        "chdir:error=EIO:when=2..1", "chdir:error=EIO:when=70000", "chdir:error=EIO:when=1+0",
        "chdir:syscall=getuid", "chdir:syscall=read:error=EIO", "chdir:syscall=nosuch:error=EIO",
        "chdir:poke_enter=", "chdir:poke_enter=@arg9=00", "chdir:poke_enter=@arg1=0",
        "chdir:poke_enter=arg1=00", "chdir:poke_exit=@arg1=zz",
        "chdir:poke_enter=@arg1=00,@arg1=01", "fault=chdir:poke_enter=@arg1=00",
        "chdir:nonsense=1", "", ":error=EIO", "/[:error=EIO", "%nosuch:error=EIO",
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FilterError):
        parse_injection(text, NAMES)
    result = run_cli("trace", f"--inject={text}", "busybox", "echo", "never")
    assert (result.status, result.stdout) == (125, b"")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("chdir", "does nothing (error=, retval=, "),
        ("chdir:error=FOO", "an error's name, or 1 to 4095"),
        ("chdir:error=EIO:retval=3", "error or retval, not both"),
        ("chdir:error=EIO:error=EIO", "error twice"),
        ("chdir:delay_exit=1h", "or with a unit: 10ms, 2s"),
        ("chdir:error=EIO:when=0", "FIRST[..LAST][+[STEP]], from 1 "),
        ("chdir:poke_enter=@arg9=00", "N from 1 to 6"),
        ("chdir:nonsense=1", "'nonsense=1' is none of error=, retval=, "),
        ("chidr:error=EIO", "'chidr' (chdir?)"),
    ],
)
def test_a_refusal_says_what_is_wanted(text: str, why: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse_injection(text, NAMES)
    assert why in str(refused.value)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_what_the_program_reads_can_be_changed(arch: str) -> None:
    result = run_cli(
        "trace", "--arch", arch, "-o", "/dev/null", "--inject=read:poke_exit=@arg2=41:when=2",
        "busybox", "sh", "-c", "read x; echo $x", stdin=b"abc\n",
    )  # fmt: skip
    assert result.stdout == b"aAc\n"


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_poke_that_cannot_be_is_told_of(arch: str) -> None:
    result = run_cli(
        "trace", "--arch", arch, "-e", "trace=umask", "--inject=umask:poke_enter=@arg1=41",
        "busybox", "sh", "-c", "umask 022; echo fine",
    )  # fmt: skip
    assert result.stdout == b"fine\n"
    assert b": umask: cannot poke 0x" in result.stderr
    assert b"INJECTED" not in result.stderr
