"""The real gdb and the kernel: system calls, signals, faults, on both CPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.gdb import debug

pytestmark = [pytest.mark.guest, pytest.mark.slow]


@pytest.mark.row("T2")
def test_catch_a_system_call_by_name(arch: str) -> None:
    result = debug(
        arch,
        [],
        "catch syscall writev exit_group",
        "continue",
        "backtrace 2",
        "continue",
        "continue",
        "continue",
    )
    result.lines(
        r"Catchpoint 1 \(call to syscall writev\)",
        r"#0 ",
        r"Catchpoint 1 \(returned from syscall writev\)",
        r"Catchpoint 1 \(call to syscall exit_group\)",
        r"exited normally",
    )


def test_arguments_and_results_of_a_call_are_changed(arch: str) -> None:
    """The status of exit_group on its way in; what writev says on its way out."""
    first = {"x86_64": "$rdi", "aarch64": "$x0"}[arch]
    result = debug(
        arch,
        [],
        "catch syscall exit_group",
        "continue",
        f"set var {first} = 42",
        "continue",
    )
    result.lines(r"call to syscall exit_group", r"exited with code 052")
    assert result.status == 42


def test_a_function_called_at_a_call_does_not_lose_the_call(arch: str) -> None:
    """gdb leads the thread away and back; the call is made then, once."""
    result = debug(
        arch,
        ["", "4"],
        "catch syscall writev exit_group",
        "continue",
        "print square(9)",
        "continue",
        "continue",
        "continue",
        "print square(8)",
        "continue",
        "continue",
    )
    result.lines(
        r"call to syscall writev", r"= 81$", r"call to syscall writev",
        r"returned from syscall writev", r"call to syscall exit_group", r"= 64$",
        r"call to syscall exit_group", r"exited with code 04",
    )  # fmt: skip
    assert (result.status, result.stdout) == (4, "twice: 72\n")


def test_a_function_called_in_a_sleeper_lets_it_sleep_on(arch: str, work: Path) -> None:
    """^C while everybody sleeps; the read that was interrupted still gets what comes later."""
    os.mkfifo("input")
    reader = os.open("input", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("input", os.O_WRONLY)
    os.set_blocking(reader, True)
    try:
        result = debug(
            arch,
            ["asleep"],
            "python import os, signal, threading",
            "python threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()",
            "continue",
            "print square(6)",
            "print twice(2)",
            "shell printf x > input",
            "continue",
            stdin=reader,
        )
    finally:
        os.close(reader)
        os.close(writer)
    result.lines(r"received signal SIGINT", r"= 36$", r"= 8$", r"exited with code 07")
    assert (result.status, result.stdout) == (7, "asleep\n")


def test_a_signal_survives_a_function_call(arch: str) -> None:
    """Its siginfo, too: gdb saves it and puts it back."""
    result = debug(
        arch,
        ["info"],
        "continue",
        "print $_siginfo._sifields._rt.si_sigval.sival_int",
        "print square(9)",
        "continue",
    )
    result.lines(r"received signal SIGUSR1", r"= 33$", r"= 81$", r"exited with code 041")
    assert result.status == 33


@pytest.mark.row("T2")
def test_signals_are_reported_passed_or_dropped(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "continue",
        "print $_siginfo.si_signo",
        "print $_siginfo._sifields._kill.si_pid",
        "signal 0",
        "continue",
    )
    result.lines(
        r"received signal SIGUSR1", r"= 10$", r"= 2$", r"received signal SIGUSR2",
        r"exited with code 014",
    )  # fmt: skip
    assert (result.status, result.stdout) == (12, "signals: 12\n")


def test_handle_says_which_signals_come_unseen(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "handle SIGUSR1 nostop noprint pass",
        "handle SIGUSR2 nostop print nopass",
        "continue",
    )
    assert "received signal SIGUSR1" not in result.gdb
    result.lines(r"received signal SIGUSR2", r"exited with code 012")
    assert result.stdout == "signals: 10\n"


def test_a_breakpoint_in_a_handler_and_a_step_out_of_it(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "handle SIGUSR1 nostop noprint pass",
        "handle SIGUSR2 nostop noprint pass",
        "tbreak handler",
        "continue",
        "backtrace",
        "finish",
        "continue",
    )
    result.lines(r"handler \(signo=10\)", r"<signal handler called>", r"signals \(\)")
    assert result.stdout == "signals: 22\n"


@pytest.mark.row("T2")
def test_a_fault_shows_where_and_ends_as_it_would(arch: str) -> None:
    result = debug(
        arch, ["fault"], "continue", "print/x $_siginfo._sifields._sigfault.si_addr", "continue"
    )
    result.lines(
        r"received signal SIGSEGV", r"fault \(\)", r"= 0x3$",
        r"terminated with signal SIGSEGV",
    )  # fmt: skip
    assert result.status == 128 + 11
