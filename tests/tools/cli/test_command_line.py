"""The command line in-process: what it makes of words, and what it refuses in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.cli import main
from tools.config import RunConfig, StatsOptions, TmpfsMount, Volume
from tools.errors import CannotRun, ProgramNotFound


class Recorder:
    """Takes the place of the machine: keeps the configuration, returns a status."""

    def __init__(self, status: int = 0) -> None:
        self.config: RunConfig | None = None
        self.status = status

    def __call__(self, config: RunConfig) -> int:
        self.config = config
        return self.status


def configure(*words: str) -> RunConfig:
    """The configuration that a command line leads to."""
    recorder = Recorder()
    assert main(words, recorder) == 0
    assert recorder.config is not None
    return recorder.config


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a bad command line gets; nothing may have run."""
    recorder = Recorder()
    assert main(words, recorder) == 125
    assert recorder.config is None
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("diorama: ")
    assert err.count("\n") == 1
    return err


def test_options_end_at_the_program() -> None:
    config = configure("run", "-q", "busybox", "ls", "-la", "--arch", "x")
    assert config.program == "busybox"
    assert config.args == (b"ls", b"-la", b"--arch", b"x")
    assert config.quiet
    assert config.arch is None


def test_double_dash_ends_options() -> None:
    assert configure("run", "--", "-odd", "x").program == "-odd"


def test_single_dash_is_a_program() -> None:
    assert configure("run", "-").program == "-"


def test_docker_letters(tmp_path: Path) -> None:
    volume = f"{tmp_path}:/work:ro"
    config = configure("run", "-it", "--rm", "-v", volume, "-w/work", "-u", "7:8", "-h", "box", "p")
    assert config.volumes == (Volume(str(tmp_path), b"/work", read_only=True),)
    assert config.workdir == b"/work"
    assert config.user == "7:8"
    assert config.hostname == b"box"


def test_environment_sets_and_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIED", "from outside")
    monkeypatch.delenv("ABSENT", raising=False)
    config = configure("run", "-e", "A=1=2", "-e", "COPIED", "--env", "ABSENT", "--env=E=", "p")
    assert config.environment == {b"A": b"1=2", b"COPIED": b"from outside", b"E": b""}


def test_environment_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "env"
    file.write_text("# comment\n\nA=1\nB=two words # kept\n")
    assert configure("run", "--env-file", str(file), "p").environment == {
        b"A": b"1",
        b"B": b"two words # kept",
    }
    file.write_text("A=1\n=x\n")
    assert f"{file}:2:" in refusal(capsys, "run", "--env-file", str(file), "p")
    assert "No such file" in refusal(capsys, "run", "--env-file", f"{file}x", "p")


@pytest.mark.parametrize(
    ("text", "size"),
    [("16m", 16 << 20), ("2G", 2 << 30), ("8388608", 8388608), ("65536k", 1 << 26)],
)
def test_sizes(text: str, size: int) -> None:
    assert configure("run", "--memory", text, "p").memory == size


def test_memory_defaults_to_one_gigabyte() -> None:
    assert configure("run", "p").memory == 1 << 30


def test_tmpfs_with_and_without_a_size() -> None:
    config = configure("run", "--tmpfs", "/a", "--tmpfs", "/b:size=64k", "p")
    assert config.tmpfs == (TmpfsMount(b"/a"), TmpfsMount(b"/b", 65536))


def test_trace_takes_its_value_only_after_the_equals_sign() -> None:
    config = configure("run", "--trace", "busybox", "true")
    assert config.program == "busybox"
    assert config.trace is not None
    assert config.trace.follow
    assert config.trace.expressions == ()


def test_trace_expression_and_formats() -> None:
    trace = configure("run", "--trace=open,close", "p").trace
    assert trace is not None
    assert trace.expressions == ("open,close",)
    for words in (["--trace=raw"], ["--trace-format", "raw"], ["--trace", "--trace-format=raw"]):
        trace = configure("run", *words, "p").trace
        assert trace is not None
        assert trace.format == "raw"


def test_stats_command_and_option() -> None:
    assert configure("run", "p").stats is None
    assert configure("stats", "p").stats == StatsOptions()
    assert configure("run", "--stats", "p").stats == StatsOptions()
    assert configure("stats", "--stats=out.json", "p").stats == StatsOptions("out.json")


def test_straces_letters_in_trace() -> None:
    words = (
        "trace",
        "-f",
        "-tt",
        "-T",
        "-s",
        "8",
        "-o",
        "out",
        "-e",
        "trace=file",
        "-y",
        "p",
        "-f",
    )
    config = configure(*words)
    trace = config.trace
    assert trace is not None
    assert (trace.follow, trace.absolute, trace.durations) == (True, "time.us", "us")
    assert (trace.string_limit, trace.output) == (8, "out")
    assert trace.expressions == ("trace=file", "decode-fds=path")
    assert config.args == (b"-f",)


def test_trace_shows_only_the_programs_task_without_f() -> None:
    trace = configure("trace", "p").trace
    assert trace is not None
    assert not trace.follow


def test_trace_has_runs_options_in_their_long_form(tmp_path: Path) -> None:
    config = configure("trace", "--env", "A=1", "--volume", f"{tmp_path}:/v", "p")
    assert config.environment == {b"A": b"1"}
    assert config.volumes[0].guest == b"/v"


