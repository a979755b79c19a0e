"""Arguments by kind: good ones, which may work, and bad ones, which should be refused.

A pointer needs a place.  Each task has an *arena*: pages that can be read and written, one page
per argument, then a page that can only be read, then nothing.  A good pointer leads to a slot with
sensible contents, a bad one to the edges of the arena or nowhere.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernel.abi import structs
from kernel.abi.errors import KernelError
from syscalls.declare import Declaration
from syscalls.kinds import Kind
from tools.tracer import calls  # noqa: F401  # registers every table of names
from tools.tracer.names import CONSTANTS, FLAGS

if TYPE_CHECKING:
    from kernel.task.task import Task

PAGE = 4096
ARENA = 0x1000_0000
SLOTS = 12
READ_ONLY = ARENA + SLOTS * PAGE
END = READ_ONLY + PAGE
WORD = (1 << 64) - 1
NOWHERE = (0, 1, 8, END, END + 100 * PAGE, 0x7FFF_FFFF_F000, 1 << 47, 1 << 63, WORD, WORD - 4095)
NUMBERS = (0, 1, 2, 3, 7, 8, 16, 24, 64, 100, 4095, 4096, 4097, 65536, 1 << 20)
EXTREMES = (1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 62, 1 << 63, WORD, WORD - 1)
PATHS = (
    b"/tmp/a", b"/tmp/b", b"/tmp/c", b"a", b"b", b"d", b"/tmp/d", b"/tmp/d/a", b"/tmp/e", b"d/b",
    b"/tmp/link", b"/tmp", b"/", b".", b"..", b"/dev/null", b"/dev/zero", b"/dev/full",
    b"/etc/passwd", b"/proc/self/status", b"/proc/self/maps", b"/proc/self/fd",
    b"/proc/self/fd/3", b"/bin/prog",
    b"/tmp/fifo", b"/dev/tty", b"/dev/shm/x", b"/proc", b"/tmp/t", b"/dev/ptmx",
)  # fmt: skip
BAD_PATHS = (b"", b"/nonexistent/x", b"/tmp/a/", b"/etc/passwd/x", b"x" * 256, b"/" + b"y/" * 2100)
FILES_OF = {
    "sockets": "sock",
    "messages": "sock",
    "epoll": "epoll",
    "timerfd": "timer",
    "pidfd": "pidf",
    "mqueue": "mqueue",
    "inotify": "inotify",
    "splice": "pipe",
}
"""Family of calls to a part of the name of the class of files it works on."""
NAMES = (b"user.a", b"user.a", b"user.a", b"user.b", b"name", b"trusted.x", b"security.y", b"bogus")


@dataclass
class Slot:
    """A place for one argument's contents; ``next_value`` is what the argument after it needs."""

    address: int
    next_value: int | None = None


