"""New tasks: fork, vfork, threads.  See clone(2), fork(2), vfork(2), pthreads(7).

What the child shares and what it gets a copy of is decided here and nowhere else.  The flags that
may be combined are a whitelist: clone_forms.py.

Linux analogue: ``kernel/fork.c``, ``copy_process``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errors import EAGAIN, EFAULT, EINVAL, ERESTARTNOINTR, Count, KernelError
from kernel.abi.process import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from kernel.abi.signals import NSIG, SS_DISABLE
from kernel.arch.base import AltStack
from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, RLIMIT_NPROC
from kernel.task.clone_forms import form_of
from kernel.task.executable import share_executable
from kernel.task.jobs import join_group
from kernel.task.signals import pending_signal
from kernel.task.task import Task
from kernel.task.thread_group import ThreadGroup
from kernel.wait import Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.mm.address_space import AddressSpace
    from kernel.task.actions import SignalActions
    from kernel.wait import Blocking


class Request(NamedTuple):
    """The arguments of clone(2) by name.  ``made`` is told the child before it runs (a pidfd)."""

    flags: int
    exit_signal: int
    stack: int = 0
    parent_tid: int = 0
    child_tid: int = 0
    tls: int = 0
    made: Callable[[Task], None] | None = None


def request_of(flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> Request:
    """clone(2) has the exit signal in the low byte of its flags, which are 32 bits wide."""
    return Request(flags & 0xFFFFFF00, flags & CSIGNAL, stack, parent_tid, child_tid, tls)


def clone(task: Task, request: Request) -> int | Blocking[int]:
    """Make a child or a thread; its number.  A vfork sleeps until the child executes or ends."""
    form_of(request.flags)
    if request.exit_signal > NSIG:
        raise EINVAL("there is no signal %d to send at the end", request.exit_signal)
    if pending_signal(task):
        raise ERESTARTNOINTR("a signal comes first")  # so a child never starts with its parent's
    _check_limit(task)
    child = _make(task, request)
    kernel = task.kernel
    kernel.counters.forks += 1
    if request.made is not None:
        request.made(child)
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
        raise EAGAIN(
            "uid %d has %s, RLIMIT_NPROC is %d, and there is no CAP_SYS_RESOURCE",
            user, Count(task.kernel.user_processes.get(user, 0), "process", "processes"),
            task.limits.soft(RLIMIT_NPROC),
        )  # fmt: skip


def _make(parent: Task, request: Request) -> Task:
    """The child, ready to run.  Everything that can fail comes before anything is changed."""
    kernel = parent.kernel
    assert parent.mm is not None
    flags = request.flags
    tid = kernel.pids.allocate()
    try:
        space = _space(parent.mm, flags)
    except KernelError:
        kernel.pids.release(tid)
        raise
    group = parent.group if flags & CLONE_THREAD else _group(parent, tid, request)
    child = Task(
        kernel,
        tid,
        group,
        mm=space,
        fds=parent.fds.share() if flags & CLONE_FILES else parent.fds.copy(),
        fs=parent.fs.share() if flags & CLONE_FS else parent.fs.copy(),
        cred=parent.cred,
        actions=_actions(parent, flags),
        context=kernel.cpu.clone_context(parent.context),
        policy=parent.policy.for_child(),
        comm=parent.comm,
    )
    if space is not parent.mm:
        space.limits = group.limits
    _inherit(parent, child, request)
    _set_registers(child, request)
    kernel.tasks[tid] = child
    kernel.change_user(None, child.cred.ruid)
    return child


def _actions(parent: Task, flags: int) -> SignalActions:
    if flags & CLONE_SIGHAND:
        return parent.actions.share()
    return parent.actions.after_exec() if flags & CLONE_CLEAR_SIGHAND else parent.actions.copy()


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
    old.children[pid] = parent.kernel.groups[pid] = group
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