def test_ff_writes_a_file_per_task(capsys: pytest.CaptureFixture[str]) -> None:
    trace = configure("trace", "-ff", "-o", "x", "p").trace
    assert trace is not None
    assert trace.separate_files
    assert trace.follow
    alone = configure("trace", "-ff", "p").trace  # as strace's, it is -f
    assert alone is not None
    assert (alone.follow, alone.separate_files) == (True, False)
    assert "exclude each other" in refusal(capsys, "trace", "-ff", "-o", "|cat", "p")


def test_shell_has_no_program(capsys: pytest.CaptureFixture[str]) -> None:
    config = configure("shell", "--arch", "aarch64")
    assert config.program is None
    assert config.busybox
    assert config.arch == "aarch64"
    assert "diorama run" in refusal(capsys, "shell", "ls")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("fly",), "unknown command fly (see "),
        (("tarce", "p"), "unknown command tarce (trace? see "),
        (("busybox", "ls"), "unknown command busybox (a program? diorama run busybox; see "),
        (("./p",), "unknown command ./p (a program? diorama run ./p; see "),
        (("run", "--workdr", "/", "p"), "unknown option --workdr (--workdir? see "),
        (("--fly",), "unknown option --fly"),
        (("run",), "PROGRAM is missing"),
        (("run", ""), "empty"),
        (("run", "--network", "moon", "p"), "is not one of loopback, none, host"),
        (("run", "-p", "80", "p"), "is not [IP:]HOSTPORT:GUESTPORT"),
        (("run", "-p", "1:2", "--network", "none", "p"), "-p needs --network loopback"),
        (("run", "--mem", "1g", "p"), "unknown option --mem"),
        (("run", "--memory"), "needs a value"),
        (("run", "--memory", "lots", "p"), "'lots' is no size"),
        (("run", "--memory", "1k", "p"), "too little"),
        (("run", "--timeout", "-1", "p"), "positive"),
        (("run", "--timeout", "0", "p"), "positive"),
        (("run", "--arch", "mips", "p"), "'mips' is not one of"),
        (("run", "--read-only=yes", "p"), "takes no value"),
        (("run", "-u", "root:", "p"), "USER[:GROUP]"),
        (("run", "-u", "a:b:c", "p"), "USER[:GROUP]"),
        (("trace", "-u", "", "p"), "USER[:GROUP]"),
        (("run", "-u", "-1", "p"), "out of range"),
        (("run", "-u", "4294967295", "p"), "out of range"),
        (("run", "-h", "x" * 65, "p"), "64"),
        (("run", "-v", "/nowhere/at/all:/x", "p"), "No such file"),
        (("run", "-v", "/tmp:relative", "p"), "not absolute"),
        (("run", "-v", "/tmp", "p"), "HOST:GUEST"),
        (("run", "-w", "relative", "p"), "not absolute"),
        (("run", "--rootfs", "/nowhere/at/all", "p"), "No such file"),
        (("run", "--trace-format", "json", "p"), "strace, raw"),
        (("run", "--tmpfs", "/x:mode=7", "p"), "unknown mount option"),
        (("trace", "-e", "A=1", "p"), "use --env A=1"),
        (("trace", "-e", "kvm=vcpu", "p"), "no KVM"),
        (("syscalls", "extra"), "unexpected"),
    ],
)
def test_refusals_are_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], part: str
) -> None:
    assert part in refusal(capsys, *words)


def test_the_programs_status_is_ours() -> None:
    assert main(["run", "p"], Recorder(137)) == 137


def test_errors_before_the_program_have_their_status(capsys: pytest.CaptureFixture[str]) -> None:
    def missing(config: RunConfig) -> int:
        raise ProgramNotFound("nope: not found")

    def broken(config: RunConfig) -> int:
        raise CannotRun("data: no ELF")

    assert main(["run", "nope"], missing) == 127
    assert main(["run", "data"], broken) == 126
    assert capsys.readouterr().err == "diorama: nope: not found\ndiorama: data: no ELF\n"


def test_a_mistake_of_ours_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIORAMA_DEBUG", raising=False)

    def crash(config: RunConfig) -> int:
        raise KeyError("a\nb")

    assert main(["run", "p"], crash) == 125
    err = capsys.readouterr().err
    assert err.startswith("diorama: internal error at test_command_line.py:")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "trace", "stats", "shell", "syscalls"])
def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--help"], Recorder()) == 0
    out = capsys.readouterr().out
    assert main(["help", command], Recorder()) == 0
    assert capsys.readouterr().out == out
    assert out.startswith(f"Usage: diorama {command}")
    assert f"diorama {command}" in out.split("Options:")[0].split("\n", 1)[1]
    assert max(map(len, out.splitlines())) <= 90


def test_overview_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], Recorder()) == 0
    out = capsys.readouterr().out
    assert main(["--help"], Recorder()) == 0
    assert capsys.readouterr().out == out
    for command in ("run", "trace", "stats", "shell", "syscalls"):
        assert re.search(rf"\n  {command} .* diorama {command}", out)  # an example each
    assert main(["--version"], Recorder()) == 0
    assert capsys.readouterr().out.startswith("diorama 0.")
