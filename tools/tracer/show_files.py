"""Printers for files: modes, stat, directories, open and fcntl arguments, poll and select."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi import files
from kernel.abi.files import O_ACCMODE, O_CREAT, O_TMPFILE_BIT, S_IFBLK, S_IFCHR, S_IFMT
from kernel.abi.structs import DIRENT64, FLOCK, OPEN_HOW, POLLFD, STATFS, STATX, TIMESPEC, TIMEVAL
from tools.tracer import style
from tools.tracer.names import CONSTANTS, FLAGS, OPEN_FLAGS
from tools.tracer.show_basic import describe_fd
from tools.tracer.show_signals import mask_text
from tools.tracer.show_signals import name as signal_text
from tools.tracer.show_times import pair
from tools.tracer.shows import shows
from tools.tracer.text import address, calendar, fields, hexadecimal, mode_bits, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

_STAT_TIMES = "atime atime_nsec mtime mtime_nsec ctime ctime_nsec"
STAT_LAYOUTS = {
    "x86_64": (
        Struct("<QQQIII4xQqqqqqqqqq"),
        f"dev ino nlink mode uid gid rdev size blksize blocks {_STAT_TIMES}",
    ),
    "aarch64": (
        Struct("<QQIIIIQ8xqi4xqqqqqqq"),
        f"dev ino mode nlink uid gid rdev size blksize blocks {_STAT_TIMES}",
    ),
}
# Where struct stat has what the trace shows: offsets of st_mode, st_rdev, st_size.
STAT_MEMBERS = {"x86_64": (24, 40, 48), "aarch64": (16, 32, 48)}
TYPES = {
    files.S_IFREG: "S_IFREG",
    files.S_IFDIR: "S_IFDIR",
    files.S_IFLNK: "S_IFLNK",
    files.S_IFCHR: "S_IFCHR",
    files.S_IFBLK: "S_IFBLK",
    files.S_IFIFO: "S_IFIFO",
    files.S_IFSOCK: "S_IFSOCK",
}
SPECIAL_BITS = (
    (files.S_ISUID, "S_ISUID"),
    (files.S_ISGID, "S_ISGID"),
    (files.S_ISVTX, "S_ISVTX"),
)
ARRAY_LIMIT = 32
FD_SETSIZE = 1024 * 1024


def open_flags_text(flags: int) -> str:
    """The access mode, then the flags, as ``-X`` asks."""
    text = open_flags_abbrev(flags)
    return text if style.plain() else style.named(hexadecimal(flags & 0xFFFFFFFF), text)


@lru_cache(256)
def open_flags_abbrev(flags: int) -> str:
    """The access mode, then the flags."""
    access = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[flags & O_ACCMODE]
    names, rest = OPEN_FLAGS.split(flags & ~O_ACCMODE & 0xFFFFFFFF)
    return "|".join([access, *names, *([f"{rest:#x}"] if rest else [])])


@shows("open_flags")
def open_flags(call: Call, i: int) -> str:
    """Flags of open; of pipe2 and dup3, which have no access mode."""
    value = call.values[i]
    return OPEN_FLAGS.text(value) if call.name in ("pipe2", "dup3") else open_flags_text(value)


@shows("mode")
def mode(call: Call, i: int) -> str | None:
    """Permission bits; open has them only when it may create."""
    if call.name in ("open", "openat") and not call.values[i - 1] & (O_CREAT | O_TMPFILE_BIT):
        return None
    return mode_bits(call.values[i])


def symbolic_mode(value: int) -> str:
    """``S_IFDIR|S_ISVTX|0777``, as ``-X`` asks."""
    text = _mode_abbrev(value)
    return text if style.plain() else style.named(mode_bits(value), text)


@lru_cache(256)
def _mode_abbrev(value: int) -> str:
    kind = TYPES.get(value & S_IFMT)
    parts = [kind] if kind else ([f"{value & S_IFMT:#o}"] if value & S_IFMT else [])
    for bit, label in SPECIAL_BITS:
        if value & bit and kind:
            parts.append(label)
            value &= ~bit
    return "|".join([*parts, mode_bits(value & 0o7777)])


@shows("node_mode")
def node_mode(call: Call, i: int) -> str:
    """Type and permissions of mknod."""
    return symbolic_mode(call.values[i])


def dev_text(dev: int) -> str:
    """``makedev(0x1, 0x3)``."""
    return f"makedev({hexadecimal(files.major(dev))}, {hexadecimal(files.minor(dev))})"


@shows("dev")
def device(call: Call, i: int) -> str | None:
    """A device number, where the mode says device."""
    if call.values[i - 1] & S_IFMT not in (S_IFCHR, S_IFBLK):
        return None
    return dev_text(call.values[i])


@shows("access_mode")
def access_mode(call: Call, i: int) -> str:
    """``R_OK|W_OK`` or F_OK, as ``-X`` asks."""
    value = call.values[i] & 0xFFFFFFFF
    return style.named(hexadecimal(value), _access_abbrev(value))


def _access_abbrev(value: int) -> str:
    bits = ((4, "R_OK"), (2, "W_OK"), (1, "X_OK"))
    names = [label for bit, label in bits if value & bit]
    rest = value & ~7
    if not names and rest:
        return f"{rest:#x} /* ?_OK */"
    return "|".join([*names, *([f"{rest:#x}"] if rest else [])]) or "F_OK"


@shows("statx_flags")
def statx_flags(call: Call, i: int) -> str:
    """The kind of synchronisation first, then AT_ flags."""
    value = call.values[i]
    sync = value & files.AT_STATX_SYNC_TYPE
    names = {
        0: "AT_STATX_SYNC_AS_STAT",
        files.AT_STATX_FORCE_SYNC: "AT_STATX_FORCE_SYNC",
        files.AT_STATX_DONT_SYNC: "AT_STATX_DONT_SYNC",
    }
    both = "AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC"
    rest = value & ~files.AT_STATX_SYNC_TYPE
    first = names.get(sync, both)
    return f"{first}|{FLAGS['at'].text(rest)}" if rest else first


@shows("*stat")
def stat(call: Call, i: int) -> str:
    """Mode, and the size or the device number."""
    data = call.read(call.values[i], call.task.kernel.arch.stat_size)
    if data is None:
        return address(call.values[i])
    at_mode, at_rdev, at_size = STAT_MEMBERS[call.task.kernel.arch.name]
    value = int.from_bytes(data[at_mode : at_mode + 4], "little")
    if value & S_IFMT in (S_IFCHR, S_IFBLK):
        last = ("st_rdev", dev_text(int.from_bytes(data[at_rdev : at_rdev + 8], "little")))
    else:
        size = int.from_bytes(data[at_size : at_size + 8], "little", signed=True)
        last = ("st_size", str(size))
    if call.detail.verbose:
        return fields(whole_stat(call, data, last))
    return fields((("st_mode", symbolic_mode(value)), last), more=True)


def whole_stat(call: Call, data: bytes, last: tuple[str, str]) -> list[tuple[str, str]]:
    """Every member, as ``-v`` asks; ``last`` is the size or the device."""
    layout, names = STAT_LAYOUTS[call.task.kernel.arch.name]
    found = dict(zip(names.split(), layout.unpack(data[: layout.size]), strict=True))
    shown = [("st_dev", dev_text(found["dev"])), ("st_ino", str(found["ino"]))]
    shown.append(("st_mode", symbolic_mode(found["mode"])))
    shown += [(f"st_{n}", str(found[n])) for n in ("nlink", "uid", "gid", "blksize", "blocks")]
    shown.append(last)
    for which in ("atime", "mtime", "ctime"):
        seconds, rest = found[which], found[f"{which}_nsec"]
        shown.append((f"st_{which}", f"{seconds} /* {calendar(seconds, rest)} */"))
        shown.append((f"st_{which}_nsec", str(rest)))
    return shown


@shows("*statx")
def statx(call: Call, i: int) -> str:
    """Mask, attributes, mode and size."""
    found = call.unpack(STATX, call.values[i])
    if found is None:
        return address(call.values[i])
    pairs = (
        ("stx_mask", FLAGS["statx_mask"].text(found[0])),
        ("stx_attributes", FLAGS["statx_attributes"].text(found[2])),
        ("stx_mode", symbolic_mode(found[6])),
        ("stx_size", str(found[8])),
    )
    if call.detail.verbose:
        return fields(whole_statx(found))
    return fields(pairs, more=True)


def whole_statx(found: tuple[int, ...]) -> list[tuple[str, str]]:
    """Every member, as ``-v`` asks, in strace's order."""
    mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, known, *rest = found
    shown = [
        ("mask", FLAGS["statx_mask"].text(mask)),
        ("blksize", str(blksize)),
        ("attributes", FLAGS["statx_attributes"].text(attributes)),
        ("nlink", str(nlink)),
        ("uid", str(uid)),
        ("gid", str(gid)),
        ("mode", symbolic_mode(mode)),
        ("ino", str(ino)),
        ("size", str(size)),
        ("blocks", str(blocks)),
        ("attributes_mask", FLAGS["statx_attributes"].text(known)),
    ]
    for index, which in enumerate(("atime", "btime", "ctime", "mtime")):
        seconds, nanoseconds = rest[2 * index : 2 * index + 2]
        pair_ = (("tv_sec", str(seconds)), ("tv_nsec", str(nanoseconds)))
        note = f" /* {calendar(seconds, nanoseconds)} */" if seconds else ""
        shown.append((which, fields(pair_) + note))
    devices = ("rdev_major", "rdev_minor", "dev_major", "dev_minor")
    shown += zip(devices, map(str, rest[8:12]), strict=True)
    shown.append(("mnt_id", f"{rest[12]:#x}"))
    return [(f"stx_{name}", text) for name, text in shown]


