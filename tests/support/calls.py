"""System calls made by hand: through the real stubs, with arguments put into guest memory."""

from __future__ import annotations

from typing import Any

from kernel.abi.files import AT_FDCWD, O_RDONLY
from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from syscalls.table import SyscallTable
from tests.support.files import FakeCaller, FileWorld

SCRATCH = 1 << 20


class Guest:
    """A caller that makes system calls by name on one CPU.

    ``bytes`` arguments become strings in guest memory; ``bytearray`` arguments become buffers that
    hold the guest's memory again after the call.
    """

    def __init__(self, arch: str, uid: int = 0, world: FileWorld | None = None) -> None:
        self.world = world if world is not None else FileWorld(arch=arch, ram=16 << 20)
        self.task: FakeCaller = self.world.caller(uid, uid) if uid else self.world.root
        self.table = SyscallTable(arch)
        self.base = self.task.mm.mmap(
            0, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, None
        )
        self._next = 0
        self.bad = self.base + SCRATCH  # nothing is mapped above

    def place(self, data: bytes) -> int:
        """Put bytes somewhere in guest memory; the address."""
        if self._next + len(data) > SCRATCH:
            self._next = 0
        address = self.base + self._next
        self._next += len(data) + 15 & ~15
        self.task.mem.write(address, data)
        return address

    def __call__(self, name: str, *args: int | bytes | bytearray) -> Any:
        """The call's result; errors are raised, a sleeping call is its generator."""
        words, buffers = [0] * 7, []
        words[0] = self.table.numbers[name]
        for index, argument in enumerate(args, 1):
            if isinstance(argument, bytes):
                words[index] = self.place(argument + b"\0")
            elif isinstance(argument, bytearray):
                words[index] = self.place(bytes(argument))
                buffers.append((words[index], argument))
            else:
                words[index] = argument & (1 << 64) - 1
        trap = memoryview(bytearray(8 * 16)).cast("Q")
        for index, word in enumerate(words):
            trap[index] = word
        result = self.table.entries[words[0]](self.task, trap)
        for address, argument in buffers:
            argument[:] = self.task.mem.read(address, len(argument))
        return result


def opened(guest: Guest, path: bytes, flags: int = O_RDONLY, mode: int = 0o644) -> int:
    """A new descriptor; flags are the common ones and translated for the CPU."""
    raw = guest.world.arch.open_flags_out(flags)
    fd = guest("openat", AT_FDCWD, path, raw, mode)
    assert isinstance(fd, int)
    return fd
