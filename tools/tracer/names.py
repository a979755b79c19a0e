"""Names of flags and constants, in the order strace prints them; values come from kernel.abi."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from kernel import cred
from kernel.abi import clocks, files, ioctls, ipc, memory, process, signals
from tools.tracer import style
from tools.tracer.text import hexadecimal

WORD: Final = 0xFFFFFFFFFFFFFFFF
HALF: Final = 0xFFFFFFFF
MOST_KNOWN: Final = 256


class Flags:
    """Bits that are printed joined by ``|``; what no name covers is printed in hexadecimal.

    ``unknown`` is shown in a comment where no bit has a name; ``zero`` where there is no bit.
    """

    __slots__ = ("_known", "members", "unknown", "width", "zero")

    def __init__(
        self, members: Mapping[str, int], unknown: str, zero: str = "0", width: int = HALF
    ) -> None:
        self._known: dict[int, str] = {}  # texts that were made before
        self.members = tuple((value, name) for name, value in members.items())
        self.unknown = unknown
        self.zero = zero
        self.width = width

    def split(self, value: int) -> tuple[list[str], int]:
        """The names in a value, and the bits that are left."""
        found = []
        for bits, name in self.members:
            if bits and value & bits == bits:
                found.append(name)
                value &= ~bits
        return found, value

    def text(self, value: int) -> str:
        """As ``-X`` asks: ``A|B|0x40``, ``0x43``, or ``0x43 /* A|B|0x40 */``."""
        text = self._known.get(value)
        if text is None:
            text = self.abbrev(value)
            if len(self._known) < MOST_KNOWN:
                self._known[value] = text
        return text if style.plain() else style.named(hexadecimal(value & self.width), text)

    def abbrev(self, value: int) -> str:
        """``A|B|0x40``, ``0``, or ``0x40 /* X_??? */``."""
        value &= self.width
        if not value:
            return self.zero
        found, rest = self.split(value)
        if not found:
            return f"{rest:#x} /* {self.unknown} */" if self.unknown else f"{rest:#x}"
        return "|".join([*found, f"{rest:#x}"] if rest else found)


class Constants:
    """One name per value; others are printed as a number and a comment."""

    __slots__ = ("by_value", "unknown", "width")

    def __init__(self, members: Mapping[str, int], unknown: str, width: int = HALF) -> None:
        self.by_value: dict[int, str] = {}
        for name, value in members.items():
            self.by_value.setdefault(value, name)
        self.unknown = unknown
        self.width = width

    def text(self, value: int) -> str:
        """As ``-X`` asks: ``SEEK_SET``, ``0x1``, or ``0x1 /* SEEK_SET */``."""
        text = self.abbrev(value)
        return text if style.plain() else style.named(hexadecimal(value & self.width), text)

    def abbrev(self, value: int) -> str:
        """The name, or ``0x63 /* F_??? */``."""
        name = self.by_value.get(value)
        if name is not None:
            return name
        shown = value & self.width
        return f"{shown:#x} /* {self.unknown} */" if shown else f"0 /* {self.unknown} */"


def members(module: ModuleType, names: str) -> dict[str, int]:
    """Name to value for names of a module, in the order given."""
    return {name: getattr(module, name) for name in names.split()}


def prefixed(module: ModuleType, prefix: str) -> dict[str, int]:
    """Every int of a module with this prefix, in the order of the module."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.startswith(prefix) and isinstance(value, int)
    }


OPEN_FLAGS: Final = Flags(
    {
        **members(files, "O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_SYNC O_DSYNC"),
        **members(files, "O_DIRECT O_LARGEFILE O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH O_TMPFILE"),
        **members(files, "FASYNC O_DIRECTORY"),
    },
    "O_???",
)
_AT: Final = members(
    files,
    "AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE",
)
_FACCESS: Final = members(files, "AT_SYMLINK_NOFOLLOW AT_EACCESS AT_EMPTY_PATH")