@shows("*statfs")
def statfs(call: Call, i: int) -> str:
    """Every member."""
    found = call.unpack(STATFS, call.values[i])
    if found is None:
        return address(call.values[i])
    kind, bsize, blocks, free, available, inodes, free_inodes, one, two, *rest = found
    fsid = ", ".join(hexadecimal(word & 0xFFFFFFFF) for word in (one, two))
    return fields(
        (
            ("f_type", CONSTANTS["fs_type"].text(kind)),
            ("f_bsize", str(bsize)),
            ("f_blocks", str(blocks)),
            ("f_bfree", str(free)),
            ("f_bavail", str(available)),
            ("f_files", str(inodes)),
            ("f_ffree", str(free_inodes)),
            ("f_fsid", f"{{val=[{fsid}]}}"),
            ("f_namelen", str(rest[0])),
            ("f_frsize", str(rest[1])),
            ("f_flags", FLAGS["statfs"].text(rest[2])),
        )
    )


@shows("*dirents")
def dirents(call: Call, i: int) -> str:
    """How many entries there are."""
    data = call.read(call.values[i], call.result or 0) or b""
    count = offset = 0
    while offset + DIRENT64.size - 1 <= len(data):
        length = int.from_bytes(data[offset + 16 : offset + 18], "little")
        if not length:
            break
        count, offset = count + 1, offset + length
    return f"{address(call.values[i])} /* {count} entr{'ies' if count != 1 else 'y'} */"


