"""``step``, ``stepi``: as many as were asked for, whatever is passed on the way."""

from __future__ import annotations

import re

import pytest

from tests.tools.console.debugged import lines, session

pytestmark = pytest.mark.guest

SYSCALL = {"x86_64": 2, "aarch64": 4}
"""The bytes of the instruction."""


def steps(said: list[str]) -> list[int]:
    """Where the steps ended."""
    return [int(m[1], 16) for line in said if (m := re.search(r" stepped at (0x\w+)", line))]


def test_several_instructions(arch: str) -> None:
    alone = session(arch, "twice", ["break *twice", "c", "stepi", "stepi", "stepi", "quit"])
    three = session(arch, "twice", ["break *twice", "c", "stepi 3", "quit"])
    assert len(steps(lines(alone))) == 3
    assert steps(lines(three)) == steps(lines(alone))[-1:]


def test_several_calls(arch: str) -> None:
    one = session(arch, "word", ["step", "step", "step", "quit"])
    three = session(arch, "word", ["step 3", "quit"])
    returns = [line for line in lines(one) if " returns from " in line]
    assert len(returns) == 3
    assert [line for line in lines(three) if " returns from " in line] == returns[-1:]


def test_a_step_onto_a_breakpoint_whose_condition_does_not_hold(arch: str) -> None:
    at = session(arch, "twice", ["break *twice", "c", "stepi", "quit"])
    (second,) = steps(lines(at))
    commands = [f"break *{second:#x} if 0", "break *twice", "c", "stepi", "stepi", "quit 9"]
    done = session(arch, "twice", commands)
    assert done.status == 9
    found = steps(lines(done))
    assert found[0] == second
    assert len(found) == 2


def test_a_step_over_a_call_whose_condition_does_not_hold(arch: str) -> None:
    where = f"$pc-{SYSCALL[arch]}"
    way = ["break write", "c", "finish", f"break *{where}", "delete 1", "c"]
    done = session(arch, "word", [*way, "break write if fd == 99", "stepi", "regs pc", "quit 9"])
    assert done.status == 9
    assert len(steps(lines(done))) == 1


def test_a_step_survives_what_others_do(arch: str) -> None:
    """The parent's wait ends with the child, which is nobody's to see."""
    way = ["break wait4", "c", "delete", "catch exit if pid == 99", "catch signal if pid == 99"]
    done = session(arch, "fork", [*way, "stepi", "quit 9"])
    assert done.status == 9
    assert len(steps(lines(done))) == 1