_TIMERFD: Final = Flags(
    members(clocks, "TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET TFD_CLOEXEC TFD_NONBLOCK"),
    "TFD_???",
)  # one table for both calls, as in strace
_CLONE: Final = prefixed(process, "CLONE_")
del _CLONE["CLONE_DETACHED"]  # ignored by the kernel, and shown as a number
FLAGS: Final[dict[str, Flags]] = {
    "at": Flags(_AT, "AT_???"),
    "unlinkat": Flags(_AT, "AT_???"),
    "faccessat": Flags(_FACCESS, "AT_???"),
    "statx_mask": Flags(
        {
            **members(files, "STATX_ALL STATX_BASIC_STATS STATX_TYPE STATX_MODE STATX_NLINK"),
            **members(files, "STATX_UID STATX_GID STATX_ATIME STATX_MTIME STATX_CTIME STATX_INO"),
            **members(files, "STATX_SIZE STATX_BLOCKS STATX_BTIME STATX_MNT_ID STATX_DIOALIGN"),
        },
        "STATX_???",
    ),
    "statx_attributes": Flags(prefixed(files, "STATX_ATTR_"), "STATX_ATTR_???", width=WORD),
    "rename": Flags(prefixed(files, "RENAME_"), "RENAME_???"),
    "mount": Flags(
        {
            **members(files, "MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT"),
            **members(files, "MS_MANDLOCK MS_DIRSYNC MS_NOSYMFOLLOW MS_NOATIME MS_NODIRATIME"),
            **members(files, "MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE"),
            **members(files, "MS_PRIVATE MS_SLAVE MS_SHARED MS_RELATIME MS_KERNMOUNT MS_I_VERSION"),
            **members(files, "MS_STRICTATIME MS_LAZYTIME"),
            "MS_SUBMOUNT": 1 << 26,
            "MS_NOREMOTELOCK": 1 << 27,
            "MS_NOSEC": 1 << 28,
            "MS_BORN": 1 << 29,
            "MS_ACTIVE": 1 << 30,
            "MS_NOUSER": 1 << 31,
        },
        "MS_???",
        width=WORD,
    ),
    "umount": Flags(members(files, "MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW"), "MNT_???"),
    "xattr": Flags(members(files, "XATTR_CREATE XATTR_REPLACE"), "XATTR_???"),
    "rwf": Flags(prefixed(files, "RWF_"), "RWF_???"),
    "flock": Flags(
        {**members(files, "LOCK_SH LOCK_EX LOCK_NB LOCK_UN"), "LOCK_MAND": 32, "LOCK_RW": 192},
        "LOCK_???",
    ),
    "falloc": Flags(prefixed(files, "FALLOC_FL_"), "FALLOC_FL_???"),
    "sync_file_range": Flags(prefixed(files, "SYNC_FILE_RANGE_"), "SYNC_FILE_RANGE_???"),
    "splice": Flags(prefixed(files, "SPLICE_F_"), "SPLICE_F_???"),
    "memfd": Flags(members(files, "MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB"), "MFD_???"),
    "close_range": Flags(prefixed(files, "CLOSE_RANGE_"), "CLOSE_RANGE_???"),
    "eventfd": Flags(prefixed(files, "EFD_"), "EFD_???"),
    "ipc_get": Flags(members(ipc, "IPC_CREAT IPC_EXCL IPC_NOWAIT"), ""),
    "shmat": Flags(members(ipc, "SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC"), "SHM_???"),
    "msgop": Flags(members(ipc, "MSG_NOERROR MSG_EXCEPT MSG_COPY IPC_NOWAIT"), "MSG_???"),
    "semop": Flags(members(ipc, "SEM_UNDO IPC_NOWAIT"), "SEM_???"),
    "inotify_init": Flags(members(files, "IN_NONBLOCK IN_CLOEXEC"), "IN_???"),
    "inotify": Flags(
        {
            **members(files, "IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE"),
            **members(files, "IN_OPEN IN_MOVED_FROM IN_MOVED_TO IN_CREATE IN_DELETE"),
            **members(files, "IN_DELETE_SELF IN_MOVE_SELF IN_UNMOUNT IN_Q_OVERFLOW IN_IGNORED"),
            **members(files, "IN_ONLYDIR IN_DONT_FOLLOW IN_EXCL_UNLINK IN_MASK_CREATE"),
            **members(files, "IN_MASK_ADD IN_ISDIR IN_ONESHOT"),
        },
        "IN_???",
    ),
    "signalfd": Flags(prefixed(files, "SFD_"), "SFD_???"),
    "pidfd": Flags(members(process, "PIDFD_NONBLOCK"), "PIDFD_???"),
    "epoll_create": Flags(members(files, "EPOLL_CLOEXEC"), "EPOLL_???"),
    "epoll": Flags(
        {
            **members(files, "EPOLLIN EPOLLPRI EPOLLOUT EPOLLRDNORM EPOLLRDBAND EPOLLWRNORM"),
            **members(files, "EPOLLWRBAND EPOLLMSG EPOLLERR EPOLLHUP EPOLLRDHUP EPOLLEXCLUSIVE"),
            **members(files, "EPOLLWAKEUP EPOLLONESHOT EPOLLET"),
        },
        "EPOLL???",
    ),
    "poll": Flags(prefixed(files, "POLL"), "POLL???", width=0xFFFF),
    "resolve": Flags(prefixed(files, "RESOLVE_"), "RESOLVE_???", width=WORD),
    "seals": Flags(
        members(files, "F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_FUTURE_WRITE"),
        "F_SEAL_???",
        width=WORD,
    ),
    "fd": Flags(members(files, "FD_CLOEXEC"), "FD_???", width=WORD),
    "statfs": Flags({"ST_VALID": files.ST_VALID, **prefixed(files, "ST_")}, "ST_???", width=WORD),
    "prot": Flags(prefixed(memory, "PROT_"), "PROT_???", zero="PROT_NONE", width=WORD),
    "map": Flags(
        {
            **members(memory, "MAP_FIXED MAP_ANONYMOUS MAP_32BIT MAP_NORESERVE MAP_POPULATE"),
            **members(memory, "MAP_NONBLOCK MAP_GROWSDOWN MAP_DENYWRITE MAP_EXECUTABLE"),
            **members(memory, "MAP_LOCKED MAP_STACK MAP_HUGETLB MAP_SYNC MAP_FIXED_NOREPLACE"),
        },
        "MAP_???",
        width=WORD,
    ),
    "mremap": Flags(prefixed(memory, "MREMAP_"), "MREMAP_???", width=WORD),
    "msync": Flags(members(memory, "MS_SYNC MS_ASYNC MS_INVALIDATE"), "MS_???"),
    "mlock": Flags(prefixed(memory, "MLOCK_"), "MLOCK_???"),
    "mlockall": Flags(prefixed(memory, "MCL_"), "MCL_???"),
    "clone": Flags(_CLONE, "CLONE_???", width=WORD),
    "wait": Flags(
        members(
            process,
            "WNOHANG WEXITED WSTOPPED WCONTINUED WNOWAIT __WCLONE __WALL __WNOTHREAD",
        ),
        "W???",
    ),
    "random": Flags(prefixed(process, "GRND_"), "GRND_???"),
    "personality": Flags(
        members(
            process,
            "UNAME26 ADDR_NO_RANDOMIZE FDPIC_FUNCPTRS MMAP_PAGE_ZERO ADDR_COMPAT_LAYOUT "
            "READ_IMPLIES_EXEC ADDR_LIMIT_32BIT SHORT_INODE WHOLE_SECONDS STICKY_TIMEOUTS "
            "ADDR_LIMIT_3GB",
        ),
        "",
    ),
    "securebits": Flags(
        {
            "SECBIT_NOROOT": 1,
            "SECBIT_NOROOT_LOCKED": 2,
            "SECBIT_NO_SETUID_FIXUP": 4,
            "SECBIT_NO_SETUID_FIXUP_LOCKED": 8,
            "SECBIT_KEEP_CAPS": 16,
            "SECBIT_KEEP_CAPS_LOCKED": 32,
            "SECBIT_NO_CAP_AMBIENT_RAISE": 64,
            "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED": 128,
        },
        "SECBIT_???",
        width=WORD,
    ),
    "sigaction": Flags(
        {
            **members(signals, "SA_RESTORER SA_ONSTACK SA_RESTART"),
            "SA_INTERRUPT": 0x20000000,
            **members(signals, "SA_NODEFER SA_RESETHAND SA_SIGINFO SA_NOCLDSTOP SA_NOCLDWAIT"),
        },
        "SA_???",
        width=WORD,
    ),
    "altstack": Flags(members(signals, "SS_ONSTACK SS_DISABLE SS_AUTODISARM"), "SS_???"),
    "timer": Flags(members(clocks, "TIMER_ABSTIME"), "TIMER_???"),
    "timerfd": _TIMERFD,
    "timerfd_settime": _TIMERFD,
}