class Values:
    """Draws arguments for one call of one task."""

    def __init__(self, source: random.Random, task: Task) -> None:
        self.random = source
        self.task = task
        self._slot = 0
        self._hint: int | None = None
        self._family = ""

    def arguments(self, declaration: Declaration) -> list[int]:
        """One value per parameter."""
        mood = self.random.random()
        chance = 1.0 if mood < 0.6 else 0.75 if mood < 0.9 else 0.0
        self._slot = 0
        self._family = declaration.family
        values = []
        for _, kind in declaration.parameters:
            good = self.random.random() < chance
            hint, self._hint = self._hint, None
            if good and hint is not None and not kind.is_pointer:
                values.append(hint)
            elif good:
                values.append(self.good(kind) & WORD)
            else:
                values.append(self.bad(kind) & WORD)
        return values

    # -- by kind ---------------------------------------------------------------------------------

    def with_bad_pointer(self, declaration: Declaration, index: int, address: int) -> list[int]:
        """Good arguments, but for one pointer."""
        self._slot = 0
        self._family = declaration.family
        values = []
        for position, (_, kind) in enumerate(declaration.parameters):
            hint, self._hint = self._hint, None
            value = hint if hint is not None and not kind.is_pointer else self.good(kind)
            values.append(address if position == index else value & WORD)
        return values

    def good(self, kind: Kind) -> int:
        """A value the call may accept."""
        maker = MAKERS.get(kind.show)
        if maker is not None:
            return maker(self)
        family, _, table = kind.show.partition(":")
        if family == "flags":
            return self._flags([bits for bits, _ in FLAGS[table].members])
        if family == "const":
            return self.random.choice(sorted(CONSTANTS[table].by_value))
        if kind.is_pointer:
            return self.place(bytes(256))
        return 0 if self.random.random() < 0.3 else self.random.choice(NUMBERS)

    def bad(self, kind: Kind) -> int:
        """A value that is wrong, or on the edge."""
        if kind.is_pointer or kind.show == "addr":
            if self.random.random() < 0.4:
                return self.edge(self.random.choice((1, 4, 8, 16, 24, 32, 64, 128, 144, 256)))
            return self.random.choice(NOWHERE)
        choices = (*EXTREMES, self.random.getrandbits(64), self.random.getrandbits(32))
        return self.random.choice(choices)

    def edge(self, size: int) -> int:
        """An address where ``size`` bytes just fit, or just do not; or that cannot be written."""
        return self.random.choice((END - size, END - size + 1, READ_ONLY - size + 1, ARENA - 1))

    def place(self, content: bytes, next_value: int | None = None) -> int:
        """Put contents into the next slot and return its address."""
        address = ARENA + (self._slot % SLOTS) * PAGE
        self._slot += 1
        try:
            self.task.mem.write(address, content)
        except KernelError:
            return address
        self._hint = next_value
        return address

    def _flags(self, bits: list[int]) -> int:
        amount = self.random.choice((0, 0, 1, 1, 1, 2, 3))
        value = 0
        for _ in range(min(amount, len(bits))):
            value |= self.random.choice(bits)
        return value

    # -- makers ----------------------------------------------------------------------------------

    def fd(self) -> int:
        """Usually an open descriptor, of the kind this family of calls is about."""
        wanted = FILES_OF.get(self._family, "")
        everything, fitting = [], []
        for fd, file, *_ in self.task.fds.items():
            everything.append(fd)
            if wanted and wanted in type(file).__name__.lower():
                fitting.append(fd)
        if fitting and self.random.random() < 0.8:
            return self.random.choice(fitting)
        return self.random.choice(everything) if everything else 0

    def dirfd(self) -> int:
        """AT_FDCWD more often than not."""
        return -100 if self.random.random() < 0.6 else self.fd()

    def path(self) -> int:
        """A name that may exist."""
        mood = self.random.random()
        chosen = BAD_PATHS if mood < 0.1 else PATHS[:2] if mood < 0.3 else PATHS
        return self.place(self.random.choice(chosen) + b"\0")

    def name(self) -> int:
        """An attribute's or a file system's name."""
        return self.place(self.random.choice((*NAMES, b"tmpfs", b"tmpfs")) + b"\0")

    def buffer(self) -> int:
        """Bytes, and a size for the next argument."""
        size = self.random.choice((0, 1, 5, 8, 64, 100, 512, 2048))
        return self.place(self.random.randbytes(size) or b"\0", size)

    def out_buffer(self) -> int:
        """Room, and a size for the next argument."""
        return self.place(b"\0", self.random.choice((0, 1, 8, 32, 64, 100, 512, 1024, 4096)))

    def iovec(self) -> int:
        """An array of up to four ranges, and its length."""
        count = self.random.choice((0, 1, 1, 2, 3, 4))
        data = b""
        for _ in range(count):
            base = ARENA + self.random.randrange(SLOTS) * PAGE
            data += structs.IOVEC.pack(base, self.random.choice((0, 1, 10, 100, 4096)))
        return self.place(data or b"\0", count)

    def pollfds(self) -> int:
        """An array of descriptors, and its length."""
        count = self.random.choice((0, 1, 2, 3))
        events = (1, 4, 5, 0x2000)
        data = b"".join(
            structs.POLLFD.pack(self.fd(), self.random.choice(events), 0) for _ in range(count)
        )
        return self.place(data or b"\0", count)

    def fd_set(self) -> int:
        """NULL or a few descriptors."""
        if self.random.random() < 0.4:
            return 0
        bits = sum({1 << min(self.fd(), 500) for _ in range(2)})
        return self.place(bits.to_bytes(128, "little"))

    def time(self) -> int:
        """NULL or a short time, as seconds and nanoseconds or microseconds."""
        if self.random.random() < 0.2:
            return 0
        seconds = self.random.choice((0, 0, 0, 1_800_000_000))
        return self.place(
            struct.pack("<4q", seconds, self.random.choice((0, 1000, 999999)), 0, 500)
        )

    def mask(self) -> int:
        """NULL or a signal mask, with its size."""
        if self.random.random() < 0.2:
            self._hint = 8
            return 0
        return self.place(self.random.getrandbits(64).to_bytes(8, "little"), 8)

    def action(self) -> int:
        """NULL, default, ignore or a handler."""
        if self.random.random() < 0.2:
            return 0
        handler = self.random.choice((0, 0, 1, 1, 0x401000))
        flags = self.random.choice((0, 0x04000000, 0x14000004, 0x44000000, 0x84000000))
        return self.place(structs.SIGACTION.pack(handler, flags, 0x401000, 0))

    def signal(self) -> int:
        """A signal that does not kill too often."""
        return self.random.choice((0, 1, 10, 12, 14, 17, 18, 19, 20, 23, 28, 34, 64))

    def pid(self) -> int:
        """A task that may exist, oneself, or a group."""
        tids = [tid for tid in sorted(self.task.kernel.tasks) if tid != 1]
        group = self.task.group.pgrp.number if hasattr(self.task.group.pgrp, "number") else 0
        return self.random.choice((0, self.task.tgid, self.task.tid, -1, -group, *tids))

    def user(self) -> int:
        """Mostly root, or no change."""
        return self.random.choice((0, 0, 0, WORD, 1000, 1))

    def open_flags(self) -> int:
        """Access mode and a flag or two, in this CPU's numbering."""
        flags = self.random.choice((0, 1, 2, 2)) | self._flags(
            [0o100, 0o100, 0o200, 0o1000, 0o2000, 0o4000, 0o200000, 0o400000, 0o2000000, 0o10000000]
        )
        if self.random.random() < 0.05:
            flags = 0o20200002
        return self.task.kernel.arch.open_flags_out(flags)

    def address(self) -> int:
        """Somewhere in or near the arena, page-aligned, or 0."""
        choices = (0, 0, ARENA + 0x100000, ARENA + 0x200000, ARENA, ARENA + PAGE)
        return self.random.choice(choices)

    def map_flags(self) -> int:
        """Private or shared, usually anonymous."""
        return self.random.choice((0x22, 0x22, 0x21, 0x2, 0x1, 0x4022, 0x32, 0x8022, 0x100022))

    def strings(self) -> int:
        """A short argv."""
        first = self.place(b"prog\0arg\0")
        return self.place(struct.pack("<3Q", first, first + 5, 0))

    def clone_flags(self) -> int:
        """What fork, vfork and threads ask for, and pieces of it."""
        forms = (17, 17, 0x1200011, 0x4111, 0x4000 | 17, 0x50F00, 0x50F00, 0x3D0F00, 0x7D0F00)
        return self.random.choice((*forms, 0x900 | 17, 0))

    def clone_args(self) -> int:
        """clone3's structure."""
        flags = self.random.choice((0, 0, 0x4100, 0x50F00, 0x50F00, 0x100000000, 0x900))
        signal = 17 if not flags & 0x10000 or self.random.random() < 0.1 else 0
        stack = self.random.choice((0, ARENA))
        size = self.random.choice((64, 80, 88, 88))
        fields = (flags, 0, ARENA, ARENA + 64, signal, stack, 4096 if stack else 0, 0, 0, 0, 0)
        return self.place(structs.CLONE_ARGS.pack(*fields), size)

    def sched_attr(self) -> int:
        """An ordinary policy and a nice value; the size is for sched_getattr."""
        policy = self.random.choice((0, 0, 3, 5, 6))
        attributes = struct.pack("<IIQiI", 48, policy, self.random.choice((0, 1)), 3, 0)
        return self.place(attributes.ljust(64, b"\0"), 48)

    def waitv(self) -> int:
        """One or two words that are 0 unless somebody has written to them."""
        count = self.random.choice((1, 2))
        words = [struct.pack("<QQII", 0, ARENA + 64 * i, 0x82, 0) for i in range(count)]
        return self.place(b"".join(words), count)

    def limit(self) -> int:
        """NULL or a limit that leaves room."""
        if self.random.random() < 0.5:
            return 0
        return self.place(structs.RLIMIT.pack(self.random.choice((64, 1 << 23, WORD)), WORD))

    def offset_pointer(self) -> int:
        """NULL or a small offset."""
        if self.random.random() < 0.5:
            return 0
        return self.place(structs.LONG.pack(self.random.choice((0, 1, 100))))

    def how(self) -> int:
        """openat2's structure."""
        flags = self.open_flags() & 0o3
        resolve = self.random.choice((0, 0, 1, 2, 4, 8, 16))
        return self.place(structs.OPEN_HOW.pack(flags, 0, resolve), 24)

    def cap_header(self) -> int:
        """A version, and oneself or somebody else."""
        version = self.random.choice((0x20080522, 0x20080522, 0x19980330, 5))
        pid = self.random.choice((0, 0, self.task.tid, 1, 999, -1))
        return self.place(structs.CAP_HEADER.pack(version, pid))

    def groups(self) -> int:
        """A few numbers."""
        return self.place(struct.pack("<4I", 1, 2, 3, 4))

    def flock(self) -> int:
        """A lock for fcntl, or a small number."""
        if self.random.random() < 0.5:
            return self.random.choice((0, 1, 2, 10, 0o4000, 4096))
        kind = self.random.choice((0, 1, 2))
        return self.place(structs.FLOCK.pack(kind, 0, 0, self.random.choice((0, 10)), 0))

    def memory_limit(self) -> int:
        """A priority in memory."""
        return self.place(structs.INT.pack(0))

    def siginfo(self) -> int:
        """siginfo of sigqueue."""
        return self.place(struct.pack("<iiii", 0, 0, -1, 0).ljust(128, b"\0"))

    def altstack(self) -> int:
        """NULL, a stack, or none."""
        if self.random.random() < 0.3:
            return 0
        flags = self.random.choice((0, 2))
        return self.place(structs.STACK_T.pack(ARENA, flags, 8 * PAGE))


