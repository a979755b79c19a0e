"""``watch``: variables of every size, what is large, and what is shown of it."""

from __future__ import annotations

import re

import pytest

from tests.tools.console.debugged import lines, session

pytestmark = pytest.mark.guest


def test_memory_is_watched(arch: str) -> None:
    done = session(arch, "twice", ["watch counter", "c", "info breaks", "x counter 8", "c", "c"])
    assert done.status == 42
    stops = [line for line in lines(done) if line.startswith("Watchpoint 1, 2")]
    assert "00 00 00 00 00 00 00 00 -> 14 00 00 00 00 00 00 00" in stops[0]
    assert "14 00 00 00 00 00 00 00 -> 15 00 00 00 00 00 00 00" in stops[1]
    assert "twice+" in stops[0]
    assert len(stops) == 2


def test_all_of_a_variable_is_watched(arch: str) -> None:
    names = ["small", "half", "whole", "counter", "pair"]
    watch = [f"watch {name}" for name in names]
    done = session(arch, "sizes", [*watch, "watch whole+1", "c", "c", "c", "delete 6", "c", "c"])
    assert (done.status, done.stdout) == (0, b"")
    said = lines(done)
    sizes = [line.rpartition(", ")[2] for line in said if re.match(r"Watchpoint \d:", line)]
    assert sizes == ["1 byte", "2 bytes", "4 bytes", "8 bytes", "16 bytes", "8 bytes"]
    shown = [line.partition(": ")[2].partition(" at ")[0] for line in said if " wrote " in line]
    assert shown == [
        "41 -> 42 (65 -> 66)", "01 00 -> 02 00 (1 -> 2)",
        "01 00 00 00 -> 02 00 00 00 (1 -> 2)", "01 00 -> 02 01",
    ]  # fmt: skip


def test_what_is_large_is_watched_in_part(arch: str) -> None:
    """Only what was changed is shown."""
    commands = ["watch big", "watch big 65536", "c", "c", "delete", "watch big+64 100", "c", "c"]
    done = session(arch, "sizes", commands)
    said = lines(done)
    assert said[1] == ("diorama: big has 70000 bytes, of which 65536 can be watched: watch big LEN")
    wrote = [line for line in said if " wrote " in line]
    assert re.search(r" 00 -> 01 at ", wrote[0])
    assert all(len(line) < 250 for line in wrote)