@shows("*pipe_fds")
def pipe_fds(call: Call, i: int) -> str:
    """The two new descriptors."""
    data = call.read(call.values[i], 8)
    if data is None:
        return address(call.values[i])
    return sequence(str(int.from_bytes(data[n : n + 4], "little", signed=True)) for n in (0, 4))


@shows("*open_how")
def open_how(call: Call, i: int) -> str:
    """Flags, mode, resolve."""
    found = call.unpack(OPEN_HOW, call.values[i]) if call.value(i + 1) >= OPEN_HOW.size else None
    if found is None:
        return address(call.values[i])
    flags = call.task.kernel.arch.open_flags_in(found[0])
    pairs = [("flags", open_flags_text(flags))]
    if found[1] or flags & (O_CREAT | O_TMPFILE_BIT):
        pairs.append(("mode", mode_bits(found[1])))
    pairs.append(("resolve", FLAGS["resolve"].text(found[2])))
    return fields(pairs)


# --- offsets -------------------------------------------------------------------------------------


def offset_text(call: Call, where: int) -> str:
    """``[3]``: an offset in memory."""
    data = call.read(where, 8)
    if data is None:
        return address(where)
    return f"[{int.from_bytes(data, 'little', signed=True)}]"


@shows("*offset")
def offset(call: Call, i: int) -> str:
    """An offset the kernel reads."""
    return offset_text(call, call.values[i])


