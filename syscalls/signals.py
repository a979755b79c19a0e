"""Signals: actions, masks, sending, and waiting for them.

See sigaction(2), sigprocmask(2), sigpending(2), sigsuspend(2), sigtimedwait(2), sigreturn(2),
sigaltstack(2), kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2), pause(2), restart_syscall(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EAGAIN,
    EINTR,
    EINVAL,
    EPERM,
    ERESTARTNOHAND,
    ESRCH,
)
from kernel.abi.signals import (
    KERNEL_ONLY,
    NSIG,
    SA_EXPOSE_TAGBITS,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SI_TKILL,
    SIG_BLOCK,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SIGKILL,
    SIGSTOP,
)
from kernel.abi.structs import SIGACTION, SIGINFO_SIZE, SIGSET, STACK_T, TIMESPEC
from kernel.arch.base import AltStack
from kernel.task.actions import Action
from kernel.task.altstack import altstack_flags, set_altstack
from kernel.task.delivery import signal_return, take_signal
from kernel.task.kill import check_permission, kill_all_processes, kill_group_members
from kernel.task.siginfo import SigInfo
from kernel.task.signals import (
    discard_ignored,
    lend_mask,
    send_to_group,
    send_to_task,
    set_blocked,
)
from kernel.wait import Interrupted, Sleep
from syscalls.declare import NO_RETURN_VALUE, syscall
from syscalls.restarts import RESTARTS

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        AltstackOutPtr,
        AltstackPtr,
        NoReturnValue,
        PidT,
        SigactionOutPtr,
        SigactionPtr,
        SigHow,
        SiginfoOutPtr,
        SiginfoPtr,
        Signal,
        SigsetOutPtr,
        SigsetPtr,
        Size,
        TimespecPtr,
        Zero,
    )

SIGSET_SIZE: Final = 8
KNOWN_FLAGS: Final = (
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER
    | SA_RESETHAND | SA_EXPOSE_TAGBITS | SA_RESTORER
)  # fmt: skip
"""Others are cleared, so that SA_UNSUPPORTED shows what is known (sigaction(2))."""
NS: Final = 1_000_000_000


def _check_size(sigsetsize: int) -> None:
    if sigsetsize != SIGSET_SIZE:
        raise EINVAL("a signal set has 8 bytes, not %d", sigsetsize)


# --- actions and masks ---------------------------------------------------------------------------


@syscall("sigaction(2)")
def rt_sigaction(
    task: Task, signum: Signal, act: SigactionPtr, oldact: SigactionOutPtr, sigsetsize: Size
) -> Zero:
    """Say what is to be done with a signal.  See sigaction(2)."""
    _check_size(sigsetsize)
    new = task.mem.unpack(SIGACTION, act) if act else None
    if not 1 <= signum <= NSIG or (new is not None and signum in (SIGKILL, SIGSTOP)):
        raise EINVAL("signal %d does not exist, or its action cannot be changed", signum)
    old = task.actions.get(signum)
    if new is not None:
        handler, flags, restorer, mask = new
        task.actions.set(signum, Action(handler, flags & KNOWN_FLAGS, restorer, mask))
        discard_ignored(task, signum)
    if oldact:
        task.mem.pack(SIGACTION, oldact, old.handler, old.flags, old.restorer, old.mask)
    return 0


@syscall("sigprocmask(2)")
def rt_sigprocmask(
    task: Task, how: SigHow, nset: SigsetPtr, oset: SigsetOutPtr, sigsetsize: Size
) -> Zero:
    """Change or read the mask of blocked signals.  See sigprocmask(2)."""
    if sigsetsize != SIGSET_SIZE:
        raise EINVAL("a signal set has 8 bytes, not %d", sigsetsize)
    old = task.blocked
    if nset:
        mask = task.mem.read_u64(nset)
        if how == SIG_BLOCK:
            mask |= old
        elif how == SIG_UNBLOCK:
            mask = old & ~mask
        elif how != SIG_SETMASK:
            raise EINVAL("how is %d, none of SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK", how)
        set_blocked(task, mask)
    if oset:
        task.mem.write_u64(oset, old)
    return 0


@syscall("sigpending(2)")
def rt_sigpending(task: Task, uset: SigsetOutPtr, sigsetsize: Size) -> Zero:
    """Which blocked signals wait.  See sigpending(2)."""
    if sigsetsize > SIGSET_SIZE:
        raise EINVAL("a signal set has 8 bytes, not %d", sigsetsize)
    waiting = (task.pending.bits | task.group.pending.bits) & task.blocked
    task.mem.write(uset, SIGSET.pack(waiting)[:sigsetsize])
    return 0


@syscall("sigaltstack(2)")
def sigaltstack(task: Task, ss: AltstackPtr, old_ss: AltstackOutPtr) -> Zero:
    """Set or read the alternate stack for handlers.  See sigaltstack(2)."""
    new = task.mem.unpack(STACK_T, ss) if ss else None
    sp = task.kernel.cpu.registers(task.context).sp
    old = task.altstack
    old_flags = altstack_flags(task, sp)
    if new is not None:
        set_altstack(task, sp, AltStack(new[0], new[1] & 0xFFFFFFFF, new[2]))
    if old_ss:
        signed = old_flags - (1 << 32) if old_flags >> 31 else old_flags
        task.mem.pack(STACK_T, old_ss, old.sp, signed, old.size)
    return 0


@syscall("sigreturn(2)")
def rt_sigreturn(task: Task) -> NoReturnValue:
    """Back from a handler to what it interrupted.  See sigreturn(2)."""
    signal_return(task)
    return NO_RETURN_VALUE


@syscall("restart_syscall(2)")
def restart_syscall(task: Task) -> Size | Blocking[Size]:
    """Go on with a call that a stop interrupted.  See restart_syscall(2)."""
    block, task.restart_block = task.restart_block, None
    if block is None:
        raise EINTR("no call was interrupted that could be restarted")
    name, args, deadline = block
    return RESTARTS[name](task, args, deadline)


# --- sending -------------------------------------------------------------------------------------


@syscall("kill(2)")
def kill(task: Task, pid: PidT, sig: Signal) -> Zero:
    """Send a signal to a process, a group, or everybody.  See kill(2)."""
    if pid > 0:
        target = task.kernel.tasks.get(pid)  # any of its threads names the process, as in Linux
        if target is None:
            raise ESRCH("there is no process %d", pid)
        check_permission(task, target.group, sig)
        if sig:
            send_to_group(target.group, SigInfo.user(sig, task.tgid, task.cred.ruid))
    elif pid == -1:
        kill_all_processes(task, sig)
    elif pid == -(1 << 31):
        raise ESRCH("no process group has the number %d", -pid)
    else:
        pgrp = task.kernel.pgrps.get(-pid) if pid else task.group.pgrp
        if pgrp is None:
            raise ESRCH("there is no process group %d", -pid)
        kill_group_members(task, pgrp, sig)
    return 0


@syscall("tkill(2)")
def tkill(task: Task, tid: PidT, sig: Signal) -> Zero:
    """Send a signal to one task.  See tkill(2)."""
    if tid <= 0:
        raise EINVAL("there is no task number %d", tid)
    return _signal_task(task, None, tid, sig, None)


@syscall("tgkill(2)")
def tgkill(task: Task, tgid: PidT, tid: PidT, sig: Signal) -> Zero:
    """Send a signal to one task of a process.  See tgkill(2)."""
    if tid <= 0 or tgid <= 0:
        raise EINVAL("there is no task %d of process %d", tid, tgid)
    return _signal_task(task, tgid, tid, sig, None)


def _signal_task(task: Task, tgid: int | None, tid: int, sig: int, info: SigInfo | None) -> int:
    target = task.kernel.tasks.get(tid)
    if target is None or (tgid is not None and target.tgid != tgid):
        if tgid is None:
            raise ESRCH("there is no task %d", tid)
        raise ESRCH("there is no task %d in process %d", tid, tgid)
    check_permission(task, target.group, sig)
    if sig:
        send_to_task(target, info or SigInfo.thread(sig, task.tgid, task.cred.ruid))
    return 0


def _queued_info(task: Task, address: int, sig: int, target: int) -> SigInfo:
    """What a program says about a signal: it may not pretend to be the kernel or kill(2)."""
    info = SigInfo.unpack(task.mem.read(address, SIGINFO_SIZE), sig)
    if (info.code >= 0 or info.code == SI_TKILL) and target != task.tgid:
        raise EPERM("si_code %d is for the kernel only", info.code)
    return info


@syscall("rt_sigqueueinfo(2)")
def rt_sigqueueinfo(task: Task, tgid: PidT, sig: Signal, info: SiginfoPtr) -> Zero:
    """Send a signal with data to a process.  See rt_sigqueueinfo(2)."""
    said = _queued_info(task, info, sig, tgid)
    group = task.kernel.groups.get(tgid)
    if group is None:
        raise ESRCH("there is no process %d", tgid)
    check_permission(task, group, sig)
    if sig:
        send_to_group(group, said)
    return 0


@syscall("rt_sigqueueinfo(2)")
def rt_tgsigqueueinfo(task: Task, tgid: PidT, tid: PidT, sig: Signal, info: SiginfoPtr) -> Zero:
    """Send a signal with data to one task.  See rt_sigqueueinfo(2)."""
    if tid <= 0 or tgid <= 0:
        raise EINVAL("there is no task %d of process %d", tid, tgid)
    said = _queued_info(task, info, sig, tid)
    return _signal_task(task, tgid, tid, sig, said)


# --- waiting -------------------------------------------------------------------------------------


@syscall("pause(2)", arch="x86_64")
def pause(task: Task) -> Zero | Blocking[Zero]:
    """Sleep until a handler has run.  See pause(2)."""
    return _until_signal()


def _until_signal() -> Blocking[int]:
    while True:
        try:
            yield Sleep(())
        except Interrupted:
            raise ERESTARTNOHAND("a signal came") from None


@syscall("sigsuspend(2)")
def rt_sigsuspend(task: Task, unewset: SigsetPtr, sigsetsize: Size) -> Zero | Blocking[Zero]:
    """Sleep with another mask until a handler has run.  See sigsuspend(2)."""
    _check_size(sigsetsize)
    mask = task.mem.read_u64(unewset)
    lend_mask(task, mask)
    return _until_signal()


@syscall("sigwaitinfo(2)")
def rt_sigtimedwait(
    task: Task, uthese: SigsetPtr, uinfo: SiginfoOutPtr, uts: TimespecPtr, sigsetsize: Size
) -> Size | Blocking[Size]:
    """Take a pending signal, or wait for one.  See sigtimedwait(2)."""
    _check_size(sigsetsize)
    wanted = task.mem.read_u64(uthese) & ~KERNEL_ONLY
    deadline = None
    if uts:
        seconds, ns = task.mem.unpack(TIMESPEC, uts)
        if seconds < 0 or not 0 <= ns < NS:
            raise EINVAL("%d s %d ns is no time to wait", seconds, ns)
        deadline = task.kernel.clock.monotonic() + seconds * NS + ns
        timed_out = not seconds and not ns
    info = take_signal(task, ~wanted)
    if info is not None:
        return _tell_signal(task, info, uinfo)
    if uts and timed_out:
        raise EAGAIN("none of the signals is pending")
    return _wait_for_signal(task, wanted, deadline, uinfo)


def _tell_signal(task: Task, info: SigInfo, uinfo: int) -> int:
    if uinfo:
        task.mem.write(uinfo, info.pack())
    return info.signo


def _wait_for_signal(task: Task, wanted: int, deadline: int | None, uinfo: int) -> Blocking[int]:
    """Signals that are waited for interrupt the sleep although they are blocked."""
    task.sigwait = wanted
    try:
        yield Sleep((), deadline)
        interrupted = False
    except Interrupted:
        interrupted = True
    finally:
        task.sigwait = 0
    info = take_signal(task, ~wanted)
    if info is not None:
        return _tell_signal(task, info, uinfo)
    if interrupted:
        raise EINTR("another signal came")
    raise EAGAIN("none of the signals came in time")
