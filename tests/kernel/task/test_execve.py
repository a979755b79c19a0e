"""execve with formats of the test's own: what is committed, and that failure changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kernel.abi.errors import E2BIG, EACCES, EAGAIN, ELOOP, ENOENT, ENOEXEC, ENOMEM, ETXTBSY
from kernel.abi.files import AT_FDCWD, O_RDWR, O_TRUNC, O_WRONLY
from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from kernel.abi.process import CLONE_VFORK, CLONE_VM
from kernel.abi.signals import SIG_DFL, SIG_IGN, SIGUSR1, SIGUSR2
from kernel.cred import RLIMIT_NPROC
from kernel.fs.tmpfs import Tmpfs
from kernel.mm.buffer import KernelBuffer
from kernel.task import clone
from kernel.task.actions import Action
from kernel.task.credentials import set_task_credentials, setuid
from kernel.task.execve import Target, execute, read_strings, spawn
from kernel.task.exit import exit_process
from kernel.task.program import Image, Interpreter, Program
from kernel.vfs.fdtable import FdTable
from kernel.vfs.fscontext import FsContext
from kernel.vfs.mount import MountTable
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.vfs.inode import Inode


class GoodFormat:
    """Anything that begins with GOOD is a program; BAD fails after mapping something."""

    name = "good"

    def __init__(self) -> None:
        self.seen: list[Program] = []

    def load(self, program: Program) -> Image:
        if not program.head.startswith((b"GOOD", b"BAD")):
            raise ENOEXEC("not GOOD")
        self.seen.append(program)
        flags = MAP_PRIVATE | MAP_ANONYMOUS
        place = program.space.mmap(0, 0x4000, PROT_READ | PROT_WRITE, flags)
        program.space.user.write(place, b"new")
        if program.head.startswith(b"BAD"):
            raise ENOMEM("half way")
        return Image(place, place + 0x3000)


class HashBang:
    name = "script"

    def load(self, program: Program) -> Interpreter:
        if not program.head.startswith(b"#!"):
            raise ENOEXEC
        path = program.head[2:].split(b"\n")[0]
        return Interpreter(path, (path, program.interp, *program.argv[1:]))


class ExecWorld(World):
    def __init__(self, user: int = 0) -> None:
        super().__init__(user=user)
        mounts = MountTable()
        self.root = Tmpfs(self.kernel.frames, mounts.new_dev(), self.clock.realtime, mode=0o755)
        mounts.mount_root(self.root)
        self.program.fs = FsContext(mounts)
        self.format = GoodFormat()
        self.kernel.formats = [self.format, HashBang()]

    def file(self, name: bytes, content: bytes, mode: int = 0o755, owner: int = 0) -> Inode:
        inode = self.root.root.create(name, 0o100000 | mode, owner, owner)
        opened = self.open(inode, 2)
        opened.hold()
        opened.write(self.program, KernelBuffer(content), 0)
        opened.drop()
        inode.mode = 0o100000 | mode
        return inode

    def open(self, inode: Inode, flags: int) -> OpenFile:
        opened = inode.open(self.program, self.program.fs.root, flags)
        assert isinstance(opened, OpenFile)
        return opened

    def run(self, path: bytes, *argv: bytes) -> None:
        spawn(self.program, path, argv, (b"E=1",))


@pytest.fixture
def world() -> ExecWorld:
    return ExecWorld()


def test_a_program_replaces_the_old_one(world: ExecWorld) -> None:
    world.file(b"prog", b"GOOD")
    task = world.program
    old = task.mm
    task.actions.set(SIGUSR1, Action(0x1000))
    task.actions.set(SIGUSR2, Action(SIG_IGN))
    task.clear_child_tid = 5
    world.run(b"/prog", b"prog", b"arg")
    assert task.mm is not old
    assert task.comm == b"prog"
    assert task.actions.get(SIGUSR1).handler == SIG_DFL
    assert task.actions.get(SIGUSR2).handler == SIG_IGN
    assert task.clear_child_tid == 0
    registers = world.kernel.cpu.registers(task.context)
    assert task.mem.read(registers.pc, 3) == b"new"
    program = world.format.seen[0]
    assert (program.path, program.argv, program.envp) == (b"/prog", (b"prog", b"arg"), (b"E=1",))


def test_failure_leaves_the_caller_whole(world: ExecWorld) -> None:
    world.file(b"bad", b"BAD")
    world.file(b"unknown", b"?")
    task, used = world.program, world.kernel.frames.used_count
    task.mem.write(world.data, b"old")
    used = world.kernel.frames.used_count
    for path, error in ((b"/bad", ENOMEM), (b"/unknown", ENOEXEC), (b"/none", ENOENT)):
        with pytest.raises(error):
            world.run(path)
        assert task.mem.read(world.data, 3) == b"old"
        assert world.kernel.frames.used_count == used


def test_permissions_and_kinds(world: ExecWorld) -> None:
    world.file(b"noexec", b"GOOD", 0o644)
    with pytest.raises(EACCES):
        world.run(b"/noexec")
    with pytest.raises(EACCES):
        world.run(b"/")
    inode = world.file(b"busy", b"GOOD")
    inode.writers += 1
    with pytest.raises(ETXTBSY):
        world.run(b"/busy")
    inode.writers -= 1
    world.run(b"/busy")
    assert inode.writers == -1


def test_a_program_that_may_be_run_but_not_read_is_not_looked_into() -> None:
    world = ExecWorld(user=5)
    world.file(b"open", b"GOOD")
    world.file(b"secret", b"GOOD", 0o711)
    world.file(b"script", b"#!/secret\n")
    for path, dumpable in ((b"/secret", 0), (b"/open", 1), (b"/script", 0)):
        world.run(path, b"x")
        assert world.program.group.dumpable == dumpable


def test_a_running_program_is_not_truncated(world: ExecWorld) -> None:
    inode = world.file(b"prog", b"GOOD")
    world.run(b"/prog")
    for flags in (O_TRUNC, O_WRONLY, O_RDWR | O_TRUNC):
        with pytest.raises(ETXTBSY):
            open_at(world.program, AT_FDCWD, b"/prog", OpenHow.from_flags(flags, 0))
    assert inode.size == 4


def test_the_running_program_is_given_back_when_its_last_user_ends(world: ExecWorld) -> None:
    inode = world.file(b"prog", b"GOOD")
    world.run(b"/prog")
    child = world.fork()
    assert inode.writers == -2
    world.kernel.scheduler.remove(child)
    exit_process(child, 0)
    assert inode.writers == -1
    other = world.file(b"other", b"GOOD")
    world.run(b"/other")
    assert (inode.writers, other.writers) == (0, -1)
    assert inode.opens == 0


def test_scripts_nest_five_deep(world: ExecWorld) -> None:
    world.file(b"prog", b"GOOD")
    world.file(b"s1", b"#!/prog\n")
    for depth in range(2, 7):
        world.file(b"s%d" % depth, b"#!/s%d\n" % (depth - 1))
    world.run(b"/s2", b"s2", b"arg")
    program = world.format.seen[0]
    assert program.argv == (b"/prog", b"/s1", b"/s2", b"arg")
    assert program.path == b"/s2"
    assert world.program.comm == b"s2"
    world.run(b"/s5")
    with pytest.raises(ELOOP):
        world.run(b"/s6")
    scripts = [world.root.root.lookup(b"s%d" % n) for n in range(1, 7)]
    assert [inode.opens for inode in scripts if inode] == [0] * 6


@pytest.mark.parametrize(
    ("mode", "nosuid", "euid"), [(0o4755, 0, 7), (0o4755, 2, 5), (0o755, 0, 5)]
)
def test_set_user_id(mode: int, nosuid: int, euid: int) -> None:
    world = ExecWorld(user=5)
    world.file(b"prog", b"GOOD", mode, owner=7)
    world.program.fs.root.mount.flags |= nosuid
    world.run(b"/prog")
    cred = world.program.cred
    assert (cred.ruid, cred.euid, cred.suid) == (5, euid, euid)
    assert world.format.seen[0].secure == (euid != 5)
    assert world.program.group.dumpable == int(euid == 5)


def test_no_new_privs(world: ExecWorld) -> None:
    world.file(b"prog", b"GOOD", 0o4755, owner=7)
    world.program.no_new_privs = True
    world.run(b"/prog")
    assert world.program.cred.euid == 0


def test_root_gets_its_capabilities_back_through_set_user_id() -> None:
    world = ExecWorld(user=5)
    world.file(b"prog", b"GOOD", 0o4755, owner=0)
    assert world.program.cred.permitted == 0
    world.run(b"/prog")
    assert world.program.cred.effective == world.program.cred.bounding


def test_execve_reads_strings_from_memory(world: ExecWorld) -> None:
    world.file(b"prog", b"GOOD")
    mem, data = world.program.mem, world.data
    mem.write(data + 0x100, b"first\0second\0")
    for index, address in enumerate((data + 0x100, data + 0x106, 0)):
        mem.write_u64(data + 8 * index, address)
    execute(world.program, Target(AT_FDCWD, b"/prog"), data, 0)
    assert world.format.seen[0].argv == (b"first", b"second")
    assert world.format.seen[0].envp == ()


def test_string_limits(world: ExecWorld) -> None:
    mem = world.program.mem
    big = world.map(world.program)
    world.map(world.program)
    mem.write(big, b"x" * 0xFFFF)
    assert read_strings(world.program, 0, 0) == ((b"",), ())
    pointers = world.data
    for index in range(40):
        mem.write_u64(pointers + 8 * index, big)
    mem.write_u64(pointers + 8 * 30, 0)
    assert len(read_strings(world.program, pointers, 0)[0]) == 30
    world.program.limits.values[3] = (4 << 20, 4 << 20)
    with pytest.raises(E2BIG):
        read_strings(world.program, pointers, 0)


def test_a_vforked_child_lets_its_parent_go(world: ExecWorld) -> None:
    world.file(b"prog", b"GOOD")
    flags = CLONE_VM | CLONE_VFORK
    world.call(world.program, clone.clone(world.program, clone.Request(flags, 17)))
    child = world.kernel.tasks[3]
    spawn(child, b"/prog", (b"prog",), ())
    world.step()
    assert child.mm is not world.program.mm
    while world.step():
        pass
    assert world.results[2] == 3


def test_close_on_exec(world: ExecWorld) -> None:
    inode = world.file(b"prog", b"GOOD")
    task = world.program
    task.fds = FdTable()
    for cloexec in (True, False):
        opened = world.open(inode, 0)
        task.fds.install(opened, cloexec)
    world.run(b"/prog")
    assert sorted(task.fds.files) == [1]


def test_a_user_with_too_many_processes_may_not_execute() -> None:
    world = ExecWorld()
    world.file(b"prog", b"GOOD")
    task = world.program
    task.limits.values[RLIMIT_NPROC] = (0, 0)
    execute(task, Target(AT_FDCWD, b"/prog"), 0, 0)
    set_task_credentials(task, setuid(task.cred, 1000))
    with pytest.raises(EAGAIN):
        execute(task, Target(AT_FDCWD, b"/prog"), 0, 0)
    task.limits.values[RLIMIT_NPROC] = (1, 1)
    execute(task, Target(AT_FDCWD, b"/prog"), 0, 0)