@shows("*offset_inout", early=True)
def offset_inout(call: Call, i: int) -> str:
    """An offset that moves; shown as it was before."""
    return offset_text(call, call.values[i])


# --- fcntl ---------------------------------------------------------------------------------------

_DECIMAL = (files.F_DUPFD, files.F_DUPFD_CLOEXEC, files.F_SETOWN, files.F_SETPIPE_SZ)
_WITHOUT = (
    files.F_GETFD,
    files.F_GETFL,
    files.F_GETOWN,
    files.F_GETSIG,
    files.F_GETLEASE,
    files.F_GETPIPE_SZ,
    files.F_GET_SEALS,
)
_SET_LOCK = (files.F_SETLK, files.F_SETLKW, files.F_OFD_SETLK, files.F_OFD_SETLKW)
_GET_LOCK = (files.F_GETLK, files.F_OFD_GETLK)


def _fcntl_late(call: Call, i: int) -> bool:
    return call.values[1] in (*_GET_LOCK, files.F_GETOWN_EX)


@shows("fcntl_arg", late_if=_fcntl_late)
def fcntl_arg(call: Call, i: int) -> str | None:
    """The third argument of fcntl(2), as the command has it."""
    command, value = call.values[1], call.values[i]
    if command in _WITHOUT:
        return None
    if command in _DECIMAL:
        return str((value & 0x7FFFFFFF) - (value & 0x80000000))
    if command == files.F_SETFD:
        return FLAGS["fd"].text(value)
    if command == files.F_SETFL:
        return open_flags_text(call.task.kernel.arch.open_flags_in(value & 0xFFFFFFFF))
    if command == files.F_ADD_SEALS:
        return FLAGS["seals"].text(value)
    if command == files.F_SETSIG:
        return signal_text(value)
    if command == files.F_SETLEASE:
        return CONSTANTS["lock_type"].text(value)
    if command in (*_SET_LOCK, *_GET_LOCK):
        return _lock(call, value, with_pid=command in _GET_LOCK)
    if command in (files.F_SETOWN_EX, files.F_GETOWN_EX):
        return _owner(call, value)
    return hexadecimal(value)


def _lock(call: Call, where: int, *, with_pid: bool) -> str:
    found = call.unpack(FLOCK, where) if not call.failed or not with_pid else None
    if found is None:
        return address(where)
    kind, whence, start, length, pid = found
    pairs = [
        ("l_type", CONSTANTS["lock_type"].text(kind)),
        ("l_whence", CONSTANTS["whence"].text(whence)),
        ("l_start", str(start)),
        ("l_len", str(length)),
    ]
    return fields([*pairs, ("l_pid", str(pid))] if with_pid else pairs)