MAKERS: dict[str, Callable[[Values], int]] = {
    "fd": Values.fd,
    "dirfd": Values.dirfd,
    "*path": Values.path,
    "*string": Values.name,
    "*strings": Values.strings,
    "*environ": Values.strings,
    "*bytes": Values.buffer,
    "*bytes_out": Values.out_buffer,
    "*path_out": Values.out_buffer,
    "*dirents": Values.out_buffer,
    "*iovec": Values.iovec,
    "*iovec_out": Values.iovec,
    "*pollfds": Values.pollfds,
    "*fd_set": Values.fd_set,
    "*timespec": Values.time,
    "*timeval": Values.time,
    "*timespec_pair": Values.time,
    "*timeval_pair": Values.time,
    "*itimerval": Values.time,
    "*timespec_remain": Values.time,
    "*sigset": Values.mask,
    "*sigaction": Values.action,
    "*altstack": Values.altstack,
    "*siginfo": Values.siginfo,
    "signal": Values.signal,
    "pid": Values.pid,
    "uid": Values.user,
    "open_flags": Values.open_flags,
    "addr": Values.address,
    "map_flags": Values.map_flags,
    "clone_flags": Values.clone_flags,
    "*clone_args": Values.clone_args,
    "*sched_attr": Values.sched_attr,
    "*futex_waitv": Values.waitv,
    "*rlimit": Values.limit,
    "*offset": Values.offset_pointer,
    "*offset_inout": Values.offset_pointer,
    "*open_how": Values.how,
    "*cap_header": Values.cap_header,
    "*groups": Values.groups,
    "fcntl_arg": Values.flock,
    "*sched_param": Values.memory_limit,
    "*cpu_mask": lambda values: values.place(structs.LONG.pack(1)),
    "mode": lambda values: values.random.choice((0o644, 0o755, 0o600, 0o777, 0)),
    "node_mode": lambda values: values.random.choice((0o010644, 0o100644, 0o020666, 0o140777)),
    "ioctl_cmd": lambda values: values.random.choice(
        (0x5401, 0x5402, 0x5413, 0x5414, 0x541B, 0x5421, 0x5450, 0x5451, 0x540F, 0x5410, 0x80045430)
    ),
    "personality": lambda values: values.random.choice((WORD, 0, 0x40000)),
    "clock_id": lambda values: values.random.choice((0, 1, 4, 5, 6, 7, 11)),
    "access_mode": lambda values: values.random.randrange(8),
    "futex_op": lambda values: values.random.choice((0, 1, 128, 129)),
    "sched_policy": lambda values: values.random.choice((0, 0, 3, 5, 1)),
    "prctl_arg": lambda values: values.random.choice((0, 1, 2, 9, ARENA)),
    "arch_prctl_arg": lambda values: ARENA,
    "ioctl_arg": lambda values: values.random.choice((0, 1, ARENA)),
    "statx_flags": lambda values: values.random.choice((0, 0x100, 0x1000, 0x800)),
}


def draw(source: random.Random, task: Task, declaration: Declaration) -> list[int]:
    """The arguments of one random call."""
    return Values(source, task).arguments(declaration)


def registers(declaration: Declaration, arch: str, values: list[int]) -> list[int]:
    """Six registers that hold the arguments on this CPU."""
    found: list[Any] = [0] * 6
    for index, value in zip(declaration.registers(arch), values, strict=True):
        found[index] = value
    return found
