"""Taking signals: frames, masks, stacks, restarts, on both CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kernel.abi.errors import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Restart,
)
from kernel.abi.signals import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SIG_DFL,
    SIGSEGV,
    SIGTERM,
    SIGTSTP,
    SIGUSR1,
    SIGUSR2,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    sigbit,
)
from kernel.arch.base import AltStack
from kernel.task.actions import Action
from kernel.task.altstack import altstack_flags, on_altstack
from kernel.task.delivery import return_to_user, signal_return
from kernel.task.siginfo import SigInfo
from kernel.task.signals import lend_mask, send_to_task, set_blocked
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.task import Task

HANDLER = 0x401000
RESTORER = 0x402000
MASK64 = (1 << 64) - 1


@pytest.fixture(params=["x86_64", "aarch64"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def registers(task: Task) -> Any:
    return task.kernel.cpu.registers(task.context)


def handle(task: Task, signo: int, flags: int = 0, mask: int = 0) -> None:
    task.actions.set(signo, Action(HANDLER + signo, flags | SA_RESTORER, RESTORER, mask))


def post(task: Task, signo: int) -> None:
    send_to_task(task, SigInfo.user(signo, 1, 0))


def test_a_handler_runs_and_sigreturn_puts_everything_back(world: World) -> None:
    task = world.program
    handle(task, SIGUSR1, mask=sigbit(SIGUSR2))
    task.blocked = sigbit(SIGTERM)
    regs = registers(task)
    regs.pc = 0x400123
    before = regs.general()
    post(task, SIGUSR1)
    assert return_to_user(task)
    assert regs.pc == HANDLER + SIGUSR1
    assert task.blocked == sigbit(SIGTERM) | sigbit(SIGUSR1) | sigbit(SIGUSR2)
    leave(world, task)
    assert regs.general() == before
    assert task.blocked == sigbit(SIGTERM)


def leave(world: World, task: Task) -> None:
    """What the handler's return and the restorer do before rt_sigreturn."""
    if world.kernel.arch.name == "x86_64":
        registers(task).sp += 8
    signal_return(task)


def test_several_signals_stack_their_frames(world: World) -> None:
    task = world.program
    for signo in (SIGUSR1, SIGUSR2):
        handle(task, signo)
        post(task, signo)
    assert return_to_user(task)
    regs = registers(task)
    assert regs.pc == HANDLER + SIGUSR2
    leave(world, task)
    assert regs.pc == HANDLER + SIGUSR1


def test_a_blocked_signal_waits_until_it_is_unblocked(world: World) -> None:
    task = world.program
    handle(task, SIGUSR1)
    task.blocked = sigbit(SIGUSR1)
    post(task, SIGUSR1)
    task.work = True
    assert return_to_user(task)
    assert registers(task).pc == 0
    set_blocked(task, 0)
    assert task.work
    return_to_user(task)
    assert registers(task).pc == HANDLER + SIGUSR1


def test_nodefer_and_resethand(world: World) -> None:
    task = world.program
    handle(task, SIGUSR1, SA_NODEFER | SA_RESETHAND)
    post(task, SIGUSR1)
    return_to_user(task)
    assert task.blocked == 0
    assert task.actions.get(SIGUSR1).handler == SIG_DFL


RESTARTS = [
    (ERESTARTSYS(), 0, False),
    (ERESTARTSYS(), SA_RESTART, True),
    (ERESTARTNOINTR(), 0, True),
    (ERESTARTNOHAND(), SA_RESTART, False),
    (ERESTART_RESTARTBLOCK(("nanosleep", (1,), 5)), SA_RESTART, False),
]


@pytest.mark.parametrize(("reason", "flags", "restarted"), RESTARTS)
def test_a_call_interrupted_by_a_handler(
    world: World, reason: Restart, flags: int, restarted: bool
) -> None:
    task = world.program
    handle(task, SIGUSR1, flags)
    regs = registers(task)
    regs.pc = 0x400100
    task.call = (7, 11, 12, 13, 14, 15, 16)
    task.interrupted = reason
    post(task, SIGUSR1)
    return_to_user(task)
    leave(world, task)
    if restarted:
        assert regs.pc == 0x400100 - world.kernel.arch.syscall_insn_size
    else:
        assert (regs.pc, regs.result) == (0x400100, -4 & MASK64)
    assert task.interrupted is None


