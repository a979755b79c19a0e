"""Taking signals, on the way back to user code.  See signal(7), sigaction(2).

``return_to_user`` is the only door from the kernel to a user program that has ``work`` to do: it
ends the task if its process is to end, stops it, pushes handler frames, and turns an interrupted
system call into EINTR or a restart.  The frames themselves are kernel.arch's.

Linux analogue: ``exit_to_user_mode_loop``, ``get_signal`` and ``arch_do_signal_or_restart``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EFAULT,
    EINTR,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTSYS,
    KernelError,
)
from kernel.abi.signals import (
    COREDUMP_SIGNALS,
    IGNORED_BY_DEFAULT,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    SIGSEGV,
    SIGSTOP,
    SS_AUTODISARM,
    SS_ONSTACK,
    STOP_SIGNALS,
    sigbit,
    signal_name,
)
from kernel.arch.base import AltStack, SignalFrame
from kernel.cred import RLIMIT_CORE
from kernel.task.altstack import NO_ALTSTACK, altstack_flags, on_altstack, set_altstack
from kernel.task.exit import exit_task
from kernel.task.jobs import is_orphaned
from kernel.task.rseq import disturbed
from kernel.task.siginfo import SigInfo
from kernel.task.signals import (
    end_group,
    force_signal,
    pending_signal,
    report_stop,
    set_blocked,
    wake_for_signal,
)
from kernel.task.task import STOPPED

if TYPE_CHECKING:
    from kernel.arch.base import Registers
    from kernel.task.actions import Action
    from kernel.task.task import Task

MIN_CORE_SIZE: Final = 4096
"""A core limit below a page writes no core, and the status does not say that one was written."""


def return_to_user(task: Task) -> bool:
    """Do what has to be done before user code runs; False if the task stopped or died."""
    group = task.group
    while True:
        if group.exiting or group.executing is not None:
            exit_task(task, group.status)
            return False
        if group.stop_signal:
            _stop(task)
            return False
        info = take_signal(task, task.blocked)
        if info is None:
            break
        gate = task.kernel.gate
        if gate is not None:
            info = gate.signal(task, info)
            if info is None:
                continue
        task.kernel.counters.signals += 1
        _act(task, info)
    _finish_interrupted_call(task)
    if task.saved_mask is not None and give_back_mask(task):
        return return_to_user(task)
    task.work = False
    return not task.kernel.scheduler.preempt or _give_way(task)


def _give_way(task: Task) -> bool:
    """A real-time task wants the processor: this one is the next of its own kind."""
    task.involuntary_switches += 1
    disturbed(task)
    task.kernel.scheduler.enqueue(task, front=True)
    return False


def give_back_mask(task: Task) -> bool:
    """The mask lent to a call (sigsuspend, ppoll) ends; is a signal now free to be taken?"""
    mask, task.saved_mask = task.saved_mask, None
    if mask is not None:
        set_blocked(task, mask)
    return pending_signal(task)


def take_signal(task: Task, blocked: int) -> SigInfo | None:
    """Remove the next signal this task may take: its own first, then the process's."""
    return task.pending.take(blocked) or task.group.pending.take(blocked)


def _act(task: Task, info: SigInfo) -> None:
    """Do what the action of a signal says."""
    action = task.actions.get(info.signo)
    if action.handler == SIG_IGN:
        _observe(task, info, "ignore")
    elif action.handler == SIG_DFL:
        _default_action(task, info)
    else:
        _observe(task, info, "handler")
        _run_handler(task, info, action)


def _observe(task: Task, info: SigInfo, action: str) -> None:
    for observer in task.kernel.events:
        observer.signal(task, info, action)


def _default_action(task: Task, info: SigInfo) -> None:
    bit = sigbit(info.signo)
    group = task.group
    if bit & IGNORED_BY_DEFAULT or (group.unkillable and not info.forced):
        _observe(task, info, "ignore")
    elif bit & STOP_SIGNALS:
        if info.signo != SIGSTOP and is_orphaned(group.pgrp):
            _observe(task, info, "ignore")  # nobody could continue it (POSIX)
            return
        _observe(task, info, "stop")
        group.stop_signal = info.signo
        for other in group.tasks.values():
            if other is not task:
                wake_for_signal(other)
    else:
        _observe(task, info, "kill")
        end_group(group, info.signo | (0x80 if _dumps_core(task, info.signo) else 0))


def _dumps_core(task: Task, signo: int) -> bool:
    """Would Linux set the core flag of wait(2)?  See core(5)."""
    limit = task.limits.soft(RLIMIT_CORE)
    wanted = bool(sigbit(signo) & COREDUMP_SIGNALS) and task.group.dumpable == 1
    return wanted and limit >= MIN_CORE_SIZE


def _stop(task: Task) -> None:
    """This task stops; the last one of a process to do so tells the parent."""
    group = task.group
    task.state = STOPPED
    task.kernel.scheduler.remove(task)
    for observer in task.kernel.events:
        observer.stopped(task, group.stop_signal)
    report_stop(group)