def _owner(call: Call, where: int) -> str:
    data = call.read(where, 8)
    if data is None or (call.failed and call.values[1] == files.F_GETOWN_EX):
        return address(where)
    kind, pid = (int.from_bytes(data[n : n + 4], "little", signed=True) for n in (0, 4))
    return fields((("type", CONSTANTS["owner"].text(kind)), ("pid", str(pid))))


# --- poll and select: arguments on entry, what happened behind the result ------------------------


@shows("*pollfds", early=True)
def pollfds(call: Call, i: int) -> str:
    """Descriptors and the events asked for."""
    where, count = call.values[i], call.value(i + 1)
    if not count:
        return "[]" if where else "NULL"
    shown: list[str] = []
    for index in range(min(count, ARRAY_LIMIT)):
        found = call.unpack(POLLFD, where + index * POLLFD.size)
        if found is None:
            return sequence([*shown, "..."]) if shown else address(where)
        fd, events, _ = found
        pairs = [("fd", describe_fd(call, fd))]
        if fd >= 0:
            pairs.append(("events", FLAGS["poll"].text(events)))
        shown.append(fields(pairs))
    return sequence([*shown, "..."] if count > ARRAY_LIMIT else shown)


def poll_note(call: Call) -> str:
    """``([{fd=3, revents=POLLIN}], left {...})`` or ``(Timeout)``."""
    if call.result == 0:
        return " (Timeout)"
    if call.failed:
        return ""
    where, count = call.values[0], call.values[1]
    shown = []
    for index in range(min(count, 4096)):
        found = call.unpack(POLLFD, where + index * POLLFD.size)
        if found is None:
            break
        if found[2]:
            revents = FLAGS["poll"].text(found[2])
            shown.append(fields((("fd", str(found[0])), ("revents", revents))))
    text = sequence([*shown[:ARRAY_LIMIT], "..."] if len(shown) > ARRAY_LIMIT else shown)
    left = ""
    if call.name == "ppoll" and call.values[2]:
        left = ", left " + pair(call, call.values[2], TIMESPEC, "nsec")
    return f" ({text}{left})"


def fd_set_text(call: Call, where: int) -> str | None:
    """``[0 3]``, or None where it cannot be read."""
    count = min(call.values[0], FD_SETSIZE)
    if count < 0:
        return None
    data = call.read(where, (count + 63) // 64 * 8)
    if data is None:
        return None
    bits = int.from_bytes(data, "little") & (1 << count) - 1
    return "[" + " ".join(str(n) for n in range(bits.bit_length()) if bits >> n & 1) + "]"


@shows("*fd_set", early=True)
def fd_set(call: Call, i: int) -> str:
    """A set of descriptors, as asked for."""
    if not call.values[i]:
        return "NULL"
    return fd_set_text(call, call.values[i]) or address(call.values[i])


@shows("*pselect_mask")
def pselect_mask(call: Call, i: int) -> str:
    """pselect6's last argument: a mask and its size."""
    data = call.read(call.values[i], 16)
    if data is None:
        return address(call.values[i])
    where, size = (int.from_bytes(data[n : n + 8], "little") for n in (0, 8))
    mask = call.read(where, 8) if size == 8 else None
    text = address(where) if mask is None else mask_text(int.from_bytes(mask, "little"))
    return fields((("sigmask", text), ("sigsetsize", str(size))))


def select_note(call: Call) -> str:
    """``(in [3], left {...})`` or ``(Timeout)``."""
    if call.result == 0:
        return " (Timeout)"
    if call.failed:
        return ""
    parts = []
    for label, where in zip(("in", "out", "except"), call.values[1:4], strict=True):
        found = fd_set_text(call, where) if where else None
        if found is not None and found != "[]":
            parts.append(f"{label} {found}")
    if call.values[4]:
        layout, unit = (TIMEVAL, "usec") if call.name == "select" else (TIMESPEC, "nsec")
        parts.append("left " + pair(call, call.values[4], layout, unit))
    return f" ({', '.join(parts)})" if parts else ""
