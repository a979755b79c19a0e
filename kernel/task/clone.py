"""New tasks: fork, vfork, clone.  See clone(2), fork(2), vfork(2).

What the child shares and what it gets a copy of is decided here and nowhere else.  The flags that
may be combined are a whitelist: processes in the forms C libraries use.

Linux analogue: ``kernel/fork.c``, ``copy_process``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import EAGAIN, EFAULT, EINVAL, ERESTARTNOINTR, KernelError
from kernel.abi.process import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from kernel.abi.signals import NSIG, SS_DISABLE
from kernel.arch.base import AltStack
from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, RLIMIT_NPROC
from kernel.task.executable import share_executable
from kernel.task.jobs import join_group
from kernel.task.signals import pending_signal
from kernel.task.task import Task
from kernel.task.thread_group import ThreadGroup
from kernel.wait import Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.wait import Blocking

OPTIONS: Final = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS
"""What may be added to any of the forms."""
FORMS: Final = (0, CLONE_VM | CLONE_VFORK, CLONE_VFORK)
"""What is shared, in the combinations that are allowed: fork, posix_spawn and vfork."""


class Request(NamedTuple):
    """The arguments of clone(2) by name."""

    flags: int
    exit_signal: int
    stack: int = 0
    parent_tid: int = 0
    child_tid: int = 0
    tls: int = 0


def request_of(flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> Request:
    """clone(2) has the exit signal in the low byte of its flags."""
    return Request(flags & ~CSIGNAL, flags & CSIGNAL, stack, parent_tid, child_tid, tls)


def clone(task: Task, request: Request) -> int | Blocking[int]:
    """Make a child process; its pid.  A vfork sleeps until the child has done execve or ended."""
    if request.flags & ~OPTIONS not in FORMS:
        raise EINVAL(f"clone flags {request.flags:#x} are no form of a process")
    if request.exit_signal > NSIG:
        raise EINVAL("no such exit signal")
    if pending_signal(task):
        raise ERESTARTNOINTR("a signal comes first")  # so a child never starts with its parent's
    _check_limit(task)
    child = _make(task, request)
    kernel = task.kernel
    kernel.counters.forks += 1
    for observer in kernel.events:
        observer.task_start(child, task)
    if request.flags & CLONE_PARENT_SETTID:
        with suppress(EFAULT):  # as in Linux: the child exists, the address is the caller's affair
            task.mem.write_u32(request.parent_tid, child.tid)
    kernel.scheduler.enqueue(child)
    if request.flags & CLONE_VFORK:
        return _wait_for_vfork(task, child)
    return child.tid


def _check_limit(task: Task) -> None:
    """RLIMIT_NPROC, except for root."""
    user = task.cred.ruid
    task.nproc_exceeded = False
    if task.kernel.user_processes.get(user, 0) < task.limits.soft(RLIMIT_NPROC) or user == 0:
        return
    if not task.cred.capable(CAP_SYS_RESOURCE) and not task.cred.capable(CAP_SYS_ADMIN):
        raise EAGAIN(f"user {user} has RLIMIT_NPROC processes")


def _make(parent: Task, request: Request) -> Task:
    """The child, ready to run.  Everything that can fail comes before anything is changed."""
    kernel = parent.kernel
    assert parent.mm is not None
    pid = kernel.pids.allocate()
    try:
        space = _space(parent.mm, request.flags)
    except KernelError:
        kernel.pids.release(pid)
        raise
    group = _group(parent, pid, request)
    child = Task(
        kernel,
        pid,
        group,
        mm=space,
        fds=parent.fds.copy(),
        fs=parent.fs.copy(),
        cred=parent.cred,
        actions=parent.actions.copy(),
        context=kernel.cpu.clone_context(parent.context),
        policy=parent.policy.for_child(),
        comm=parent.comm,
    )
    if space is not parent.mm:
        space.limits = group.limits
    _inherit(parent, child, request)
    _set_registers(child, request)
    kernel.tasks[pid] = child
    kernel.groups[pid] = group
    kernel.change_user(None, child.cred.ruid)
    return child


def _space(space: AddressSpace, flags: int) -> AddressSpace:
    if flags & CLONE_VM:
        space.users += 1
        return space
    copy = space.fork()
    share_executable(space, copy)
    return copy


def _group(parent: Task, pid: int, request: Request) -> ThreadGroup:
    old = parent.group
    group = ThreadGroup(pid, old, old.pgrp, old.limits.copy(), parent.kernel.user_signals)
    old.children[pid] = group
    join_group(group, old.pgrp)
    group.exit_signal = request.exit_signal
    group.no_terminal = old.no_terminal
    group.dumpable = old.dumpable
    group.oom_score_adj = old.oom_score_adj
    return group


def _inherit(parent: Task, child: Task, request: Request) -> None:
    child.blocked = parent.blocked
    child.rseq = None if request.flags & CLONE_VM else parent.rseq
    child.personality = parent.personality
    child.no_new_privs = parent.no_new_privs
    child.trap = parent.trap
    shares_stack = request.flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM
    child.altstack = AltStack(0, SS_DISABLE, 0) if shares_stack else parent.altstack
    if request.flags & CLONE_VFORK:
        child.vfork_done = WaitQueue("vfork")
    if request.flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = request.child_tid
    if request.flags & CLONE_CHILD_SETTID:
        with suppress(EFAULT):  # schedule_tail() ignores it
            child.mem.write_u32(request.child_tid, child.tid)


def _set_registers(child: Task, request: Request) -> None:
    kernel = child.kernel
    registers = kernel.cpu.registers(child.context)
    registers.result = 0
    if request.stack:
        registers.sp = request.stack
    if request.flags & CLONE_SETTLS:
        registers.tls = request.tls


def _wait_for_vfork(parent: Task, child: Task) -> Blocking[int]:
    """Only death interrupts it: the child is using the parent's memory and stack."""
    done = child.vfork_done
    assert done is not None
    parent.killable_only = True
    while child.vfork_done is done:
        try:
            yield Sleep((done,))
        except Interrupted:
            break
    return child.tid
