"""/proc/PID as the functions make it: layouts as in proc(5), values that follow the state."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from kernel.abi.errors import EACCES, EINVAL, ENOENT, ESRCH
from kernel.abi.files import S_IFDIR, S_IFMT, S_IFREG
from kernel.cred import Credentials
from kernel.mm.buffer import KernelBuffer
from kernel.task.exit import exit_process, reap
from kernel.task.task import Task
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.fscontext import FsContext
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.mount import MountTable
from kernel.vfs.openfile import OpenFile
from kernel.views.procfs.root import make_procfs
from tests.support.tasks import World


class Proc:
    """A world with /proc mounted as its root."""

    def __init__(self) -> None:
        self.world = World()
        self.task = self.world.program
        self.mounts = MountTable()
        self.sb = make_procfs(self.world.kernel, self.mounts)
        self.mount = self.mounts.mount_root(self.sb)
        self.world.kernel.mounts = self.mounts
        for task in self.world.kernel.tasks.values():
            task.fs = FsContext(self.mounts)
        self.task.comm = b"prog"

    def find(self, path: bytes) -> Inode:
        inode: Inode | None = self.sb.root
        for name in path.split(b"/"):
            assert inode is not None
            inode.refresh()
            inode = inode.lookup(name)
            if inode is None:
                raise ENOENT(repr(path))
        assert inode is not None
        inode.refresh()
        return inode

    def open(self, path: bytes, reader: Task | None = None, flags: int = 0) -> OpenFile:
        inode = self.find(path)
        place = Path(self.mount, Dentry(path, None, inode))
        return cast(OpenFile, inode.open(reader or self.task, place, flags))

    def read(self, path: bytes, reader: Task | None = None) -> bytes:
        file = self.open(path, reader)
        buffer = KernelBuffer.empty(1 << 16)
        file.read(reader or self.task, buffer, None)
        return buffer.filled()

    def write(self, path: bytes, data: bytes, writer: Task | None = None) -> None:
        file = self.open(path, writer, 1)
        assert file.write(writer or self.task, KernelBuffer(data), None) == len(data)

    def names(self, path: bytes) -> list[bytes]:
        inode = self.find(path) if path else self.sb.root
        return [entry.name for entry in inode.entries(self.task)]

    def stranger(self) -> Task:
        child = self.world.fork(self.task)
        child.fs = FsContext(self.mounts)
        child.cred = Credentials.for_user(1000, 1000)
        return child


@pytest.fixture
def proc() -> Proc:
    return Proc()


def test_stat_has_52_fields_with_the_name_in_brackets(proc: Proc) -> None:
    proc.task.comm = b"a b) c"
    text = proc.read(b"2/stat")
    assert text.startswith(b"2 (a b) c) R 1 2 2 0 -1 ")
    fields = text[text.rindex(b")") + 2 :].split()
    assert len(fields) == 50
    assert int(fields[20]) == proc.task.mm.total_vm * 4096  # type: ignore[union-attr]
    proc.task.comm = b"c"
    proc.world.advance(1_230_000_000)
    late = proc.world.fork(proc.task)
    assert proc.read(b"%d/stat" % late.tid).split()[21] == b"223"


def test_status_follows_the_state(proc: Proc) -> None:
    lines = dict(line.split(":\t", 1) for line in proc.read(b"2/status").decode().splitlines())
    assert list(lines)[:9] == [
        "Name", "Umask", "State", "Tgid", "Ngid", "Pid", "PPid", "TracerPid", "Uid",
    ]  # fmt: skip
    assert lines["Name"] == "prog"
    assert lines["Umask"] == "0022"
    assert re.fullmatch(r" *\d+ kB", lines["VmRSS"])
    assert lines["SigBlk"] == "0" * 16
    proc.task.blocked = 0x4000
    proc.task.cred = Credentials.for_user(5, 6, (7, 8))
    text = proc.read(b"2/status")
    assert b"SigBlk:\t0000000000004000\n" in text
    assert b"Uid:\t5\t5\t5\t5\nGid:\t6\t6\t6\t6\n" in text
    assert b"Groups:\t7 8 \n" in text


def test_resident_pages_grow(proc: Proc) -> None:
    before = int(proc.read(b"2/statm").split()[1])
    proc.task.mem.write(proc.world.data, bytes(0x8000))
    assert int(proc.read(b"2/statm").split()[1]) > before + 7


def test_maps_lines_are_laid_out_as_linux_does(proc: Proc) -> None:
    lines = proc.read(b"2/maps").splitlines()
    assert re.fullmatch(rb"[0-9a-f]{8,}-[0-9a-f]{8,} rw-p 00000000 00:00 0 ", lines[0])
    space = proc.task.mm
    assert space is not None
    space.mmap(0, 4096, 1, 0x22, label=b"[label]")
    line = next(line for line in proc.read(b"2/maps").splitlines() if b"[label]" in line)
    assert line.index(b"[label]") == 73


def test_limits_are_a_table(proc: Proc) -> None:
    lines = proc.read(b"2/limits").decode().splitlines()
    assert len({len(line) for line in lines if "priority" not in line}) == 1
    assert lines[4].split() == ["Max", "stack", "size", "8388608", "unlimited", "bytes"]
    proc.task.limits.values[7] = (99, 100)
    assert b"Max open files            99                   100                  files" in (
        proc.read(b"2/limits")
    )


def test_cmdline_and_environ_are_read_from_memory(proc: Proc) -> None:
    space, data = proc.task.mm, proc.world.data
    assert space is not None
    assert proc.read(b"2/cmdline") == b""
    proc.task.mem.write(data, b"prog\0-x\0A=1\0B=2\0")
    space.arg_start, space.arg_end = data, data + 8
    space.env_start, space.env_end = data + 8, data + 16
    assert proc.read(b"2/cmdline") == b"prog\0-x\0"
    assert proc.read(b"2/environ") == b"A=1\0B=2\0"
    proc.task.mem.write(data, b"new title longer\0")
    assert proc.read(b"2/cmdline") == b"new title longer"


def test_comm_can_be_changed_by_the_process_only(proc: Proc) -> None:
    proc.write(b"2/comm", b"much-too-long-a-name\n")
    assert proc.read(b"2/comm") == b"much-too-long-a\n"
    with pytest.raises(EINVAL):
        proc.write(b"2/comm", b"x", proc.stranger())


def test_oom_score_adj(proc: Proc) -> None:
    before = int(proc.read(b"2/oom_score"))
    proc.write(b"2/oom_score_adj", b"300\n")
    assert proc.read(b"2/oom_score_adj") == b"300\n"
    assert int(proc.read(b"2/oom_score")) > before
    with pytest.raises(EINVAL):
        proc.write(b"2/oom_score_adj", b"1001")
    with pytest.raises(EINVAL):
        proc.write(b"2/oom_score_adj", b"many")


@pytest.mark.parametrize("name", [b"environ", b"auxv", b"maps", b"mem", b"fd"])
def test_secrets_are_kept_from_strangers(proc: Proc, name: bytes) -> None:
    with pytest.raises(EACCES):
        proc.open(b"2/" + name, proc.stranger())


def test_strangers_see_no_addresses_in_stat(proc: Proc) -> None:
    space = proc.task.mm
    assert space is not None
    space.start_code, space.end_code, space.start_stack = 0x400000, 0x500000, 0x7000
    mine = proc.read(b"2/stat").split()
    theirs = proc.read(b"2/stat", proc.stranger()).split()
    assert mine[25:28] == [b"4194304", b"5242880", b"28672"]
    assert theirs[25:28] == [b"1", b"1", b"0"]


def test_mem_is_the_memory(proc: Proc) -> None:
    file = proc.open(b"2/mem", flags=2)
    data = proc.world.data
    buffer = KernelBuffer(b"through mem")
    assert file.write(proc.task, buffer, data + 0x0FFC) == 11
    assert proc.task.mem.read(data + 0x0FFC, 11) == b"through mem"
    got = KernelBuffer.empty(11)
    assert file.read(proc.task, got, data + 0x0FFC) == 11
    assert got.filled() == b"through mem"


def test_descriptors_come_and_go(proc: Proc) -> None:
    assert proc.names(b"2/fd") == []
    sb = SuperBlock(b"test", proc.mounts.new_dev(), lambda: 0)
    sb.root = Inode(sb, S_IFDIR)
    inode = Inode(sb, S_IFREG)
    hidden = proc.mounts.anonymous_mount(sb)
    file = OpenFile(inode, Path(hidden, Dentry(b"test:[1]", None, inode)), 1)
    file.pos = 5
    fd = proc.task.fds.install(file, cloexec=True)
    assert proc.names(b"2/fd") == proc.names(b"2/fdinfo") == [b"%d" % fd]
    link = proc.find(b"2/fd/%d" % fd)
    assert link.readlink(proc.task) == b"test:[1]"
    assert link.mode & 0o777 == 0o300
    assert link.follow(proc.task) is file.path
    assert proc.read(b"2/fdinfo/%d" % fd).startswith(b"pos:\t5\nflags:\t02000001\n")
    proc.task.fds.close(fd)
    with pytest.raises(ENOENT):
        proc.find(b"2/fd/%d" % fd)


def test_the_listing_is_sorted_by_number(proc: Proc) -> None:
    for _ in range(10):
        proc.world.fork(proc.task)
    numbers = [int(name) for name in proc.names(b"") if name.isdigit()]
    assert numbers == list(range(1, 13))
    assert proc.sb.root.lookup(b"02") is None
    assert proc.sb.root.lookup(b"99") is None


def test_a_dead_process_is_a_zombie_and_then_gone(proc: Proc) -> None:
    child = proc.world.fork(proc.task)
    child.fs = FsContext(proc.mounts)
    path = b"%d/" % child.tid
    held = proc.open(path + b"stat")
    directory = proc.find(path[:-1])
    assert proc.find(path[:-1]) is directory
    exit_process(child, 0)
    assert proc.read(path + b"stat").split()[2] == b"Z"
    assert proc.read(path + b"maps") == proc.read(path + b"cmdline") == b""
    assert b"State:\tZ (zombie)\n" in proc.read(path + b"status")
    with pytest.raises(ENOENT):
        proc.find(path + b"exe").readlink(proc.task)
    group: Any = child.group
    reap(group)
    with pytest.raises(ESRCH):
        held.read(proc.task, KernelBuffer.empty(10), None)
    assert directory.lookup(b"stat") is None
    with pytest.raises(ENOENT):
        proc.find(path[:-1])


def test_tasks_have_directories_of_their_own(proc: Proc) -> None:
    assert proc.names(b"2/task") == [b"2"]
    assert proc.read(b"2/task/2/comm") == b"prog\n"
    assert b"task" not in proc.names(b"2/task/2")
    assert proc.find(b"thread-self").readlink(proc.task) == b"2/task/2"
    assert proc.find(b"self").readlink(proc.task) == b"2"


def test_mounts_are_listed(proc: Proc) -> None:
    assert proc.read(b"2/mounts") == b"proc / proc rw,relatime 0 0\n"
    line = proc.read(b"2/mountinfo").decode()
    assert re.fullmatch(r"(\d+) \1 0:\d+ / / rw,relatime - proc proc rw\n", line)


def test_nothing_can_be_made_or_removed(proc: Proc) -> None:
    assert proc.sb.root.mode & S_IFMT == S_IFDIR
    with pytest.raises(EACCES):
        proc.open(b"2/status", flags=1)
