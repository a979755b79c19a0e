"""Threads as a group: what they share, how they end, who takes a signal, exec, stopping."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EINVAL
from kernel.abi.process import CLONE_CHILD_CLEARTID, CLONE_PARENT_SETTID, CLONE_SETTLS
from kernel.abi.signals import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, sigbit
from kernel.task import clone
from kernel.task.actions import Action
from kernel.task.delivery import return_to_user
from kernel.task.exit import exit_process, exit_task
from kernel.task.siginfo import SigInfo
from kernel.task.signals import end_siblings, send_to_group, send_to_task, set_blocked
from kernel.wait import Blocking, Sleep, WaitQueue
from tests.support.tasks import THREAD, World

pytestmark = pytest.mark.row("X3")


def forever(queue: WaitQueue) -> Blocking[int]:
    yield Sleep((queue,))
    return 0


def asleep(world: World, count: int = 1) -> list[object]:
    """Threads that sleep; the program's own task does not."""
    queue = WaitQueue("test")
    tasks = []
    for _ in range(count):
        task = world.thread()
        world.kernel.scheduler.remove(task)
        world.call(task, forever(queue))
        tasks.append(task)
    return list(tasks)


def test_tables_are_shared_and_counted() -> None:
    world = World()
    program, thread = world.program, world.thread()
    assert thread.fds is program.fds
    assert thread.actions is program.actions
    assert thread.mm is program.mm
    assert program.fds.users == program.actions.users == 2
    assert program.mm is not None
    assert program.mm.users == 2
    exit_task(thread, 0)
    assert program.fds.users == program.actions.users == program.mm.users == 1
    assert thread.tid not in world.kernel.tasks
    assert world.kernel.user_processes == {0: 2}


def test_the_numbers_and_the_thread_pointer() -> None:
    world = World()
    flags = THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS
    request = clone.Request(flags, 0, 0x5000, world.data, world.data + 4, 0x1234000)
    tid = clone.clone(world.program, request)
    assert isinstance(tid, int)
    thread = world.kernel.tasks[tid]
    registers = world.kernel.cpu.registers(thread.context)
    assert (registers.sp, registers.tls, registers.result) == (0x5000, 0x1234000, 0)
    assert world.program.mem.read_u32(world.data) == tid
    world.program.mem.write_u32(world.data + 4, tid)
    exit_task(thread, 0)
    assert world.program.mem.read_u32(world.data + 4) == 0


def test_a_leader_that_leaves_is_a_zombie_until_the_last_thread_ends() -> None:
    world = World()
    thread = world.thread()
    exit_task(world.program, 0)
    assert world.program.state == "Z"
    assert world.reaped == []
    assert thread.tgid == 2
    send_to_group(thread.group, SigInfo(SIGUSR1))
    assert thread.work
    exit_task(thread, 7 << 8)
    assert world.reaped == [(2, SIGUSR1)]


def test_the_last_thread_gives_the_status() -> None:
    world = World()
    thread = world.thread()
    exit_task(world.program, 0)
    exit_task(thread, 7 << 8)
    assert world.reaped == [(2, 7 << 8)]


def test_exit_group_ends_sleepers_too() -> None:
    world = World()
    asleep(world, 3)
    exit_process(world.program, 5 << 8)
    world.run_all()
    assert world.reaped == [(2, 5 << 8)]
    assert sorted(world.kernel.tasks) == [1]


def test_a_fatal_signal_for_one_ends_all() -> None:
    world = World()
    asleep(world, 2)
    thread = world.thread()
    send_to_task(thread, SigInfo(SIGTERM))
    world.kernel.scheduler.enqueue(world.program)
    world.run_all()
    assert world.reaped == [(2, SIGTERM)]


def test_a_signal_to_the_process_goes_to_a_thread_that_takes_it() -> None:
    world = World()
    (sleeper,) = asleep(world)
    world.program.actions.set(SIGUSR1, Action(0x1000))
    set_blocked(world.program, sigbit(SIGUSR1))
    send_to_group(world.program.group, SigInfo(SIGUSR1))
    assert not world.program.work
    world.run_all()
    assert world.results[sleeper.tid] == -512  # type: ignore[attr-defined]  # ERESTARTSYS


def test_blocking_a_pending_signal_hands_it_to_another() -> None:
    world = World()
    thread = world.thread()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    set_blocked(thread, sigbit(SIGUSR1))
    send_to_group(world.program.group, SigInfo(SIGUSR1))
    assert world.program.work
    set_blocked(thread, 0)
    thread.work = False
    set_blocked(world.program, sigbit(SIGUSR1))
    assert thread.work


def test_a_dying_thread_hands_over_what_it_would_have_taken() -> None:
    world = World()
    thread = world.thread()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    send_to_group(world.program.group, SigInfo(SIGUSR1))
    exit_task(world.program, 0)
    thread.work = False
    send_to_group(thread.group, SigInfo(SIGUSR1))
    assert thread.group.pending.has(SIGUSR1)


def test_all_stop_and_the_parent_hears_once() -> None:
    world = World()
    child = world.fork()
    world.thread(child)
    world.kernel.scheduler.remove(world.program)
    send_to_group(child.group, SigInfo(SIGSTOP))
    world.run_all()
    assert [task.state for task in child.group.tasks.values()] == ["T", "T"]
    assert child.group.stop_report == SIGSTOP
    send_to_group(child.group, SigInfo(SIGCONT))
    assert child.group.continued
    assert [task.state for task in child.group.tasks.values()] == ["R", "R"]


def test_a_kill_ends_a_stopped_group() -> None:
    world = World()
    world.kernel.scheduler.enqueue(world.program)
    world.thread()
    send_to_group(world.program.group, SigInfo(SIGSTOP))
    world.run_all()
    send_to_group(world.program.group, SigInfo(SIGKILL))
    world.run_all()
    assert world.reaped == [(2, SIGKILL)]


def test_execve_ends_siblings_wherever_they_are() -> None:
    world = World()
    asleep(world, 2)
    runner = world.thread()
    end_siblings(runner)
    world.kernel.scheduler.remove(runner)
    assert not return_to_user(world.program)
    world.run_all()
    assert list(runner.group.tasks) == [runner.tid]
    assert world.reaped == []


def test_a_thread_needs_no_exit_signal_but_a_process_a_valid_one() -> None:
    world = World()
    with pytest.raises(EINVAL):
        clone.clone(world.program, clone.Request(0, 65))