def _run_handler(task: Task, info: SigInfo, action: Action) -> None:
    """Push the frame of a handler; the interrupted call first gets its fate."""
    registers = task.kernel.cpu.registers(task.context)
    if task.interrupted is not None:
        _interrupted_by_handler(task, registers, action)
    disturbed(task)
    frame = _frame(task, info, action, registers.sp)
    old_altstack = task.altstack
    try:
        task.kernel.arch.build_signal_frame(registers, task.mem, frame)
    except EFAULT as error:
        _bad_frame(task, info.signo, error.reason)
        return
    if _overflowed(old_altstack, frame, registers.sp, _on_stack(old_altstack, frame)):
        _bad_frame(task, info.signo, "the alternate stack is too small")
        return
    _enter_handler(task, info.signo, action)


def _frame(task: Task, info: SigInfo, action: Action, sp: int) -> SignalFrame:
    old_mask = task.blocked if task.saved_mask is None else task.saved_mask
    on = on_altstack(task, sp)
    stack = task.altstack
    trap, error, address = task.trap
    return SignalFrame(
        signo=info.signo,
        handler=action.handler,
        restorer=action.restorer,
        flags=action.flags,
        siginfo=info.pack(),
        old_mask=old_mask,
        altstack=AltStack(stack.sp, altstack_flags(task, sp), stack.size),
        on_altstack=bool(action.flags & SA_ONSTACK) and not on and stack.size != 0,
        trapno=trap,
        error=error,
        fault_address=address,
        sigreturn=task.mm.vdso_sigreturn if task.mm is not None else 0,
    )


def _enter_handler(task: Task, signo: int, action: Action) -> None:
    if task.altstack.flags & SS_AUTODISARM:
        task.altstack = NO_ALTSTACK
    if action.flags & SA_RESETHAND:
        task.actions.reset(signo)
    task.saved_mask = None
    mask = task.blocked | action.mask
    set_blocked(task, mask if action.flags & SA_NODEFER else mask | sigbit(signo))


def _on_stack(stack: AltStack, frame: SignalFrame) -> bool:
    return frame.on_altstack or bool(frame.altstack.flags & SS_ONSTACK)


def _overflowed(stack: AltStack, frame: SignalFrame, sp: int, on: bool) -> bool:
    """Did the frame leave the alternate stack at its lower end?"""
    return on and not stack.sp <= sp <= stack.sp + stack.size


def _bad_frame(task: Task, signo: int, why: str) -> None:
    """The stack cannot hold the frame: SIGSEGV, deadly if that was the signal (force_sigsegv)."""
    if signo == SIGSEGV:
        task.actions.reset(SIGSEGV)
    why = f"no frame for the handler of {signal_name(signo)} fits on the stack: {why}"
    force_signal(task, SigInfo(SIGSEGV, SI_KERNEL, reason=why))


def _interrupted_by_handler(task: Task, registers: Registers, action: Action) -> None:
    """A handler runs: restart after it, or EINTR (signal(7), "Interruption of system calls")."""
    reason = task.interrupted
    task.interrupted = None
    if isinstance(reason, ERESTARTNOHAND | ERESTART_RESTARTBLOCK) or (
        isinstance(reason, ERESTARTSYS) and not action.flags & SA_RESTART
    ):
        registers.result = -EINTR.errno & 0xFFFFFFFFFFFFFFFF
    else:
        _restart(task, registers)


def _finish_interrupted_call(task: Task) -> None:
    """No handler runs (any more): an interrupted call goes on."""
    reason = task.interrupted
    if reason is not None:
        task.interrupted = None
        registers = task.kernel.cpu.registers(task.context)
        if isinstance(reason, ERESTART_RESTARTBLOCK):
            task.restart_block = reason.block
            _restart(task, registers, task.kernel.restart_syscall)
        else:
            _restart(task, registers)


def restart_at_once(task: Task) -> None:
    """An interrupted call is put back to its start, with no signal there: for a debugger."""
    _finish_interrupted_call(task)
    if task.saved_mask is not None:
        give_back_mask(task)


def _restart(task: Task, registers: Registers, number: int | None = None) -> None:
    assert task.call is not None
    again = task.call[0] if number is None else number
    task.kernel.arch.restart(registers, again, task.call[1:])


def signal_return(task: Task) -> None:
    """rt_sigreturn(2): back to where the handler's frame says.  A bad frame is SIGSEGV."""
    registers = task.kernel.cpu.registers(task.context)
    task.interrupted = None
    try:
        restored = task.kernel.arch.restore_signal_frame(registers, task.mem)
    except EFAULT as error:
        why = f"rt_sigreturn finds no frame of a handler on the stack: {error.reason}"
        force_signal(task, SigInfo(SIGSEGV, SI_KERNEL, reason=why))
        return
    set_blocked(task, restored.mask)
    with suppress(KernelError):  # as Linux: a frame with nonsense in it keeps the present stack
        set_altstack(task, registers.sp, restored.altstack)
