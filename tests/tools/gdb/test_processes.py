"""The real gdb and processes: fork, vfork, exec, on both CPUs."""

from __future__ import annotations

import pytest

from tests.support.gdb import debug, line_of

pytestmark = [pytest.mark.guest, pytest.mark.slow]


@pytest.mark.row("T2")
def test_catch_fork_and_let_the_child_go(arch: str) -> None:
    result = debug(
        arch, ["fork"], "catch fork", "continue", "backtrace", "info inferiors", "continue"
    )
    result.lines(
        r"Catchpoint 1 \(forked process 3\)",
        r"children \(quietly=0\)",
        r"\* 1 +process 2",
        r"\[Inferior 1 \(process 2\) exited with code 07\]",
    )
    assert (result.status, result.stdout) == (7, "child: 7\n")


def test_a_breakpoint_does_not_stop_a_child_that_is_not_debugged(arch: str) -> None:
    """gdb takes its breakpoints out of the child before it lets it go."""
    result = debug(arch, ["fork"], "break square", "continue")
    result.lines(r"\[Inferior 1 \(process 2\) exited with code 07\]")
    assert (result.status, result.stdout) == (7, "child: 7\n")


def test_a_step_survives_the_end_of_a_child_that_is_not_debugged(arch: str) -> None:
    result = debug(
        arch,
        ["fork"],
        "catch syscall wait4",
        "continue",
        "delete",
        "stepi",
        "backtrace",
        "continue",
    )
    result.lines(r"call to syscall wait4", r"^#\d .*children \(quietly=0\)", r"exited with code 07")
    assert (result.status, result.stdout) == (7, "child: 7\n")


@pytest.mark.row("T2")
def test_follow_the_child(arch: str) -> None:
    result = debug(
        arch,
        ["fork"],
        "set follow-fork-mode child",
        "break square",
        "continue",
        "backtrace",
        "continue",
    )
    result.lines(
        r"Breakpoint 1.*, square \(n=5\)", r"children \(quietly=0\)", r"exited with code 07"
    )
    assert (result.status, result.stdout) == (7, "child: 7\n")


def test_parent_and_child_both(arch: str) -> None:
    result = debug(
        arch,
        ["fork"],
        "set detach-on-fork off",
        "catch fork",
        "continue",
        "next",
        "info inferiors",
        "inferior 2",
        f"tbreak debuggee.c:{line_of('/* in the child */')}",
        "continue",
        "print counter",
        "next",
        "print counter",
        "continue",
        "inferior 1",
        "print counter",
        "continue",
    )
    result.lines(
        r"forked process 3",
        r"\* 1 +process 2",
        r"  2 +process 3",
        r"Switching to inferior 2",
        r"children \(quietly=0\)",
        r"= 0$",
        r"= 25$",
        r"Inferior 2 \(process 3\) exited with code 07",
        r"= 0$",
        r"Inferior 1 \(process 2\) exited with code 07",
    )


@pytest.mark.row("T2")
def test_catch_vfork_and_let_the_child_go(arch: str) -> None:
    result = debug(
        arch,
        ["vfork"],
        "catch vfork",
        "continue",
        "break square",
        "continue",
    )
    result.lines(r"vforked process 3", r"exited with code 011")
    assert (result.status, result.stdout) == (9, "child: 9\n")


def test_follow_a_vfork_child_through_its_exec(arch: str) -> None:
    result = debug(
        arch,
        ["vfork"],
        "set follow-fork-mode child",
        "catch exec",
        "continue",
        "info inferiors",
        "break main",
        "continue",
        "print *argv@argc",
        "continue",
    )
    result.lines(r"exec'd /bin/debuggee", r"hit Breakpoint 2.*, main", r'"leaf"', r"code 011")
    assert (result.status, result.stdout) == (9, "child: 9\n")


@pytest.mark.row("T2")
def test_catch_exec(arch: str) -> None:
    result = debug(
        arch,
        ["exec"],
        "break main",
        "catch exec",
        "continue",
        "continue",
        "info symbol $pc",
        "continue",
        "print argv[0]",
        "continue",
    )
    result.lines(
        r"Breakpoint 1, main", r"Catchpoint 2 \(exec'd /bin/debuggee", r"_start in section",
        r"Breakpoint 1.*, main", r'"leaf"', r"exited with code 011",
    )  # fmt: skip


def test_a_child_that_outlives_the_program(arch: str) -> None:
    """As long as gdb debugs something, the machine runs."""
    result = debug(
        arch,
        ["daemon"],
        "set follow-fork-mode child",
        f"break {line_of('/* alone */')}",
        "continue",
        "print counter",
        "continue",
    )
    result.lines(r"hit Breakpoint 1|Breakpoint 1, ", r"= 1$", r"exited with code 010")
    assert (result.status, result.stdout) == (0, "alone\n")
