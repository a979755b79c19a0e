"""Structures that cross the user boundary with the same layout on x86_64 and aarch64.

Each is a ``struct.Struct`` in native little-endian, natural alignment written out; the comment
names the fields in order.  Handlers use them with ``mem.unpack(TIMESPEC, addr)`` and
``mem.pack(TIMESPEC, addr, seconds, nanoseconds)``.  What differs per CPU (stat, epoll_event, signal
frames) is in ``kernel.arch``.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

INT: Final = Struct("<i")
UINT: Final = Struct("<I")
LONG: Final = Struct("<q")
ULONG: Final = Struct("<Q")

# time(7)
TIMESPEC: Final = Struct("<qq")  # tv_sec, tv_nsec
TIMEVAL: Final = Struct("<qq")  # tv_sec, tv_usec
TIMEZONE: Final = Struct("<ii")  # tz_minuteswest, tz_dsttime
ITIMERSPEC: Final = Struct("<qqqq")  # interval sec, nsec; value sec, nsec
SIGEVENT: Final = Struct("<Qiii44x")  # timer_create(2): value, signo, notify, thread id
ITIMERVAL: Final = Struct("<qqqq")  # interval sec, usec; value sec, usec
TMS: Final = Struct("<qqqq")  # utime, stime, cutime, cstime (clock ticks)
UTIMBUF: Final = Struct("<qq")  # actime, modtime
TIMEX: Final = Struct("<I4x4qi4x8qi4x5qi44x")  # clock_adjtime(2)

# readv(2), poll(2), select(2)
IOVEC: Final = Struct("<QQ")  # iov_base, iov_len
POLLFD: Final = Struct("<ihh")  # fd, events, revents
SIGSET_ARGPACK: Final = Struct("<QQ")  # pselect6's sixth argument: address and size of the mask

# getrlimit(2), getrusage(2)
RLIMIT: Final = Struct("<QQ")  # rlim_cur, rlim_max
RUSAGE: Final = Struct("<4q14q")  # utime, stime (two words each), maxrss, ..., nvcsw, nivcsw

# uname(2), sysinfo(2): utsname is sysname, nodename, release, version, machine, domainname
UTSNAME: Final = Struct("<65s65s65s65s65s65s")
# uptime, loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap, procs, pad,
# totalhigh, freehigh, mem_unit
SYSINFO: Final = Struct("<q3QQQQQQQHH4xQQI4x")

# termios(3) as the kernel has it: iflag, oflag, cflag, lflag, line, cc[19]
TERMIOS: Final = Struct("<IIIIB19s")
TERMIOS2: Final = Struct("<IIIIB19sII")  # ... ispeed, ospeed
TERMIO: Final = Struct("<HHHHB8sx")  # the old 16-bit form, 8 control characters
WINSIZE: Final = Struct("<HHHH")  # rows, columns, x pixels, y pixels

# sigaction(2): the kernel's struct, not the C library's: handler, flags, restorer, mask
SIGACTION: Final = Struct("<QQQQ")
SIGSET: Final = Struct("<Q")
STACK_T: Final = Struct("<Qi4xQ")  # ss_sp, ss_flags, ss_size
SIGINFO_SIZE: Final = 128

# fcntl(2): l_type, l_whence, l_start, l_len, l_pid; f_owner_ex: type, pid
FLOCK: Final = Struct("<hh4xqqi4x")
F_OWNER_EX: Final = Struct("<ii")

# statfs(2): type, bsize, blocks, bfree, bavail, files, ffree, fsid (two), namelen, frsize, flags
STATFS: Final = Struct("<qqQQQQQiiqqq32x")

# statx(2): mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, attributes_mask,
# four times (sec, nsec): atime, btime, ctime, mtime; rdev, dev (major, minor each), mnt_id,
# dio_mem_align, dio_offset_align
STATX: Final = Struct("<IIQIIIH2xQQQQ" + "qI4x" * 4 + "IIIIQII96x")

# getdents64(2): ino, off, reclen, type; the name and its NUL follow
DIRENT64: Final = Struct("<QqHB")

# openat2(2), clone3(2)
OPEN_HOW: Final = Struct("<QQQ")  # flags, mode, resolve
# flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
# cgroup
CLONE_ARGS: Final = Struct("<11Q")
CLONE_ARGS_SIZE_VER0: Final = 64

# capget(2): version, pid; then one or two of effective, permitted, inheritable
CAP_HEADER: Final = Struct("<Ii")
CAP_DATA: Final = Struct("<III")

# set_robust_list(2): list, futex_offset, list_op_pending
ROBUST_LIST_HEAD: Final = Struct("<QqQ")

# sched_setscheduler(2)
SCHED_PARAM: Final = Struct("<i")


def dirent64(ino: int, offset: int, kind: int, name: bytes) -> bytes:
    """One record of getdents64(2), padded to eight bytes."""
    length = DIRENT64.size + len(name) + 1 + 7 & ~7
    return (DIRENT64.pack(ino, offset, length, kind) + name).ljust(length, b"\0")
