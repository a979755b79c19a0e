"""Every object of the kernel shows itself in a line, whatever state it is in."""

from __future__ import annotations

import pytest

import diorama
from tests.support.reachable import reachable

pytestmark = [pytest.mark.guest, pytest.mark.row("T1")]
LONGEST = 200


def test_every_kernel_object_has_a_line_of_its_own(busy: diorama.Machine) -> None:
    """None is Python's own ``<... object at 0x...>``; none is long, raises, or changes things."""
    before = [str(task) for task in busy.snapshot()]
    bare, long = set(), set()
    for _, thing in reachable(busy.system, "system"):
        kind = type(thing)
        if not kind.__module__.startswith("kernel."):
            continue
        shown = repr(thing)
        if "__repr__" not in {name for base in kind.__mro__[:-1] for name in vars(base)}:
            bare.add(f"{kind.__module__}.{kind.__qualname__}")
        if len(shown) > LONGEST or "\n" in shown:
            long.add(f"{kind.__qualname__}: {shown[:LONGEST]}")
    assert not bare
    assert not long
    assert [str(task).partition("for ")[0] for task in busy.snapshot()] == [
        line.partition("for ")[0] for line in before
    ]


def test_the_lines_say_what_matters(busy: diorama.Machine) -> None:
    task = busy.system.tasks[2]
    assert repr(task) == "<Task 2 b'busy_everywhere' S>"
    assert repr(task.fds).startswith("<FdTable [0, 1, 2, ")
    assert "pipe:[" in repr(task.fds.files[0])
    assert task.mm is not None
    assert repr(task.mm).startswith("<AddressSpace root=0x")
    assert repr(task.cred).startswith("<Credentials uid=0 gid=0 ")
    assert repr(busy.system) == f"<System {busy.arch} {len(busy.system.tasks)} tasks>"
    assert "caught=0x" in repr(task.actions)
    waiting = [other.waiter for other in busy.system.tasks.values() if other.waiter is not None]
    assert all(repr(waiter).startswith("<Waiter of <Task ") for waiter in waiting)


def test_what_is_dead_shows_itself_too(busy: diorama.Machine) -> None:
    task = busy.system.tasks[2]
    files, space = list(task.fds.files.values()), task.mm
    busy.process(2).kill("KILL")
    busy.run()
    for thing in (task, task.group, space, task.fds, *files, *(file.inode for file in files)):
        assert repr(thing).startswith("<")
