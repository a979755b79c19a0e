"""Credentials and limits, as plain values: who a task is, and how much it may have.

See credentials(7), capabilities(7), getrlimit(2).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

CAP_CHOWN: Final = 0
CAP_DAC_OVERRIDE: Final = 1
CAP_DAC_READ_SEARCH: Final = 2
CAP_FOWNER: Final = 3
CAP_FSETID: Final = 4
CAP_KILL: Final = 5
CAP_SETGID: Final = 6
CAP_SETUID: Final = 7
CAP_SETPCAP: Final = 8
CAP_LINUX_IMMUTABLE: Final = 9
CAP_NET_BIND_SERVICE: Final = 10
CAP_IPC_LOCK: Final = 14
CAP_IPC_OWNER: Final = 15
CAP_SYS_CHROOT: Final = 18
CAP_SYS_PTRACE: Final = 19
CAP_SYS_ADMIN: Final = 21
CAP_SYS_BOOT: Final = 22
CAP_SYS_NICE: Final = 23
CAP_SYS_RESOURCE: Final = 24
CAP_SYS_TIME: Final = 25
CAP_SYS_TTY_CONFIG: Final = 26
CAP_MKNOD: Final = 27
CAP_LAST: Final = 40
CAP_WAKE_ALARM: Final = 35
CAP_BLOCK_SUSPEND: Final = 36
ALL_CAPABILITIES: Final = (1 << (CAP_LAST + 1)) - 1


@dataclass(frozen=True, slots=True)
class Credentials:
    """Immutable; a change makes a new value (Linux's ``struct cred``)."""

    ruid: int = 0
    euid: int = 0
    suid: int = 0
    fsuid: int = 0
    rgid: int = 0
    egid: int = 0
    sgid: int = 0
    fsgid: int = 0
    groups: tuple[int, ...] = ()
    permitted: int = ALL_CAPABILITIES
    effective: int = ALL_CAPABILITIES
    inheritable: int = 0
    bounding: int = ALL_CAPABILITIES
    ambient: int = 0
    securebits: int = 0

    @classmethod
    def for_user(cls, uid: int, gid: int, groups: tuple[int, ...] = ()) -> Credentials:
        """What a program started as uid:gid has: every capability for root, none for others."""
        caps = ALL_CAPABILITIES if uid == 0 else 0
        return cls(uid, uid, uid, uid, gid, gid, gid, gid, groups, caps, caps)

    def capable(self, capability: int) -> bool:
        """Is this capability effective?"""
        return bool(self.effective >> capability & 1)

    def in_group(self, gid: int) -> bool:
        """Is gid the file-system gid or a supplementary group?"""
        return gid == self.fsgid or gid in self.groups

    def changed(self, **fields: int | tuple[int, ...]) -> Credentials:
        """A copy with some fields replaced."""
        return replace(self, **fields)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<Credentials uid={self.euid} gid={self.egid} capabilities={self.effective:#x}>"


RLIM_INFINITY: Final = (1 << 64) - 1
RLIMIT_CPU: Final = 0
RLIMIT_FSIZE: Final = 1
RLIMIT_DATA: Final = 2
RLIMIT_STACK: Final = 3
RLIMIT_CORE: Final = 4
RLIMIT_RSS: Final = 5
RLIMIT_NPROC: Final = 6
RLIMIT_NOFILE: Final = 7
RLIMIT_MEMLOCK: Final = 8
RLIMIT_AS: Final = 9
RLIMIT_LOCKS: Final = 10
RLIMIT_SIGPENDING: Final = 11
RLIMIT_MSGQUEUE: Final = 12
RLIMIT_NICE: Final = 13
RLIMIT_RTPRIO: Final = 14
RLIMIT_RTTIME: Final = 15
RLIM_NLIMITS: Final = 16


def _defaults() -> list[tuple[int, int]]:
    limits = [(RLIM_INFINITY, RLIM_INFINITY)] * RLIM_NLIMITS
    limits[RLIMIT_STACK] = (8 << 20, RLIM_INFINITY)
    limits[RLIMIT_CORE] = (0, RLIM_INFINITY)
    limits[RLIMIT_NPROC] = (7823, 7823)
    limits[RLIMIT_NOFILE] = (1024, 1048576)
    limits[RLIMIT_MEMLOCK] = (8 << 20, 8 << 20)
    limits[RLIMIT_SIGPENDING] = (7823, 7823)
    limits[RLIMIT_MSGQUEUE] = (819200, 819200)
    limits[RLIMIT_NICE] = (0, 0)
    limits[RLIMIT_RTPRIO] = (0, 0)
    return limits


@dataclass(slots=True)
class Limits:
    """(soft, hard) per resource; of the model, never applied to the emulator's own process."""

    values: list[tuple[int, int]] = field(default_factory=_defaults)

    def soft(self, resource: int) -> int:
        """The soft limit of a resource, in its unit (getrlimit(2))."""
        return self.values[resource][0]

    def copy(self) -> Limits:
        """For fork."""
        return Limits(list(self.values))

    def __repr__(self) -> str:
        return f"<Limits {len(self.values)} resources>"
