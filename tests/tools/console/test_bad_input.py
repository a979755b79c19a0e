"""Whatever is typed: one line that says what is wrong, and the session goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.guest import run_cli
from tests.tools.console.debugged import lines, program, session
from tools.console import start
from tools.console.command import COMMANDS

BAD = {
    "bogus": "no command is called bogus",
    "t": "t is short for tasks and task",
    "break": "break needs a system call",
    "break opnat": "(openat?)",
    "break main": "main is no system call; the function is *main",
    "break openat if": "a predicate is missing",
    "break write if fd = 1": "is no expression: invalid syntax; == compares",
    "break openat if foo": "'foo' is unknown here",
    "break openat if path.": "is no expression: invalid syntax",
    "break %nothing": "no class of system calls is called %nothing",
    "break %fiel": "called %fiel (file?)",
    "break write,raed": "invalid system call 'raed' (read?)",
    "break *0": "nothing is mapped at 0x0",
    "break *nonsense": "nonsense is no address",
    "break *": "an address is missing",
    "break *twoce": "'twoce' is unknown here (twice?)",
    "watch": "usage: watch",
    "watch 0": "nothing is mapped",
    "watch *0x10": "nothing is mapped at 0x10",
    "watch main 99999": "want 1 to 65536",
    "catch": "catch needs one of signal, fault",
    "catch foo": "not foo",
    "catch signal FOO": "invalid signal",
    "catch signal 99": "invalid signal '99' (1 to 64)",
    "catch signal KILL": "SIGKILL is never delivered",
    "catch fork x": "takes nothing",
    "delete 7": "there is no point 7",
    "info foo": "no command is called foo",
    "info run": "the program has been started",
    "info set": "info knows breaks and what shows something",
    "info breaks x": "takes nothing",
    "/x": "no command is called /x",
    "contnue": "no command is called contnue (continue?)",
    "run": "no command is called run: the program has been started",
    "next": "here step is a system call",
    "disable 1": "delete forgets a point",
    "rwatch counter": "watch sees what is written",
    "n": "here step is a system call",
    "l": "disas shows instructions",
    "r": "no command is called r: the program has been started",
    "catch syscall write": "caught by break: break write",
    "continue x": "x is no count",
    "continue 0": "want 1 to",
    "step x": "x is no count",
    "stepi 0": "want 1 to",
    "finish 3": "takes nothing",
    "finish": "no caller can be found",
    "detach 3": "takes nothing",
    "quit x": "x is no status",
    "quit 300": "300 is no exit status",
    "tasks 1": "takes nothing",
    "task x": "x is no number of a task",
    "task 77": "there is no task 77",
    "task 1": "task 1 runs no user code",
    "maps x": "takes nothing",
    "pagetable 1 2": "usage: pagetable",
    "pagetable nonsense": "nonsense is no address",
    "fds x": "takes nothing",
    "waits x": "takes nothing",
    "futexes x": "takes nothing",
    "runqueue x": "takes nothing",
    "mounts x": "takes nothing",
    "inodes x": "takes nothing",
    "pipes x": "takes nothing",
    "sockets x": "takes nothing",
    "signals x": "takes nothing",
    "memory x": "takes nothing",
    "regs 1": "has no register 1",
    "stack x": "x is no count",
    "disas 1 2 3": "usage: disas",
    "disas 0": "nothing is mapped at 0x0",
    "x": "usage: x",
    "x 0": "nothing is mapped at 0x0",
    "x $foo": "has no register $foo",
    "x $pc 0": "want 1 to",
    "x/": "usage: x/FORMAT ADDRESS",
    "x/4 0": "nothing is mapped at 0x0",
    "x/zz $pc": "/zz is no format",
    "x/xd $pc": "/xd is no format",
    "x/0x $pc": "want 1 to 4096 of them",
    "x/9999 $pc": "want 1 to 4096 of them",
    "fds/x": "takes nothing",
    "x 'text'": "is no address",
    "set": "set changes arg, result",
    "set foo": "not foo",
    "set arg 0 1": "an argument can be set where a call is entered",
    "set result 1": "a result can be set where a call",
    "set reg": "has no register without a name",
    "set reg foo 1": "has no register foo",
    "set reg pc": "a value is missing",
    "set mem": "usage: set mem",
    "set mem $sp": "the bytes are missing",
    "set mem $sp zz": "want hexadecimal pairs",
    "set mem $sp 'abc": "want hexadecimal pairs",
    "set mem 0 90": "mapped at 0x0",
    "set signal TERM": "a signal can be set where one",
    "send": "want the name or number of one signal: send INT",
    "send 0": "want the name",
    "send FOO": "invalid signal",
    "send INT,TERM": "want the name",
    "print": "print needs an expression",
    "print 1/0": "ZeroDivisionError",
    "print 10**9999": "10**9999 cannot be shown: ValueError",
    "print foo": "'foo' is unknown here",
    "print exit()": "exit(): an expression cannot exit",
    "print/z 1": "/z is no format of print",
    "print/x": "print needs an expression",
    "print $foo": "is no expression",
    "print (": "is no expression",
    "source": "source needs a system call",
    "source nonsense": "'nonsense' is unknown here",
    "source 1": "has no lines of Python",
    "source kernel.nothing": "no such class, function or module",
    "help foo": "no command is called foo",
}


@pytest.mark.guest
def test_each_mistake_is_one_line(arch: str) -> None:
    """The answers come in order, so that each can be told from the next."""
    given = list(BAD)
    done = session(arch, "word", [*given, "print 'still here'", "continue"])
    said = lines(done)[1:]
    assert (done.status, done.stdout) == (0, b"unchanged\n")
    assert said[len(given)] == "still here"
    for line, answer in zip(given, said, strict=False):
        assert answer.startswith("diorama: "), (line, answer)
        assert BAD[line] in answer, (line, answer)
        assert "internal error" not in answer, (line, answer)


def test_every_command_has_a_mistake_here() -> None:
    assert start.FAMILIES
    tried = {line.split()[0] for line in BAD}
    assert set(COMMANDS) - tried == set()


@pytest.mark.guest
def test_mistakes_at_a_call(arch: str) -> None:
    bad = {
        "set arg 9 1": "the call has no argument 9 (it has 0 fd, 1 buf, 2 count)",
        "set arg path 1": "the call has no argument path",
        "set arg": "the call has no argument without a name",
        "set arg 0": "a value is missing",
        "set arg 0 x": "x is no value",
        "set arg 1 'abc": "want hexadecimal pairs",
        "set result": "a result is missing",
        "set result ENOTHING": "ENOTHING is no result",
        "print fdd": "'fdd' is unknown here",
    }
    done = session(arch, "word", ["break write", "c", *bad, "delete", "c"])
    assert done.stdout == b"unchanged\n"
    for (line, why), answer in zip(bad.items(), lines(done)[3:], strict=False):
        assert answer.startswith("diorama: "), (line, answer)
        assert why in answer, (line, answer)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["debug"], "PROGRAM is missing"),
        (["debug", "-x", "/no/such", "busybox"], "-x: /no/such: No such file or directory"),
        (["debug", "-ex"], "option -ex needs a value"),
        (["debug", "-g", "0", "busybox"], "one debugger is enough"),
        (["debug", "--nothing", "busybox"], "unknown option --nothing"),
    ],
)
def test_a_bad_command_line_is_125(words: list[str], why: str) -> None:
    done = run_cli(*words)
    assert done.status == 125
    assert done.stderr.count(b"\n") == 1
    assert why in done.stderr.decode()


@pytest.mark.guest
def test_a_program_that_is_not_there_is_127() -> None:
    assert run_cli("debug", "/no/such/program").status == 127


@pytest.mark.guest
def test_calls_that_a_cpu_never_had() -> None:
    told = {"open": "openat", "dup2": "dup3", "stat": "newfstatat", "mkdir": "mkdirat"}
    said = lines(session("aarch64", "word", [f"break {name}" for name in told]))[1:]
    for line, (name, instead) in zip(said, told.items(), strict=True):
        assert line.endswith(f"{name} is no system call of aarch64 (it has {instead})"), line


@pytest.mark.guest
def test_commands_from_what_has_no_lines() -> None:
    """It would be read for ever."""
    with open("/dev/zero", "rb") as zeros:
        done = subprocess.run(
            [sys.executable, "-m", "diorama", "debug", str(program("x86_64")), "word"],
            stdin=zeros,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.splitlines()[-1].startswith(b"diorama: stdin: a line of more than")