_CAPABILITIES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
CAPABILITY_BITS: Final = Flags(
    {f"1<<CAP_{name}": 1 << number for number, name in enumerate(_CAPABILITIES)},
    "CAP_???",
    width=WORD,
)

CONSTANTS: Final[dict[str, Constants]] = {
    "whence": Constants(prefixed(files, "SEEK_"), "SEEK_???"),
    "fcntl": Constants(
        {
            name: value
            for name, value in prefixed(files, "F_").items()
            if not name.startswith(("F_SEAL_", "F_OWNER_"))
            and name not in ("F_OK", "F_RDLCK", "F_WRLCK", "F_UNLCK")
        },
        "F_???",
    ),
    "lock_type": Constants(members(files, "F_RDLCK F_WRLCK F_UNLCK"), "F_???", 0xFFFF),
    "owner": Constants(prefixed(files, "F_OWNER_"), "F_OWNER_???"),
    "epoll_ctl": Constants(prefixed(files, "EPOLL_CTL_"), "EPOLL_CTL_???"),
    "fadvise": Constants(prefixed(files, "POSIX_FADV_"), "POSIX_FADV_???"),
    "fs_type": Constants(
        {
            "EXT2_SUPER_MAGIC": files.EXT4_SUPER_MAGIC,
            **{name: value for name, value in vars(files).items() if name.endswith("_MAGIC")},
        },
        "???",
    ),
    "madvise": Constants(prefixed(memory, "MADV_"), "MADV_???"),
    "membarrier": Constants(prefixed(memory, "MEMBARRIER_CMD_"), "MEMBARRIER_CMD_???"),
    "map_type": Constants(
        {"MAP_FILE": 0, **members(memory, "MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE")},
        "MAP_???",
    ),
    "idtype": Constants(members(process, "P_ALL P_PID P_PGID P_PIDFD"), "P_???"),
    "rusage": Constants(prefixed(process, "RUSAGE_"), "RUSAGE_???"),
    "rlimit": Constants(prefixed(cred, "RLIMIT_"), "RLIMIT_???"),
    "priority": Constants(prefixed(process, "PRIO_"), "PRIO_???"),
    "sched": Constants(
        {
            "SCHED_OTHER": 0,
            **members(process, "SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_IDLE SCHED_DEADLINE"),
        },
        "SCHED_???",
    ),
    "prctl": Constants(
        {
            name: value
            for name, value in prefixed(process, "PR_").items()
            if not name.startswith(("PR_CAP_AMBIENT_", "PR_SET_VMA_"))
        },
        "PR_???",
    ),
    "ambient": Constants(prefixed(process, "PR_CAP_AMBIENT_"), "PR_CAP_AMBIENT_???"),
    "dumpable": Constants(
        {"SUID_DUMP_DISABLE": 0, "SUID_DUMP_USER": 1, "SUID_DUMP_ROOT": 2}, "SUID_DUMP_???"
    ),
    "arch_prctl": Constants(prefixed(process, "ARCH_"), "ARCH_???"),
    "capability": Constants(
        {f"CAP_{name}": number for number, name in enumerate(_CAPABILITIES)}, "CAP_???"
    ),
    "cap_version": Constants(
        prefixed(process, "_LINUX_CAPABILITY_VERSION_"), "_LINUX_CAPABILITY_VERSION_???"
    ),
    "futex": Constants(
        {
            name: value
            for name, value in prefixed(process, "FUTEX_").items()
            if value < 0x80 and name != "FUTEX_CMD_MASK"
        },
        "FUTEX_???",
    ),
    "sighow": Constants(members(signals, "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK"), "SIG_???"),
    "clock": Constants(prefixed(clocks, "CLOCK_"), "CLOCK_???"),
    "kcmp": Constants(prefixed(process, "KCMP_"), "KCMP_???"),
    "shmctl": Constants(
        {
            **members(ipc, "IPC_RMID IPC_SET IPC_STAT IPC_INFO SHM_LOCK SHM_UNLOCK SHM_STAT"),
            **members(ipc, "SHM_INFO SHM_STAT_ANY"),
        },
        "SHM_???",
    ),
    "semctl": Constants(
        {
            **members(ipc, "IPC_RMID IPC_SET IPC_STAT IPC_INFO GETPID GETVAL GETALL GETNCNT"),
            **members(ipc, "GETZCNT SETVAL SETALL SEM_STAT SEM_INFO SEM_STAT_ANY"),
        },
        "SEM_???",
    ),
    "msgctl": Constants(
        members(ipc, "IPC_RMID IPC_SET IPC_STAT IPC_INFO MSG_STAT MSG_INFO MSG_STAT_ANY"),
        "MSG_???",
    ),
    "sigev": Constants(prefixed(clocks, "SIGEV_"), "SIGEV_???"),
    "itimer": Constants(prefixed(clocks, "ITIMER_"), "ITIMER_???"),
    "tcflush": Constants(members(ioctls, "TCIFLUSH TCOFLUSH TCIOFLUSH"), "TC???"),
    "tcflow": Constants(members(ioctls, "TCOOFF TCOON TCIOFF TCION"), "TC???"),
    "domain": Constants({"PER_LINUX": 0, "PER_LINUX32": 8}, ""),
}