@pytest.mark.parametrize("reason", [case[0] for case in RESTARTS])
def test_without_a_handler_every_interrupted_call_goes_on(world: World, reason: Restart) -> None:
    task = world.program
    regs = registers(task)
    regs.pc = 0x400100
    task.call = (7, 11, 12, 13, 14, 15, 16)
    task.interrupted = reason
    task.work = True
    assert return_to_user(task)
    assert regs.pc == 0x400100 - world.kernel.arch.syscall_insn_size
    number = regs.get("rax" if world.kernel.arch.name == "x86_64" else "x8")
    through_block = isinstance(reason, ERESTART_RESTARTBLOCK)
    assert number == (world.kernel.arch.restart_syscall if through_block else 7)
    assert (task.restart_block is not None) == through_block


def test_a_lent_mask_is_given_back(world: World) -> None:
    task = world.program
    task.blocked = sigbit(SIGUSR1)
    lend_mask(task, sigbit(SIGUSR2))
    return_to_user(task)
    assert task.blocked == sigbit(SIGUSR1)
    handle(task, SIGUSR1)
    lend_mask(task, 0)
    post(task, SIGUSR1)
    return_to_user(task)
    assert task.blocked == sigbit(SIGUSR1)
    leave(world, task)
    assert task.blocked == sigbit(SIGUSR1)


def test_the_alternate_stack_is_entered_once(world: World) -> None:
    task = world.program
    task.altstack = AltStack(world.data, 0, 0x4000)
    for signo in (SIGUSR1, SIGUSR2):
        handle(task, signo, SA_ONSTACK)
    post(task, SIGUSR1)
    return_to_user(task)
    regs = registers(task)
    first = regs.sp
    assert on_altstack(task, first)
    assert altstack_flags(task, first) == SS_ONSTACK
    post(task, SIGUSR2)
    return_to_user(task)
    assert world.data < regs.sp < first
    leave(world, task)
    leave(world, task)
    assert not on_altstack(task, regs.sp)
    assert task.altstack == AltStack(world.data, 0, 0x4000)


def test_an_overflowing_alternate_stack_is_a_fault(world: World) -> None:
    task = world.program
    task.altstack = AltStack(world.data + 0x1000, 0, 256)
    handle(task, SIGUSR1, SA_ONSTACK)
    post(task, SIGUSR1)
    assert not return_to_user(task)
    assert world.reaped == [(2, SIGSEGV)]


def test_autodisarm(world: World) -> None:
    task = world.program
    task.altstack = AltStack(world.data, SS_AUTODISARM, 0x4000)
    handle(task, SIGUSR1, SA_ONSTACK)
    post(task, SIGUSR1)
    return_to_user(task)
    assert world.data < registers(task).sp < world.data + 0x4000
    assert task.altstack.flags == SS_DISABLE
    leave(world, task)
    assert task.altstack == AltStack(world.data, SS_AUTODISARM, 0x4000)


def test_a_stack_that_cannot_be_written_kills(world: World) -> None:
    task = world.program
    handle(task, SIGUSR1)
    registers(task).sp = 0x100000
    post(task, SIGUSR1)
    assert not return_to_user(task)
    assert world.reaped == [(2, SIGSEGV)]


def test_a_bad_frame_at_sigreturn_kills(world: World) -> None:
    task = world.program
    registers(task).sp = 0x100000
    signal_return(task)
    assert not return_to_user(task)
    assert world.reaped == [(2, SIGSEGV)]


def test_an_orphaned_group_is_not_stopped_from_the_keyboard(world: World) -> None:
    task = world.program
    post(task, SIGTSTP)
    assert return_to_user(task)
    assert task.state == "R"


def test_every_action_is_told_to_observers(world: World) -> None:
    seen: list[tuple[int, str]] = []

    class Watcher:
        def signal(self, task: object, info: SigInfo, action: str) -> None:
            seen.append((info.signo, action))

        def __getattr__(self, name: str) -> Any:
            return lambda *args: None

    watcher: Any = Watcher()
    world.kernel.events = (watcher,)
    handle(world.program, SIGUSR1)
    for signo in (SIGUSR1, SIGTSTP, SIGTERM):
        post(world.program, signo)
        world.program.work = True
        return_to_user(world.program)
    assert seen == [(SIGUSR1, "handler"), (SIGTSTP, "ignore"), (SIGTERM, "kill")]
