"""Making processes and threads: fork(2), vfork(2), clone(2), clone3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import E2BIG, EINVAL, KernelError
from kernel.abi.process import (
    CLONE_DETACHED,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from kernel.abi.signals import SIGCHLD
from kernel.abi.structs import CLONE_ARGS, CLONE_ARGS_SIZE_VER0
from kernel.arch.base import PAGE_SIZE, USER_TOP
from kernel.cred import RLIMIT_NOFILE
from kernel.task import clone as clones
from kernel.task.clone_forms import form_of
from kernel.views.pidfd import make_pidfd
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import CloneArgsPtr, CloneFlags, NewPid, PidOutPtr, Size, UserAddr

_MISSING: Final = "forks, vforks and threads; namespaces and other combinations of flags are EINVAL"


@syscall("fork(2)", arch="x86_64")
def fork(task: Task) -> NewPid | Blocking[NewPid]:
    """A child with copies of everything.  See fork(2)."""
    return clones.clone(task, clones.Request(0, SIGCHLD))


@syscall("vfork(2)", arch="x86_64")
def vfork(task: Task) -> NewPid | Blocking[NewPid]:
    """A child that borrows the caller's memory until it executes or exits.  See vfork(2)."""
    return clones.clone(task, clones.Request(CLONE_VM | CLONE_VFORK, SIGCHLD))


@syscall("clone(2)", order={"aarch64": (0, 1, 2, 4, 3)}, partial=_MISSING)
def clone(
    task: Task,
    flags: CloneFlags,
    stack: UserAddr,
    parent_tid: PidOutPtr,
    child_tid: PidOutPtr,
    tls: UserAddr,
) -> NewPid | Blocking[NewPid]:
    """A child or a thread that shares or copies as the flags say.  See clone(2)."""
    if flags & CLONE_PIDFD and flags & (CLONE_PARENT_SETTID | CLONE_DETACHED):
        raise EINVAL("CLONE_PIDFD with CLONE_PARENT_SETTID: both would be stored in one place")
    request = clones.request_of(flags, stack, parent_tid, child_tid, tls)
    return _clone(task, request, parent_tid)


@syscall("clone(2)", partial=_MISSING + "; set_tid is EINVAL")
def clone3(task: Task, cl_args: CloneArgsPtr, size: Size) -> NewPid | Blocking[NewPid]:
    """As clone, with its arguments in a structure that can grow.  See clone(2)."""
    if size < CLONE_ARGS_SIZE_VER0:
        raise EINVAL("struct clone_args has at least %d bytes, not %d", CLONE_ARGS_SIZE_VER0, size)
    if size > PAGE_SIZE:
        raise E2BIG("struct clone_args of %d bytes is more than a page", size)
    data = task.mem.read(cl_args, size)
    if any(data[CLONE_ARGS.size :]):
        raise E2BIG("members of struct clone_args past byte %d are not known here", CLONE_ARGS.size)
    known = data[: CLONE_ARGS.size].ljust(CLONE_ARGS.size, b"\0")
    values = CLONE_ARGS.unpack(known)
    return _clone(task, _request(*values), values[1])


def _clone(task: Task, request: clones.Request, pidfd: int) -> NewPid | Blocking[NewPid]:
    """CLONE_PIDFD: the descriptor comes first, so that nothing can fail once there is a child."""
    if not request.flags & CLONE_PIDFD:
        return clones.clone(task, request)
    form_of(request.flags)
    file = make_pidfd(task, None, 0)
    fd = task.fds.install(file, True, 0, task.limits.soft(RLIMIT_NOFILE))
    try:
        task.mem.write_u32(pidfd, fd)
        return clones.clone(task, request._replace(made=lambda child: file.show(child.group)))
    except KernelError:
        task.fds.close(fd)
        raise


def _request(
    flags: int, _pidfd: int, child_tid: int, parent_tid: int, exit_signal: int, stack: int,
    stack_size: int, tls: int, set_tid: int, set_tid_size: int, _cgroup: int,
) -> clones.Request:  # fmt: skip
    """struct clone_args by name; where the stack is a range and the exit signal has its place."""
    if set_tid or set_tid_size:
        raise EINVAL("set_tid: numbers cannot be chosen here")
    if flags & (CSIGNAL | CLONE_DETACHED) or exit_signal & ~CSIGNAL:
        raise EINVAL("flags %#x, exit signal %#x belong to the old clone", flags, exit_signal)
    if flags & CLONE_THREAD and exit_signal:
        raise EINVAL("a thread (CLONE_THREAD) has no exit signal, %d", exit_signal)
    if (stack == 0) != (stack_size == 0):
        raise EINVAL("a stack at %#x of %#x bytes: one of them is missing", stack, stack_size)
    if stack + stack_size > USER_TOP:
        raise EINVAL("%#x bytes at %#x are not in the user half", stack_size, stack)
    return clones.Request(flags, exit_signal, stack + stack_size, parent_tid, child_tid, tls)
