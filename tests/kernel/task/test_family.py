"""fork, exit, wait, orphans: who is told what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kernel.abi.errors import EAGAIN, ECHILD, EINVAL
from kernel.abi.process import (
    CLONE_CHILD_SETTID,
    CLONE_FILES,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    P_ALL,
    P_PGID,
    P_PID,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
)
from kernel.abi.signals import (
    CLD_EXITED,
    CLD_KILLED,
    NSIG,
    SA_NOCLDWAIT,
    SA_RESTORER,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGKILL,
    SIGSEGV,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
)
from kernel.cred import RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_SIGPENDING
from kernel.task import clone
from kernel.task.actions import Action
from kernel.task.exit import exit_process
from kernel.task.jobs import set_process_group
from kernel.task.siginfo import SigInfo
from kernel.task.signals import force_signal, send_to_group
from kernel.task.wait import WAIT_ALL, Choice, Report, wait_for
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.task import Task


def wait(world: World, options: int = WEXITED, kind: int = P_ALL, number: int = 0) -> object:
    return wait_for(world.program, Choice(kind, number, options))


def reported(found: object) -> tuple[int, int]:
    assert isinstance(found, Report)
    return found.pid, found.status


def end(task: Task, status: int) -> None:
    exit_process(task, status)


def test_exit_status_is_reported_once() -> None:
    world = World()
    child = world.fork()
    end(child, 7 << 8)
    assert child.state == "Z"
    assert reported(wait(world)) == (3, 7 << 8)
    with pytest.raises(ECHILD):
        wait(world)
    assert 3 not in world.kernel.tasks


def test_frames_and_numbers_come_back() -> None:
    world = World()
    world.program.mem.write(world.data, b"x" * 4096)
    used = world.kernel.frames.used_count
    for _ in range(5):
        child = world.fork()
        child.mem.write(world.data, b"y")
        end(child, 0)
        wait(world)
    assert world.kernel.frames.used_count == used
    assert len(world.kernel.pids) == 2
    assert world.kernel.user_processes == {0: 2}


def test_wnowait_leaves_the_zombie() -> None:
    world = World()
    end(world.fork(), 0)
    assert reported(wait(world, WEXITED | WNOWAIT)) == (3, 0)
    assert reported(wait(world, WEXITED)) == (3, 0)


def test_a_wait_sleeps_until_the_child_is_dead() -> None:
    world = World()
    child = world.fork()
    assert wait(world, WEXITED | WNOHANG) is None
    found = wait(world)
    assert world.call(world.program, found) is None
    end(child, 0x100)
    world.run_all()
    assert reported(world.results[2]) == (3, 0x100)


def test_death_by_signal_and_the_core_flag() -> None:
    world = World()
    for signo, core, status in ((SIGKILL, 0, 9), (SIGSEGV, 0, 11), (SIGSEGV, 4096, 0x8B)):
        child = world.fork()
        child.limits.values[RLIMIT_CORE] = (core, core)
        send_to_group(child.group, SigInfo.user(signo, 2, 0))
        world.run_all()
        assert reported(wait(world)) == (child.tid, status)


def test_the_parent_gets_sigchld_with_the_details() -> None:
    world = World()
    world.program.actions.set(SIGCHLD, Action(0x1000))
    world.program.blocked = 1 << (SIGCHLD - 1)
    end(world.fork(), 3 << 8)
    info = world.program.group.pending.take_signal(SIGCHLD)
    assert (info.code, info.pid, info.status) == (CLD_EXITED, 3, 3)
    child = world.fork()
    send_to_group(child.group, SigInfo(SIGTERM))
    world.run_all()
    info = world.program.group.pending.take_signal(SIGCHLD)
    assert (info.code, info.pid, info.status) == (CLD_KILLED, 4, SIGTERM)


@pytest.mark.parametrize("action", [Action(SIG_IGN), Action(0x1000, SA_NOCLDWAIT)])
def test_children_nobody_wants_to_hear_of_vanish(action: Action) -> None:
    world = World()
    world.program.actions.set(SIGCHLD, action)
    child = world.fork()
    found = wait(world)
    world.call(world.program, found)
    end(child, 0)
    assert child.state == "X"
    world.run_all()
    assert world.results[2] == -ECHILD.errno


def test_orphans_go_to_init_which_buries_them() -> None:
    world = World()
    child = world.fork()
    grandchild = world.fork(child)
    zombie = world.fork(child)
    end(zombie, 0)
    end(child, 0)
    assert grandchild.group.parent is world.kernel.init.group
    assert world.reaped == [(zombie.tid, 0)]
    end(grandchild, 0)
    assert world.reaped[-1] == (grandchild.tid, 0)


def test_orphans_go_to_the_nearest_subreaper() -> None:
    world = World()
    world.program.group.subreaper = True
    child = world.fork()
    grandchild = world.fork(child)
    end(child, 0)
    assert grandchild.group.parent is world.program.group


def test_selection_by_number_and_group() -> None:
    world = World()
    first, second = world.fork(), world.fork()
    end(first, 1 << 8)
    end(second, 2 << 8)
    assert reported(wait(world, WEXITED, P_PID, second.tid)) == (second.tid, 2 << 8)
    assert reported(wait(world, WEXITED, P_PGID, 2)) == (first.tid, 1 << 8)
    world.fork()
    with pytest.raises(ECHILD):
        wait(world, WEXITED, P_PID, 99)
    with pytest.raises(ECHILD):
        wait(world, WEXITED, P_PGID, 99)


def test_stop_and_continue_are_reported_if_asked_for() -> None:
    world = World()
    child = world.fork()
    send_to_group(child.group, SigInfo(SIGSTOP))
    world.run_all()
    assert child.state == "T"
    assert wait(world, WEXITED | WNOHANG) is None
    assert reported(wait(world, WSTOPPED)) == (3, SIGSTOP << 8 | 0x7F)
    assert wait(world, WSTOPPED | WNOHANG) is None
    send_to_group(child.group, SigInfo(SIGCONT))
    world.run_all()
    assert child.state == "R"
    assert reported(wait(world, WCONTINUED)) == (3, 0xFFFF)


def test_sigkill_ends_a_stopped_process_and_sigterm_waits() -> None:
    world = World()
    child = world.fork()
    send_to_group(child.group, SigInfo(SIGSTOP))
    world.run_all()
    send_to_group(child.group, SigInfo(SIGTERM))
    world.run_all()
    assert child.state == "T"
    send_to_group(child.group, SigInfo(SIGKILL))
    world.run_all()
    assert reported(wait(world)) == (3, SIGKILL)


def test_a_stopped_orphaned_job_is_hung_up() -> None:
    world = World()
    shell = world.fork()
    job = world.fork(shell)
    from_shell = world.kernel.pgrps[2]
    assert job.group.pgrp is from_shell
    set_process_group(shell, job.tid, job.tid)
    send_to_group(job.group, SigInfo(SIGSTOP))
    world.run_all()
    job.actions.set(SIGHUP, Action(0x1000))
    job.blocked = (1 << 64) - 1
    end(shell, 0)
    seen = [n for n in (SIGHUP, SIGCONT) if job.group.pending.has(n)]
    assert seen == [SIGHUP, SIGCONT]
    assert job.group.stop_signal == 0


def test_vfork_shares_memory_and_suspends_the_parent() -> None:
    world = World()
    generator = clone.clone(world.program, clone.Request(CLONE_VM | CLONE_VFORK, SIGCHLD))
    assert world.call(world.program, generator) is None
    assert world.program.state == "D"
    child = world.kernel.tasks[3]
    child.mem.write(world.data, b"mine")
    world.program.actions.set(SIGUSR1, Action(0x1000, SA_RESTORER, 0x2000))
    send_to_group(world.program.group, SigInfo(SIGUSR1))
    assert world.program.state == "D"
    end(child, 0)
    world.step()
    assert world.results[2] == 3
    assert world.program.mem.read(world.data, 4) == b"mine"


def test_death_interrupts_vfork() -> None:
    world = World()
    generator = clone.clone(world.program, clone.Request(CLONE_VM | CLONE_VFORK, SIGCHLD))
    world.call(world.program, generator)
    send_to_group(world.program.group, SigInfo(SIGTERM))
    world.run_all()
    assert world.reaped == [(2, SIGTERM)]


@pytest.mark.parametrize("flags", [CLONE_VM, CLONE_THREAD, CLONE_FILES, 1 << 40])
def test_other_clone_flags_are_refused(flags: int) -> None:
    world = World()
    with pytest.raises(EINVAL):
        clone.clone(world.program, clone.Request(flags, SIGCHLD))


def test_the_child_finds_its_number_and_zero() -> None:
    world = World()
    request = clone.Request(CLONE_CHILD_SETTID, SIGCHLD, 0x7000, 0, world.data)
    clone.clone(world.program, request)
    child = world.kernel.tasks[3]
    assert child.mem.read_u32(world.data) == 3
    assert world.program.mem.read_u32(world.data) == 0
    registers = world.kernel.cpu.registers(child.context)
    assert (registers.result, registers.sp) == (0, 0x7000)


def test_process_limit_binds_users_but_not_root() -> None:
    for user in (0, 1000):
        world = World(user=user)
        world.program.limits.values[RLIMIT_NPROC] = (1, 1)
        if user:
            with pytest.raises(EAGAIN):
                world.fork()
        else:
            world.fork()


def test_a_fault_kills_even_when_it_is_blocked() -> None:
    world = World()
    child = world.fork()
    child.blocked = (1 << 64) - 1
    child.actions.set(SIGSEGV, Action(0x1000))
    force_signal(child, SigInfo.fault(SIGSEGV, 1, 0x10))
    world.run_all()
    assert reported(wait(world)) == (3, SIGSEGV)


def test_the_death_of_the_parent_can_be_a_signal() -> None:
    world = World()
    child = world.fork()
    grandchild = world.fork(child)
    grandchild.parent_death_signal = SIGUSR1
    grandchild.blocked = (1 << 64) - 1
    end(child, 0)
    info = grandchild.group.pending.take_signal(SIGUSR1)
    assert (info.pid, info.code) == (child.tid, 0)


def test_death_in_a_sleep_is_told_before_the_end() -> None:
    class Watcher:
        def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
            seen.append(("no return", task.tid))

        def task_end(self, task: Task, status: int) -> None:
            seen.append(("end", status))

        def __getattr__(self, name: str) -> Any:
            return lambda *args: None

    seen: list[tuple[str, int]] = []
    world = World()
    watcher: Any = Watcher()
    child = world.fork()
    world.call(world.program, wait(world))
    world.kernel.events = (watcher,)
    send_to_group(world.program.group, SigInfo(SIGTERM))
    world.run_all()
    assert seen == [("no return", 2), ("end", SIGTERM)]
    assert child.group.parent is world.kernel.init.group


def test_a_full_signal_queue_of_the_parent_does_not_keep_a_child_alive() -> None:
    world = World()
    world.program.blocked = 1 << (NSIG - 1)
    world.program.limits.values[RLIMIT_SIGPENDING] = (0, 0)
    pid = clone.clone(world.program, clone.Request(0, NSIG))
    assert isinstance(pid, int)
    end(world.kernel.tasks[pid], 0)
    assert not world.program.group.pending.has(NSIG)
    assert reported(wait(world, WEXITED | WAIT_ALL)) == (pid, 0)
