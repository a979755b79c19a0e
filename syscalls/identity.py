"""Who the caller is: users and groups.

See getuid(2), setuid(2), setreuid(2), setresuid(2), setfsuid(2), getgroups(2), and their twins for
groups.  The rules are in kernel.task.credentials.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, EPERM
from kernel.cred import CAP_SETGID
from kernel.task import credentials
from kernel.task.credentials import MAX_GROUPS, set_task_credentials
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        Count,
        Gid,
        GroupsOutPtr,
        GroupsPtr,
        Size,
        Uid,
        UidOutPtr,
        UidResult,
        Zero,
    )


# --- users ---------------------------------------------------------------------------------------


@syscall("getuid(2)")
def getuid(task: Task) -> UidResult:
    """The real user.  See getuid(2)."""
    return task.cred.ruid


@syscall("getuid(2)")
def geteuid(task: Task) -> UidResult:
    """The effective user.  See getuid(2)."""
    return task.cred.euid


@syscall("getresuid(2)")
def getresuid(task: Task, ruid: UidOutPtr, euid: UidOutPtr, suid: UidOutPtr) -> Zero:
    """Real, effective and saved user.  See getresuid(2)."""
    cred = task.cred
    task.mem.write_u32(ruid, cred.ruid)
    task.mem.write_u32(euid, cred.euid)
    task.mem.write_u32(suid, cred.suid)
    return 0


@syscall("setuid(2)")
def setuid(task: Task, uid: Uid) -> Zero:
    """Become a user; all three ids with CAP_SETUID.  See setuid(2)."""
    set_task_credentials(task, credentials.setuid(task.cred, uid))
    return 0


@syscall("setreuid(2)")
def setreuid(task: Task, ruid: Uid, euid: Uid) -> Zero:
    """Set real and effective user.  See setreuid(2)."""
    set_task_credentials(task, credentials.setreuid(task.cred, ruid, euid))
    return 0


@syscall("setresuid(2)")
def setresuid(task: Task, ruid: Uid, euid: Uid, suid: Uid) -> Zero:
    """Set real, effective and saved user.  See setresuid(2)."""
    set_task_credentials(task, credentials.setresuid(task.cred, ruid, euid, suid))
    return 0


@syscall("setfsuid(2)")
def setfsuid(task: Task, fsuid: Uid) -> UidResult:
    """Set the user for file access; the result is the old one, always.  See setfsuid(2)."""
    old = task.cred.fsuid
    set_task_credentials(task, credentials.setfsuid(task.cred, fsuid))
    return old


# --- groups --------------------------------------------------------------------------------------


@syscall("getgid(2)")
def getgid(task: Task) -> UidResult:
    """The real group.  See getgid(2)."""
    return task.cred.rgid


@syscall("getgid(2)")
def getegid(task: Task) -> UidResult:
    """The effective group.  See getgid(2)."""
    return task.cred.egid


@syscall("getresuid(2)")
def getresgid(task: Task, rgid: UidOutPtr, egid: UidOutPtr, sgid: UidOutPtr) -> Zero:
    """Real, effective and saved group.  See getresuid(2)."""
    cred = task.cred
    task.mem.write_u32(rgid, cred.rgid)
    task.mem.write_u32(egid, cred.egid)
    task.mem.write_u32(sgid, cred.sgid)
    return 0


@syscall("setgid(2)")
def setgid(task: Task, gid: Gid) -> Zero:
    """Set the group; all three ids with CAP_SETGID.  See setgid(2)."""
    set_task_credentials(task, credentials.setgid(task.cred, gid))
    return 0


@syscall("setreuid(2)")
def setregid(task: Task, rgid: Gid, egid: Gid) -> Zero:
    """Set real and effective group.  See setreuid(2)."""
    set_task_credentials(task, credentials.setregid(task.cred, rgid, egid))
    return 0


@syscall("setresuid(2)")
def setresgid(task: Task, rgid: Gid, egid: Gid, sgid: Gid) -> Zero:
    """Set real, effective and saved group.  See setresuid(2)."""
    set_task_credentials(task, credentials.setresgid(task.cred, rgid, egid, sgid))
    return 0


@syscall("setfsgid(2)")
def setfsgid(task: Task, fsgid: Gid) -> UidResult:
    """Set the group for file access; the result is the old one, always.  See setfsgid(2)."""
    old = task.cred.fsgid
    set_task_credentials(task, credentials.setfsgid(task.cred, fsgid))
    return old


# --- supplementary groups ------------------------------------------------------------------------


@syscall("getgroups(2)")
def getgroups(task: Task, size: Count, groups: GroupsOutPtr) -> Size:
    """The supplementary groups; with size 0 only how many.  See getgroups(2)."""
    if size < 0:
        raise EINVAL("the size is %d", size)
    mine = task.cred.groups
    if size:
        if size < len(mine):
            raise EINVAL("there are %d groups, the buffer has room for %d", len(mine), size)
        task.mem.write(groups, Struct(f"<{len(mine)}I").pack(*mine))
    return len(mine)


@syscall("getgroups(2)")
def setgroups(task: Task, size: Count, groups: GroupsPtr) -> Zero:
    """Replace the supplementary groups.  See setgroups(2)."""
    if not task.cred.capable(CAP_SETGID):
        raise EPERM("setgroups needs CAP_SETGID, which uid %d has not", task.cred.euid)
    if not 0 <= size <= MAX_GROUPS:
        raise EINVAL("%d groups, and at most %d are allowed", size, MAX_GROUPS)
    new = Struct(f"<{size}I").unpack(task.mem.read(groups, size * 4)) if size else ()
    task.cred = credentials.setgroups(task.cred, new)
    return 0
