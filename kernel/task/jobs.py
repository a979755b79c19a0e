"""Job control: process groups, sessions and their controlling terminal.

See credentials(7), setpgid(2), setsid(2), tcsetpgrp(3), ioctl_tty(2).  Terminals call the functions
with a ``tty`` argument; kernel.views.terminal has the terminals themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EACCES, EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH
from kernel.abi.signals import (
    SI_KERNEL,
    SIG_IGN,
    SIGCONT,
    SIGHUP,
    SIGTTIN,
    SIGTTOU,
)
from kernel.cred import CAP_SYS_ADMIN
from kernel.task.session import ProcessGroup, Session, Terminal
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup


# --- process groups and sessions -------------------------------------------------------------


def new_session(kernel: System, sid: int) -> ProcessGroup:
    """A session and its first process group, without members yet."""
    session = Session(sid)
    kernel.sessions[sid] = session
    kernel.pids.hold(sid)
    return _new_group(kernel, sid, session)


def _new_group(kernel: System, pgid: int, session: Session) -> ProcessGroup:
    group = ProcessGroup(pgid, session)
    kernel.pgrps[pgid] = session.groups[pgid] = group
    kernel.pids.hold(pgid)
    return group


def join_group(group: ThreadGroup, pgrp: ProcessGroup) -> None:
    """Make a process, which must be in no group, a member of one."""
    group.pgrp = pgrp
    pgrp.members[group.pid] = group


def leave_group(kernel: System, group: ThreadGroup) -> None:
    """Take a process out of its group; groups and sessions end with their last member."""
    pgrp = group.pgrp
    del pgrp.members[group.pid]
    if pgrp.members:
        return
    session = pgrp.session
    del kernel.pgrps[pgrp.pgid]
    del session.groups[pgrp.pgid]
    kernel.pids.release(pgrp.pgid)
    terminal = session.terminal
    if terminal is not None and terminal.foreground is pgrp:
        terminal.foreground = None
    if not session.groups:
        if terminal is not None:
            _release_terminal(terminal)
        del kernel.sessions[session.sid]
        kernel.pids.release(session.sid)


def set_process_group(task: Task, pid: int, pgid: int) -> None:
    """See setpgid(2)."""
    pid = pid or task.tgid
    pgid = pgid or pid
    if pgid < 0:
        raise EINVAL("there is no process group %d", pgid)
    target = task.kernel.groups.get(pid)
    if target is None or (target is not task.group and target.parent is not task.group):
        raise ESRCH("process %d is neither the caller nor a child of it", pid)
    if target.session is not task.group.session:
        raise EPERM("process %d is in another session", pid)
    if target is not task.group and target.did_exec:
        raise EACCES("process %d has executed another program since fork", pid)
    if target.session.leader is target:
        raise EPERM("process %d leads its session and stays in its group", pid)
    _move(task.kernel, target, pgid)


def _move(kernel: System, target: ThreadGroup, pgid: int) -> None:
    session = target.session
    pgrp = kernel.pgrps.get(pgid)
    if pgrp is None and pgid != target.pid:
        raise EPERM("there is no process group %d", pgid)
    if pgrp is None:
        pgrp = _new_group(kernel, pgid, session)
    elif pgrp.session is not session:
        raise EPERM("process group %d is in another session", pgid)
    if pgrp is not target.pgrp:
        leave_group(kernel, target)
        join_group(target, pgrp)


def create_session(task: Task) -> int:
    """See setsid(2)."""
    group = task.group
    kernel = task.kernel
    if group.pid in kernel.pgrps or group.pid in kernel.sessions:
        raise EPERM("process %d leads a process group already", group.pid)
    pgrp = new_session(kernel, group.pid)
    leave_group(kernel, group)
    join_group(group, pgrp)
    pgrp.session.leader = group
    group.no_terminal = False
    return group.pid


def signal_group(
    pgrp: ProcessGroup, signo: int, code: int = SI_KERNEL, *, reason: str = ""
) -> None:
    """The kernel or a terminal sends a signal to a whole job; ``reason``: why, for people."""
    for member in list(pgrp.members.values()):
        send_to_group(member, SigInfo(signo, code, reason=reason))


# --- orphaned process groups -----------------------------------------------------------------


def is_orphaned(pgrp: ProcessGroup, leaving: ThreadGroup | None = None) -> bool:
    """Has no member a parent in another group of the same session (POSIX 3.264)?"""
    for member in pgrp.members.values():
        parent = member.parent
        if member is leaving or member.zombie or parent is None or parent.pid == 1:
            continue
        if parent.pgrp is not pgrp and parent.session is pgrp.session:
            return False
    return True


def hang_up_orphans(
    group: ThreadGroup, *, leaving: bool = False, old_parent: ThreadGroup | None = None
) -> None:
    """SIGHUP and SIGCONT for a stopped job that has just become orphaned.

    Either ``group`` itself is ``leaving``, or it lost ``old_parent``.
    """
    parent = old_parent or group.parent
    pgrp = group.pgrp
    if parent is None or parent.pgrp is pgrp or parent.session is not pgrp.session:
        return
    if not any(member.stop_signal for member in pgrp.members.values()):
        return
    if is_orphaned(pgrp, group if leaving else None):
        signal_group(pgrp, SIGHUP, reason="the job is stopped, and nobody is left to continue it")
        signal_group(pgrp, SIGCONT)


# --- the controlling terminal ----------------------------------------------------------------


def terminal_of(task: Task) -> Terminal | None:
    """The caller's controlling terminal: what /dev/tty opens."""
    return None if task.group.no_terminal else task.group.session.terminal


