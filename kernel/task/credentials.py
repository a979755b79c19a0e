"""The rules of changing who one is.  See credentials(7), setresuid(2), capabilities(7).

Every function takes credentials and gives new ones, or raises EPERM; the caller puts them into its
task.  An id of -1 means "as it is" where the call says so; elsewhere it is EINVAL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, EPERM
from kernel.cred import ALL_CAPABILITIES, CAP_SETGID, CAP_SETUID, RLIMIT_NPROC, Credentials

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile

NO_ID: Final = 0xFFFFFFFF
MAX_GROUPS: Final = 65536

SECBIT_NOROOT: Final = 1 << 0
SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
SECBIT_KEEP_CAPS: Final = 1 << 4

# CAP_CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE
FS_CAPABILITIES: Final = 0x1F | 1 << 9 | 1 << 27 | 1 << 32
MS_NOSUID: Final = 2
S_ISUID: Final = 0o4000
S_ISGID: Final = 0o2000
S_IXGRP: Final = 0o010


def set_task_credentials(task: Task, cred: Credentials) -> None:
    """Put new credentials into a task; processes are counted by real user.

    A user who has too many of them now is told by the next execve (RLIMIT_NPROC), not by setuid.
    """
    old = task.cred
    seen = (old.euid, old.egid, old.fsuid, old.fsgid)
    if seen != (cred.euid, cred.egid, cred.fsuid, cred.fsgid):
        task.group.dumpable = 0
        task.parent_death_signal = 0
    if old.ruid != cred.ruid:
        task.kernel.change_user(old.ruid, cred.ruid)
        limit = task.limits.soft(RLIMIT_NPROC)
        task.nproc_exceeded = cred.ruid != 0 and task.kernel.user_processes[cred.ruid] > limit
    task.cred = cred


# --- users -----------------------------------------------------------------------------------


def _with_users(cred: Credentials, ruid: int, euid: int, suid: int) -> Credentials:
    """New user ids; leaving root behind loses capabilities (capabilities(7))."""
    new = cred.changed(ruid=ruid, euid=euid, suid=suid, fsuid=euid)
    if cred.securebits & SECBIT_NO_SETUID_FIXUP:
        return new
    permitted, effective, ambient = new.permitted, new.effective, new.ambient
    had_root = 0 in (cred.ruid, cred.euid, cred.suid)
    if had_root and 0 not in (ruid, euid, suid):
        if not cred.securebits & SECBIT_KEEP_CAPS:
            permitted = effective = 0
        ambient = 0
    if cred.euid == 0 and euid != 0:
        effective = 0
    if cred.euid != 0 and euid == 0:
        effective = permitted
    return new.changed(permitted=permitted, effective=effective, ambient=ambient)


def setuid(cred: Credentials, uid: int) -> Credentials:
    """See setuid(2)."""
    _check_id(uid)
    if cred.capable(CAP_SETUID):
        return _with_users(cred, uid, uid, uid)
    if uid not in (cred.ruid, cred.suid):
        raise EPERM(
            "the real uid is %d, the saved %d, neither is %d; there is no CAP_SETUID",
            cred.ruid, cred.suid, uid,
        )  # fmt: skip
    return _with_users(cred, cred.ruid, uid, cred.suid)


def setreuid(cred: Credentials, ruid: int, euid: int) -> Credentials:
    """See setreuid(2)."""
    if not cred.capable(CAP_SETUID):
        if ruid not in (NO_ID, cred.ruid, cred.euid):
            raise EPERM(
                "the real uid may only become %d or %d, not %d; there is no CAP_SETUID",
                cred.ruid, cred.euid, ruid,
            )  # fmt: skip
        if euid not in (NO_ID, cred.ruid, cred.euid, cred.suid):
            raise EPERM(
                "the effective uid may only become %d, %d or %d, not %d; there is no CAP_SETUID",
                cred.ruid, cred.euid, cred.suid, euid,
            )  # fmt: skip
    new_ruid = cred.ruid if ruid == NO_ID else ruid
    new_euid = cred.euid if euid == NO_ID else euid
    saved = cred.suid
    if ruid != NO_ID or (euid != NO_ID and euid != cred.ruid):
        saved = new_euid
    return _with_users(cred, new_ruid, new_euid, saved)


def setresuid(cred: Credentials, ruid: int, euid: int, suid: int) -> Credentials:
    """See setresuid(2)."""
    allowed = (NO_ID, cred.ruid, cred.euid, cred.suid)
    if not cred.capable(CAP_SETUID) and not all(uid in allowed for uid in (ruid, euid, suid)):
        raise EPERM(
            "the uids may only become %d, %d or %d; there is no CAP_SETUID",
            cred.ruid, cred.euid, cred.suid,
        )  # fmt: skip
    return _with_users(
        cred,
        cred.ruid if ruid == NO_ID else ruid,
        cred.euid if euid == NO_ID else euid,
        cred.suid if suid == NO_ID else suid,
    )


def setfsuid(cred: Credentials, fsuid: int) -> Credentials:
    """See setfsuid(2): an id that is not allowed changes nothing."""
    allowed = (cred.ruid, cred.euid, cred.suid, cred.fsuid)
    if fsuid == NO_ID or (fsuid not in allowed and not cred.capable(CAP_SETUID)):
        return cred
    effective = cred.effective
    if not cred.securebits & SECBIT_NO_SETUID_FIXUP:
        if cred.fsuid == 0 and fsuid != 0:
            effective &= ~FS_CAPABILITIES
        if cred.fsuid != 0 and fsuid == 0:
            effective |= cred.permitted & FS_CAPABILITIES
    return cred.changed(fsuid=fsuid, effective=effective)


# --- groups ----------------------------------------------------------------------------------


def _with_gids(cred: Credentials, rgid: int, egid: int, sgid: int) -> Credentials:
    return cred.changed(rgid=rgid, egid=egid, sgid=sgid, fsgid=egid)


def setgid(cred: Credentials, gid: int) -> Credentials:
    """See setgid(2)."""
    _check_id(gid)
    if cred.capable(CAP_SETGID):
        return _with_gids(cred, gid, gid, gid)
    if gid not in (cred.rgid, cred.sgid):
        raise EPERM(
            "the real gid is %d, the saved %d, neither is %d; there is no CAP_SETGID",
            cred.rgid, cred.sgid, gid,
        )  # fmt: skip
    return _with_gids(cred, cred.rgid, gid, cred.sgid)


def setregid(cred: Credentials, rgid: int, egid: int) -> Credentials:
    """See setregid(2)."""
    if not cred.capable(CAP_SETGID):
        if rgid not in (NO_ID, cred.rgid, cred.egid):
            raise EPERM(
                "the real gid may only become %d or %d, not %d; there is no CAP_SETGID",
                cred.rgid, cred.egid, rgid,
            )  # fmt: skip
        if egid not in (NO_ID, cred.rgid, cred.egid, cred.sgid):
            raise EPERM(
                "the effective gid may only become %d, %d or %d, not %d; there is no CAP_SETGID",
                cred.rgid, cred.egid, cred.sgid, egid,
            )  # fmt: skip
    new_rgid = cred.rgid if rgid == NO_ID else rgid
    new_egid = cred.egid if egid == NO_ID else egid
    saved = cred.sgid
    if rgid != NO_ID or (egid != NO_ID and egid != cred.rgid):
        saved = new_egid
    return _with_gids(cred, new_rgid, new_egid, saved)


def setresgid(cred: Credentials, rgid: int, egid: int, sgid: int) -> Credentials:
    """See setresgid(2)."""
    allowed = (NO_ID, cred.rgid, cred.egid, cred.sgid)
    if not cred.capable(CAP_SETGID) and not all(gid in allowed for gid in (rgid, egid, sgid)):
        raise EPERM(
            "the gids may only become %d, %d or %d; there is no CAP_SETGID",
            cred.rgid, cred.egid, cred.sgid,
        )  # fmt: skip
    return _with_gids(
        cred,
        cred.rgid if rgid == NO_ID else rgid,
        cred.egid if egid == NO_ID else egid,
        cred.sgid if sgid == NO_ID else sgid,
    )


def setfsgid(cred: Credentials, fsgid: int) -> Credentials:
    """See setfsgid(2): an id that is not allowed changes nothing."""
    allowed = (cred.rgid, cred.egid, cred.sgid, cred.fsgid)
    if fsgid == NO_ID or (fsgid not in allowed and not cred.capable(CAP_SETGID)):
        return cred
    return cred.changed(fsgid=fsgid)


def setgroups(cred: Credentials, groups: tuple[int, ...]) -> Credentials:
    """See setgroups(2).  Linux keeps them sorted."""
    if any(gid == NO_ID for gid in groups):
        raise EINVAL("-1 is no group")
    return cred.changed(groups=tuple(sorted(groups)))


def _check_id(number: int) -> None:
    if number == NO_ID:
        raise EINVAL("-1 is no id")


# --- execve ----------------------------------------------------------------------------------


def after_exec(task: Task, file: OpenFile) -> tuple[Credentials, bool]:
    """Who a task is after it executed this file, and whether the loader must be careful.

    Set-id bits count unless the task gave them up (no_new_privs) or the mount is nosuid.
    See execve(2), capabilities(7) "Transformation of capabilities during execve()".
    """
    cred = task.cred
    euid, egid = _set_id(task, file)
    setid = euid != cred.euid or egid != cred.egid
    ambient = 0 if setid else cred.ambient
    permitted, effective = _exec_capabilities(cred, euid, ambient)
    securebits = cred.securebits & ~SECBIT_KEEP_CAPS
    new = cred.changed(
        euid=euid, suid=euid, fsuid=euid, egid=egid, sgid=egid, fsgid=egid,
        permitted=permitted, effective=effective, ambient=ambient, securebits=securebits,
    )  # fmt: skip
    gained = new.ruid != 0 and bool(effective & ~ambient)
    return new, new.euid != new.ruid or new.egid != new.rgid or gained


def _set_id(task: Task, file: OpenFile) -> tuple[int, int]:
    cred = task.cred
    euid, egid = cred.euid, cred.egid
    if task.no_new_privs or file.path.mount.flags & MS_NOSUID:
        return euid, egid
    inode = file.inode
    if inode.mode & S_ISUID:
        euid = inode.uid
    if inode.mode & S_ISGID and inode.mode & S_IXGRP:
        egid = inode.gid
    return euid, egid


def _exec_capabilities(cred: Credentials, euid: int, ambient: int) -> tuple[int, int]:
    """(permitted, effective); no file has capabilities of its own here."""
    if cred.securebits & SECBIT_NOROOT or 0 not in (cred.ruid, euid):
        return ambient, ambient
    permitted = (cred.inheritable | cred.bounding) & ALL_CAPABILITIES
    return permitted, permitted if euid == 0 else ambient
