"""The simple character devices: null, zero, full, random, urandom.  See null(4), random(4).

Terminals register from ``kernel.views``; ``kernel.fs.devfs`` makes the nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from kernel.abi.errors import EINVAL, ENOSPC, EPERM
from kernel.abi.files import O_NONBLOCK
from kernel.cred import CAP_SYS_ADMIN
from kernel.mm.buffer import Buffer
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.devices import DeviceRegistry
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile

MEM_MAJOR: Final = 1
NULL: Final = 3
ZERO: Final = 5
FULL: Final = 7
RANDOM: Final = 8
URANDOM: Final = 9
RNDGETENTCNT: Final = 0x80045200
POOL_BITS: Final = 256

_CHUNK: Final = bytes(1 << 16)
RandomBytes = Callable[[int], bytes]
DISCARD: Final = 1 << 16
RANDOM_MAX: Final = (1 << 25) - 1
"""What one call gives: 32 MiB less a byte.  See random(4), getrandom(2)."""


class MemoryDevice(OpenFile):
    """What these devices share: seeking does nothing, O_NONBLOCK changes nothing."""

    __slots__ = ()

    @property
    def seekable(self) -> bool:
        return True

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """Linux's null_lseek: always at 0."""
        self.pos = 0
        return 0

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Everything is taken; not even looked at, so that a bad address does not matter."""
        count = buf.remaining
        buf.advance(count)
        return count


class NullFile(MemoryDevice):
    """/dev/null: always at the end."""

    __slots__ = ()

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        return 0


class ZeroFile(MemoryDevice):
    """/dev/zero: zero bytes without end."""

    __slots__ = ()

    maps_anonymous = True

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        done = 0
        while buf.remaining:
            want = min(buf.remaining, len(_CHUNK))
            moved = buf.put(_CHUNK if want == len(_CHUNK) else _CHUNK[:want])
            done += moved
            if moved < want:
                break
        return done


class FullFile(ZeroFile):
    """/dev/full: a disk without room."""

    __slots__ = ()

    maps_anonymous = False

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        raise ENOSPC("/dev/full is full, that is what it is for")


class RandomFile(OpenFile):
    """/dev/random and /dev/urandom: the machine's generator, which is always ready."""

    __slots__ = ("_random",)

    def __init__(self, inode: Inode, path: Path, flags: int, random: RandomBytes) -> None:
        super().__init__(inode, path, flags)
        self._random = random

    @property
    def seekable(self) -> bool:
        return True

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """noop_llseek: the position stays."""
        return self.pos

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """At most RANDOM_MAX bytes at once, as random(4) has it."""
        done = 0
        while want := min(buf.remaining, DISCARD, RANDOM_MAX - done):
            moved = buf.put(self._random(want))
            done += moved
            if moved < want:
                break
        return done

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Mixing input in never harms; our generator needs none, so it is read and dropped."""
        done = 0
        while buf.remaining:
            data = buf.take(DISCARD)
            if not data:
                break
            done += len(data)
        return done

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int:
        """RNDGETENTCNT; the others change the pool and are for CAP_SYS_ADMIN."""
        if cmd == RNDGETENTCNT:
            caller.mem.write(arg, POOL_BITS.to_bytes(4, "little"))
            return 0
        if cmd >> 8 & 0xFF == ord("R") and not caller.cred.capable(CAP_SYS_ADMIN):
            raise EPERM("the request needs CAP_SYS_ADMIN")
        raise EINVAL("the device does not know request %#x", cmd)


def register_memory_devices(devices: DeviceRegistry, random: RandomBytes) -> None:
    """Make major 1 work.  ``random(n)``: n bytes of the machine's generator."""
    devices.register(MEM_MAJOR, NULL, b"mem", partial(_open, NullFile))
    devices.register(MEM_MAJOR, ZERO, b"mem", partial(_open, ZeroFile))
    devices.register(MEM_MAJOR, FULL, b"mem", partial(_open, FullFile))
    devices.register(MEM_MAJOR, RANDOM, b"mem", partial(_open_random, random))
    devices.register(MEM_MAJOR, URANDOM, b"mem", partial(_open_random, random))


def _open(kind: type[OpenFile], caller: Caller, inode: Inode, path: Path, flags: int) -> OpenFile:
    return kind(inode, path, flags)


def _open_random(
    random: RandomBytes, caller: Caller, inode: Inode, path: Path, flags: int
) -> OpenFile:
    return RandomFile(inode, path, flags & ~O_NONBLOCK, random)