def acquire_terminal(task: Task, tty: Terminal, steal: bool = False) -> None:
    """TIOCSCTTY: make a terminal the session's.  See ioctl_tty(2)."""
    session = task.group.session
    if session.leader is task.group and tty.session is session:
        return
    if session.leader is not task.group or session.terminal is not None:
        raise EPERM("process %d leads no session, or it has a terminal", task.tgid)
    if tty.session is not None:
        if not steal or not task.cred.capable(CAP_SYS_ADMIN):
            raise EPERM("the terminal belongs to session %d", tty.session.sid)
        _release_terminal(tty)
    tty.session = session
    tty.foreground = task.group.pgrp
    session.terminal = tty
    task.group.no_terminal = False


def opened_terminal(task: Task, tty: Terminal) -> None:
    """open(2) without O_NOCTTY: a session leader without a terminal gets a free one."""
    session = task.group.session
    if session.leader is task.group and session.terminal is None and tty.session is None:
        acquire_terminal(task, tty)


def _release_terminal(tty: Terminal) -> None:
    if tty.session is not None:
        tty.session.terminal = None
    tty.session = None
    tty.foreground = None


def give_up_terminal(task: Task) -> None:
    """TIOCNOTTY.  A session leader takes the terminal away from its whole session."""
    tty = terminal_of(task)
    if tty is None:
        raise ENOTTY("the session of process %d has no terminal", task.tgid)
    if task.group.session.leader is task.group:
        _end_terminal(tty)
    else:
        task.group.no_terminal = True


_GIVEN_UP: Final = "the leader of the session has ended, or given up its terminal"
_CUT: Final = "nobody is at the other end of the terminal any more"


def _end_terminal(tty: Terminal) -> None:
    foreground = tty.foreground
    _release_terminal(tty)
    if foreground is not None:
        signal_group(foreground, SIGHUP, reason=_GIVEN_UP)
        signal_group(foreground, SIGCONT)


def hang_up(tty: Terminal) -> None:
    """The terminal itself is gone: its session's leader and foreground group are told."""
    session = tty.session
    if session is None:
        return
    leader = session.leader
    if leader is not None:
        send_to_group(leader, SigInfo(SIGHUP, reason=_CUT))
        send_to_group(leader, SigInfo(SIGCONT))
    foreground = tty.foreground
    _release_terminal(tty)
    if foreground is not None:
        signal_group(foreground, SIGHUP, reason=_CUT)


def session_leader_exits(group: ThreadGroup) -> None:
    """The leader's death takes the terminal from the session; foreground jobs get SIGHUP."""
    session = group.session
    if session.leader is not group:
        return
    session.leader = None
    if session.terminal is not None:
        _end_terminal(session.terminal)


def foreground_group(task: Task, tty: Terminal) -> int:
    """TIOCGPGRP: the foreground group's number, 0 if it is gone."""
    if terminal_of(task) is not tty:
        raise ENOTTY("it is not the controlling terminal of process %d", task.tgid)
    return tty.foreground.pgid if tty.foreground is not None else 0


def set_foreground_group(task: Task, tty: Terminal, pgid: int) -> None:
    """TIOCSPGRP.  A background job that tries gets SIGTTOU."""
    if terminal_of(task) is not tty:
        raise ENOTTY("it is not the controlling terminal of process %d", task.tgid)
    check_background(task, tty, SIGTTOU)
    if pgid < 0:
        raise EINVAL("there is no process group %d", pgid)
    pgrp = task.kernel.pgrps.get(pgid)
    if pgrp is None:
        raise ESRCH("there is no process group %d", pgid)
    if pgrp.session is not task.group.session:
        raise EPERM("process group %d is in another session", pgid)
    tty.foreground = pgrp


def session_of_terminal(task: Task, tty: Terminal) -> int:
    """TIOCGSID."""
    if terminal_of(task) is not tty or tty.session is None:
        raise ENOTTY("it is not the controlling terminal of process %d", task.tgid)
    return tty.session.sid


def check_background(task: Task, tty: Terminal, signo: int) -> None:
    """A job touches its terminal: SIGTTIN for a read, SIGTTOU for a change (or write with TOSTOP).

    Returns if it may.  EIO: it never can.  ERESTARTSYS: the job was sent the signal.
    """
    pgrp = task.group.pgrp
    if terminal_of(task) is not tty or tty.foreground is None or tty.foreground is pgrp:
        return
    ignored = task.actions.get(signo).handler == SIG_IGN or task.blocked >> (signo - 1) & 1
    if ignored:
        if signo == SIGTTIN:
            raise EIO("a background process reads, and it ignores or blocks SIGTTIN")
        return
    if is_orphaned(pgrp):
        raise EIO("process group %d is in the background and orphaned", pgrp.pgid)
    signal_group(pgrp, signo)
    task.work = True
    raise ERESTARTSYS("process group %d is in the background", pgrp.pgid)
