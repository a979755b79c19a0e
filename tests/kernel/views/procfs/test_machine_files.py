"""The files of /proc about the machine, and /proc/sys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kernel.abi.errors import EPERM
from kernel.cred import Credentials
from kernel.mm.buffer import KernelBuffer
from kernel.task.task import Task
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.fscontext import FsContext
from kernel.vfs.inode import Inode
from kernel.vfs.mount import MountTable
from kernel.views.procfs.root import make_procfs
from kernel.views.sysfs import make_sysfs
from tests.support.tasks import World


class Machine:
    def __init__(self) -> None:
        self.world = World()
        self.task = self.world.program
        self.mounts = MountTable()
        self.proc = make_procfs(self.world.kernel, self.mounts)
        self.sys = make_sysfs(self.world.kernel, self.mounts)
        self.mount = self.mounts.mount_root(self.proc)
        self.world.kernel.mounts = self.mounts
        self.task.fs = FsContext(self.mounts)

    def open(self, path: str, top: Inode | None = None, flags: int = 0) -> Any:
        inode: Inode | None = top or self.proc.root
        for name in path.encode().split(b"/"):
            assert inode is not None
            inode = inode.lookup(name)
        assert inode is not None, path
        return inode.open(self.task, Path(self.mount, Dentry(b"", None, inode)), flags)

    def read(self, path: str, top: Inode | None = None) -> str:
        buffer = KernelBuffer.empty(1 << 16)
        self.open(path, top).read(self.task, buffer, None)
        return buffer.filled().decode()

    def write(self, path: str, data: bytes, task: Task | None = None) -> None:
        self.open(path, flags=1).write(task or self.task, KernelBuffer(data), None)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_meminfo_counts_frames(machine: Machine) -> None:
    def values() -> dict[str, int]:
        lines = machine.read("meminfo").splitlines()
        assert all(re.fullmatch(r"\S+: +\d+ kB", line) for line in lines)
        return {line.split(":")[0]: int(line.split()[1]) for line in lines}

    before = values()
    machine.task.mem.write(machine.world.data, bytes(0x10000))
    after = values()
    assert before["MemTotal"] == after["MemTotal"] == machine.world.kernel.frames.total * 4
    assert after["MemFree"] <= before["MemFree"] - 64
    assert list(before)[:5] == ["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached"]


def test_times_pass(machine: Machine) -> None:
    machine.world.clock.advance(5_250_000_000)
    assert machine.read("uptime") == "6.25 6.25\n"
    assert machine.read("stat").splitlines()[0] == "cpu  0 0 0 625 0 0 0 0 0 0"


def test_stat_counts_processes(machine: Machine) -> None:
    before = int(re.search(r"processes (\d+)", machine.read("stat"))[1])  # type: ignore[index]
    machine.world.fork()
    after = int(re.search(r"processes (\d+)", machine.read("stat"))[1])  # type: ignore[index]
    assert after == before + 1


def test_loadavg_shows_tasks_and_the_last_pid(machine: Machine) -> None:
    child = machine.world.fork()
    text = machine.read("loadavg")
    assert re.fullmatch(rf"(\d+\.\d\d ){{3}}\d+/3 {child.tid}\n", text)


def test_names_are_unames(machine: Machine) -> None:
    assert machine.read("version").startswith("Linux version 6.1.0 (")
    assert machine.read("sys/kernel/ostype") == "Linux\n"
    assert machine.read("sys/kernel/osrelease") == "6.1.0\n"


def test_hostname_can_be_set_by_root(machine: Machine) -> None:
    machine.write("sys/kernel/hostname", b"other\n")
    assert machine.world.kernel.names.host == "other"
    assert machine.read("sys/kernel/hostname") == "other\n"
    machine.task.cred = Credentials.for_user(5, 5)
    with pytest.raises(EPERM):
        machine.write("sys/kernel/hostname", b"mine")


def test_uuids_are_random_and_the_boot_id_is_not(machine: Machine) -> None:
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n"
    first, second = (machine.read("sys/kernel/random/uuid") for _ in range(2))
    assert first != second
    assert re.fullmatch(form, first)
    boot = [machine.read("sys/kernel/random/boot_id") for _ in range(2)]
    assert boot[0] == boot[1]
    assert re.fullmatch(form, boot[0])


@pytest.mark.parametrize(
    "path",
    ["sys/kernel/pid_max", "sys/kernel/ngroups_max", "sys/kernel/cap_last_cap",
     "sys/kernel/overflowuid", "sys/kernel/random/entropy_avail", "sys/vm/overcommit_memory",
     "sys/vm/max_map_count", "sys/vm/mmap_min_addr", "sys/fs/pipe-max-size", "sys/fs/file-max",
     "sys/fs/nr_open"],
)  # fmt: skip
def test_numbers(machine: Machine, path: str) -> None:
    assert re.fullmatch(r"\d+\n", machine.read(path))


def test_filesystems_and_devices(machine: Machine) -> None:
    assert "nodev\tproc\n" in machine.read("filesystems")
    machine.mounts.devices.register(1, 3, b"mem", lambda *args: None)  # type: ignore[arg-type]
    assert machine.read("devices") == "Character devices:\n  1 mem\n\nBlock devices:\n"


def test_sysfs_counts_one_processor(machine: Machine) -> None:
    top = machine.sys.root
    for name in ("online", "possible", "present"):
        assert machine.read(f"devices/system/cpu/{name}", top) == "0\n"


def test_an_offset_goes_on_in_the_same_text(machine: Machine) -> None:
    file = machine.open("uptime")
    first, second = KernelBuffer.empty(3), KernelBuffer.empty(100)
    file.read(machine.task, first, None)
    machine.world.clock.advance(10_000_000_000)
    file.read(machine.task, second, None)
    assert first.filled() + second.filled() == b"1.00 1.00\n"
