"""Process groups, sessions and the controlling terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kernel.abi.errors import EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH
from kernel.abi.signals import SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU
from kernel.task import jobs
from kernel.task.actions import Action
from kernel.task.exit import exit_process
from kernel.task.wait import Choice, wait_for
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.session import ProcessGroup, Session
    from kernel.task.task import Task


class FakeTerminal:
    def __init__(self) -> None:
        self.session: Session | None = None
        self.foreground: ProcessGroup | None = None
        self.device = 0x8800


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def tty(world: World) -> FakeTerminal:
    tty = FakeTerminal()
    jobs.acquire_terminal(world.program, tty)
    return tty


def job(world: World) -> Task:
    """A child in a group of its own, which notices everything and does nothing."""
    child = world.fork()
    world.kernel.scheduler.remove(child)
    jobs.set_process_group(world.program, child.tid, 0)
    for signo in (SIGHUP, SIGCONT, SIGTTIN, SIGTTOU):
        child.actions.set(signo, Action(0x1000))
    return child


def pending(task: Task) -> list[int]:
    return [n for n in range(1, 65) if task.group.pending.has(n)]


def test_groups_end_with_their_last_member(world: World) -> None:
    first = job(world)
    second = world.fork()
    jobs.set_process_group(world.program, second.tid, first.tid)
    exit_process(first, 0)
    wait_for(world.program, Choice(0, 0, 4))
    assert list(world.kernel.pgrps[first.tid].members) == [second.tid]
    exit_process(second, 0)
    wait_for(world.program, Choice(0, 0, 4))
    assert first.tid not in world.kernel.pgrps
    assert len(world.kernel.pids) == 2


def test_setsid_begins_a_session_without_terminal(world: World, tty: FakeTerminal) -> None:
    child = world.fork()
    assert jobs.terminal_of(child) is tty
    assert jobs.create_session(child) == child.tid
    assert jobs.terminal_of(child) is None
    with pytest.raises(EPERM):
        jobs.create_session(child)
    with pytest.raises(EPERM):
        jobs.acquire_terminal(child, tty)


def test_only_a_leader_gets_a_terminal(world: World) -> None:
    tty = FakeTerminal()
    child = world.fork()
    with pytest.raises(EPERM):
        jobs.acquire_terminal(child, tty)
    jobs.opened_terminal(child, tty)
    assert tty.session is None
    jobs.opened_terminal(world.program, tty)
    assert tty.session is world.program.group.session


def test_stealing_needs_a_capability(world: World, tty: FakeTerminal) -> None:
    thief = world.fork()
    jobs.create_session(thief)
    jobs.acquire_terminal(thief, tty, steal=True)
    assert jobs.terminal_of(world.program) is None
    assert jobs.terminal_of(thief) is tty


def test_the_foreground_group(world: World, tty: FakeTerminal) -> None:
    child = job(world)
    assert jobs.foreground_group(world.program, tty) == 2
    jobs.set_foreground_group(world.program, tty, child.tid)
    assert jobs.foreground_group(world.program, tty) == child.tid
    jobs.check_background(child, tty, SIGTTIN)
    world.program.actions.set(SIGTTOU, Action(SIG_IGN))
    with pytest.raises(ESRCH):
        jobs.set_foreground_group(world.program, tty, 999)
    stranger = FakeTerminal()
    with pytest.raises(ENOTTY):
        jobs.foreground_group(world.program, stranger)


def test_background_jobs_are_stopped_or_refused(world: World, tty: FakeTerminal) -> None:
    child = job(world)
    with pytest.raises(ERESTARTSYS):
        jobs.check_background(child, tty, SIGTTIN)
    assert pending(child) == [SIGTTIN]
    child.actions.set(SIGTTIN, Action(SIG_IGN))
    with pytest.raises(EIO):
        jobs.check_background(child, tty, SIGTTIN)
    child.actions.set(SIGTTOU, Action(SIG_IGN))
    jobs.check_background(child, tty, SIGTTOU)


def test_an_orphaned_background_job_gets_eio(world: World, tty: FakeTerminal) -> None:
    shell = world.fork()
    orphan = world.fork(shell)
    jobs.set_process_group(shell, orphan.tid, 0)
    exit_process(shell, 0)
    with pytest.raises(EIO):
        jobs.check_background(orphan, tty, SIGTTIN)


def test_the_leaders_death_hangs_up(world: World, tty: FakeTerminal) -> None:
    child = job(world)
    tty.foreground = child.group.pgrp
    exit_process(world.program, 0)
    assert pending(child) == [SIGHUP, SIGCONT]
    assert tty.session is None
    assert jobs.terminal_of(child) is None


def test_giving_the_terminal_up(world: World, tty: FakeTerminal) -> None:
    child = job(world)
    jobs.give_up_terminal(child)
    assert jobs.terminal_of(child) is None
    assert jobs.terminal_of(world.program) is tty
    with pytest.raises(ENOTTY):
        jobs.give_up_terminal(child)
    jobs.give_up_terminal(world.program)
    assert tty.session is None


def test_hang_up_tells_leader_and_foreground(world: World, tty: FakeTerminal) -> None:
    child = job(world)
    for signo in (SIGHUP, SIGCONT):
        world.program.actions.set(signo, Action(0x1000))
    tty.foreground = child.group.pgrp
    jobs.hang_up(tty)
    assert pending(world.program) == [SIGHUP, SIGCONT]
    assert pending(child) == [SIGHUP]
