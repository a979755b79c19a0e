"""/proc/PID/{cmdline,environ,auxv,maps,mem}.  See proc(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EFAULT, EINVAL, EIO, EOVERFLOW, ESRCH
from kernel.abi.files import S_IFREG, SEEK_CUR, SEEK_SET, major, minor
from kernel.mm.around import Around
from kernel.mm.peek import peek, poke
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.openfile import OpenFile
from kernel.views.procfs.access import check_look

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace, MapEntry
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

PAGE_SIZE: Final = 4096
NAME_COLUMN: Final = 73
MEM_CHUNK: Final = 1 << 16


def cmdline(reader: Task, task: Task) -> bytes:
    """The arguments, each with its NUL; what the program has made of them since.

    A program that writes over the last NUL has renamed itself (setproctitle): then the text goes on
    into the environment, up to the first NUL.
    """
    mm = task.mm
    if mm is None or not mm.arg_end:
        return b""
    arguments = _peek(mm, mm.arg_start, mm.arg_end)
    if not arguments or arguments[-1] == 0:
        return arguments
    end = max(mm.env_end, mm.arg_end) if mm.env_start == mm.arg_end else mm.arg_end
    title = _peek(mm, mm.arg_start, min(end, mm.arg_start + PAGE_SIZE))
    return title.partition(b"\0")[0]


def environ(reader: Task, task: Task) -> bytes:
    """The environment the program was started with, as its memory has it now."""
    check_look(reader, task)
    mm = task.mm
    return _peek(mm, mm.env_start, mm.env_end) if mm is not None else b""


def auxv(reader: Task, task: Task) -> bytes:
    """The auxiliary vector.  See getauxval(3)."""
    check_look(reader, task)
    return task.mm.auxv if task.mm is not None else b""


def _peek(mm: AddressSpace, start: int, end: int) -> bytes:
    """Memory of a process, as far as it is there."""
    if end <= start:
        return b""
    try:
        return mm.user.read(start, end - start)
    except EFAULT:
        return b""


def maps(reader: Task, task: Task) -> bytes:
    """The areas of memory, lowest first."""
    check_look(reader, task)
    if task.mm is None:
        return b""
    return b"".join(map_line(entry) for entry in task.mm.maps())


def map_line(entry: MapEntry) -> bytes:
    """A line of maps."""
    head = (
        f"{entry.start:08x}-{entry.end:08x} {entry.perms} {entry.offset:08x} "
        f"{major(entry.device):02x}:{minor(entry.device):02x} {entry.inode} "
    )
    if not entry.name:
        return head.encode() + b"\n"
    return head.ljust(NAME_COLUMN).encode() + entry.name.replace(b"\n", b"\\012") + b"\n"


class MemNode(Inode):
    """/proc/PID/mem: the memory itself; the offset is the address."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, S_IFREG | 0o600)
        self.task = task

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """The address space is chosen now; after an exec the file still means the old one."""
        check_look(cast("Task", caller), self.task)
        if self.task.mm is None:
            raise ESRCH("process %d has no memory any more", self.task.tgid)
        return MemFile(self, path, flags, self.task.mm)


class MemFile(OpenFile):
    """An open /proc/PID/mem.  It does not keep the memory alive: a dead space reads as nothing."""

    __slots__ = ("mm",)

    def __init__(self, inode: Inode, path: Path, flags: int, mm: AddressSpace) -> None:
        super().__init__(inode, path, flags)
        self.mm = mm

    @property
    def seekable(self) -> bool:
        """The offset is an address."""
        return True

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """Any address is a position; there is no end."""
        if whence == SEEK_CUR:
            offset += self.pos
        elif whence != SEEK_SET:
            raise EINVAL("whence is %d: only SEEK_SET and SEEK_CUR are known", whence)
        if not 0 <= offset < 1 << 63:
            raise EOVERFLOW("%#x is no address of user memory", offset)
        self.pos = offset
        return offset

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Copy out; EIO where nothing is mapped."""
        return self._move(buf, pos, writing=False)

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Copy in; EIO where nothing is mapped or it may not be written."""
        return self._move(buf, pos, writing=True)

    def _move(self, buf: Buffer, pos: int | None, *, writing: bool) -> int:
        if not self.mm.users:
            return 0
        address = self.pos if pos is None else pos
        done = 0
        while buf.remaining and done < MEM_CHUNK:
            step = min(buf.remaining, PAGE_SIZE - (address + done) % PAGE_SIZE)
            if writing:
                moved = poke(self.mm, address + done, buf.take(step))
            else:
                data = peek(self.mm, address + done, step)
                moved = buf.put(data) if data else 0
            done += moved
            if moved < step:
                break
        if not done and buf.remaining:
            raise EIO("%s", Around(self.mm, address, int(writing)))
        if pos is None:
            self.pos = address + done
        return done
