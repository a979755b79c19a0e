"""The end of tasks and processes.  See exit(2), exit_group(2), credentials(7).

A task that ends gives back what it holds; the last task of a process makes it a zombie that keeps
its number and status until the parent has waited for it.  Children go to the nearest subreaper or
to init; stopped jobs that lose their last contact get SIGHUP and SIGCONT.

Linux analogue: ``do_exit``, ``exit_notify``, ``release_task``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EFAULT, EINVAL
from kernel.abi.signals import SIGCHLD
from kernel.task.children import notify_exit
from kernel.task.executable import drop_executable
from kernel.task.futex_pi import release_pi_locks
from kernel.task.itimer import cancel_timers
from kernel.task.jobs import hang_up_orphans, leave_group, session_leader_exits
from kernel.task.posix_timer import delete_timers
from kernel.task.robust import release_robust_futexes
from kernel.task.siginfo import SigInfo
from kernel.task.signals import end_group, report_stop, retarget, send_to_group
from kernel.task.sysv.sem import undo_semaphores
from kernel.task.task import DEAD, ZOMBIE
from kernel.task.usage import keep_memory_usage, of_task

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup


def exit_process(task: Task, status: int) -> None:
    """exit_group(2): the whole process ends with a wait(2) status, the caller at once."""
    end_group(task.group, status)
    exit_task(task, task.group.status)


def exit_task(task: Task, status: int) -> None:
    """This task ends (exit(2), or death).  It must not run any more; its context is gone."""
    group = task.group
    kernel = task.kernel
    last = len(group.tasks) == 1
    if last and not group.exiting:
        group.status = status
    if task.mm is not None:  # else nobody has heard of it: no program could be loaded
        for observer in kernel.events:
            observer.task_end(task, group.status if last else status)
    kernel.scheduler.remove(task)
    group.usage.add(of_task(task))
    if last:
        cancel_timers(kernel, group)
        delete_timers(group)
        undo_semaphores(group)
    release_space(task)
    task.fds.release()
    task.fs.release()
    task.actions.users -= 1
    if task.context is not None:
        context, task.context = task.context, None
        kernel.cpu.free_context(context)
    del group.tasks[task.tid]
    task.state = ZOMBIE
    task.work = False
    if task is not group.leader:  # a dead leader stays as a zombie: the process has its number
        task.pending.discard(-1)
        forget(task)
    if not last:
        _end_thread(task)
    else:
        _end_process(group)


def release_space(task: Task) -> None:
    """Let go of the address space (exit, execve): the last user unmaps everything."""
    space = task.mm
    if space is None:
        return
    if task.robust_list[0]:
        release_robust_futexes(task)
    if task.pi_owned:
        release_pi_locks(task)
    if task.clear_child_tid and space.users > 1:
        _clear_child_tid(task)
    task.clear_child_tid = 0
    keep_memory_usage(task, space)
    task.mm = None
    space.users -= 1
    if space.users == 0:
        drop_executable(space)
        space.destroy()
    if task.vfork_done is not None:
        task.vfork_done.wake()
        task.vfork_done = None


def _clear_child_tid(task: Task) -> None:
    """set_tid_address(2): tell a joining thread of the same memory."""
    try:
        task.mem.write_u32(task.clear_child_tid, 0)
        task.kernel.futexes.wake(task, task.clear_child_tid, 1)
    except (EFAULT, EINVAL):
        pass  # Linux ignores it, too: the address is the program's own business


def _end_thread(task: Task) -> None:
    """Others of the process live on."""
    group = task.group
    if group.siblings_gone is not None:
        group.siblings_gone.wake()
    retarget(task)
    report_stop(group)


def forget(task: Task) -> None:
    """Its number is free from now on, and the user has one task less."""
    task.state = DEAD
    kernel = task.kernel
    del kernel.tasks[task.tid]
    kernel.pids.release(task.tid)
    kernel.change_user(task.cred.ruid, None)


def _end_process(group: ThreadGroup) -> None:
    """The last task is gone: family matters."""
    session_leader_exits(group)
    _give_children_away(group)
    hang_up_orphans(group, leaving=True)
    if notify_exit(group, send_to_group):
        reap(group)


def _give_children_away(group: ThreadGroup) -> None:
    if not group.children:
        return
    adopter = _adopter(group)
    for child in list(group.children.values()):
        child.parent = adopter
        child.exit_signal = SIGCHLD
        adopter.children[child.pid] = child
        del group.children[child.pid]
        _parent_died(child, group)
        if child.zombie:
            if notify_exit(child, send_to_group):
                reap(child)
        else:
            hang_up_orphans(child, old_parent=group)


def _parent_died(child: ThreadGroup, parent: ThreadGroup) -> None:
    """PR_SET_PDEATHSIG: as if the parent had sent it with its last breath."""
    for task in list(child.tasks.values()):
        if task.parent_death_signal:
            user = parent.leader.cred.ruid
            info = SigInfo.user(task.parent_death_signal, parent.pid, user)
            send_to_group(child, info)


def _adopter(group: ThreadGroup) -> ThreadGroup:
    """The nearest living ancestor that asked for it (PR_SET_CHILD_SUBREAPER), or init."""
    ancestor = group.parent
    while ancestor is not None:
        if ancestor.subreaper and ancestor.tasks:
            return ancestor
        ancestor = ancestor.parent
    return group.leader.kernel.init.group


def reap(group: ThreadGroup) -> None:
    """Forget a zombie: its numbers are free from now on."""
    kernel = group.leader.kernel
    group.reaped = True
    group.ended.wake()
    parent = group.parent
    if parent is not None:
        parent.children.pop(group.pid, None)
        if parent is kernel.init.group:
            kernel.on_reap(group.pid, group.status)
    leave_group(kernel, group)
    leader = group.leader
    group.pending.discard(-1)
    leader.pending.discard(-1)
    del kernel.groups[group.pid]
    forget(leader)
