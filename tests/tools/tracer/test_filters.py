"""The sets of ``-e``."""

from __future__ import annotations

import pytest

from syscalls import load_families
from syscalls.numbers import NUMBERS
from tools.tracer.filters import (
    Filter,
    FilterError,
    class_members,
    parse_signals,
    parse_statuses,
    parse_trace,
)

load_families()
KNOWN = frozenset(NUMBERS["x86_64"])


def test_names_and_their_negation() -> None:
    assert parse_trace("read,write", KNOWN) == {"read", "write"}
    assert parse_trace("!read,write", KNOWN) == KNOWN - {"read", "write"}
    assert parse_trace("all", KNOWN) == KNOWN
    assert parse_trace("none", KNOWN) == set()


def test_regular_expressions_match_anywhere() -> None:
    assert parse_trace("/^rt_sigp", KNOWN) == {"rt_sigprocmask", "rt_sigpending"}
    assert "openat" in parse_trace("/open", KNOWN)


def test_classes() -> None:
    assert {"openat", "stat", "execve", "getcwd"} <= parse_trace("%file", KNOWN)
    assert "read" not in parse_trace("%file", KNOWN)
    assert {"read", "close", "mmap", "pipe2", "poll", "openat"} <= parse_trace("%desc", KNOWN)
    assert {"clone", "execve", "exit_group", "wait4"} <= parse_trace("process", KNOWN)
    assert parse_trace("%signal", KNOWN) & {"rt_sigaction", "kill"} == {"rt_sigaction", "kill"}
    assert class_members("fd") == class_members("desc")


def test_a_question_mark_allows_what_does_not_exist() -> None:
    assert parse_trace("?nosuch,read", KNOWN) == {"read"}
    with pytest.raises(FilterError, match="nosuch"):
        parse_trace("nosuch", KNOWN)


@pytest.mark.parametrize("text", ["%nosuch", "/[", "read,,"])
def test_bad_sets_are_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_trace(text, KNOWN)


def test_signals() -> None:
    assert parse_signals("SIGINT,term") == {2, 15}
    assert parse_signals("none") == set()
    assert 17 not in parse_signals("!SIGCHLD")
    with pytest.raises(FilterError):
        parse_signals("SIGNOPE")


def test_statuses() -> None:
    assert parse_statuses("failed") == {"failed"}
    assert "successful" not in parse_statuses("!successful")
    with pytest.raises(FilterError):
        parse_statuses("maybe")


def test_expressions_together() -> None:
    chosen = Filter.parse(["trace=%memory", "signal=none", "status=failed"], KNOWN)
    assert chosen.call("mmap")
    assert not chosen.call("read")
    assert not chosen.signal(17)
    assert chosen.status(failed=True)
    assert not chosen.status(failed=False)
    assert not chosen.unfinished
    assert Filter.parse(["read"], KNOWN).calls == frozenset({"read"})


def test_unknown_numbers_are_shown_unless_calls_are_named() -> None:
    assert Filter().call(None)
    assert not Filter.parse(["read"], KNOWN).call(None)
    assert Filter.parse(["!read"], KNOWN).call(None)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("opne", "invalid system call 'opne' (open?)"),
        ("read,%fiel", "called %fiel (file?)"),
        ("read,,write", "names are joined by commas without blanks"),
    ],
)
def test_a_refusal_says_what_may_have_been_meant(text: str, hint: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse_trace(text, KNOWN)
    assert hint in str(refused.value)


def test_a_cpu_without_the_older_calls_names_what_it_has() -> None:
    for name, instead in {"open": "openat", "dup2": "dup3", "stat": "newfstatat"}.items():
        with pytest.raises(FilterError, match=rf"'{name}' \(it has {instead}\)"):
            parse_trace(name, NUMBERS["aarch64"])


def test_statuses_and_signals_that_are_none() -> None:
    with pytest.raises(FilterError, match="want some of successful, failed, "):
        parse_statuses("fail")
    with pytest.raises(FilterError, match=r"'SIGTREM' \(SIGTERM\?\)"):
        parse_signals("SIGTREM")
