"""Pseudoterminals and job control, with tasks but without a processor."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kernel.abi.errors import EAGAIN, EIO, ENOTTY, EPERM, ERESTARTSYS
from kernel.abi.files import (
    O_NOCTTY,
    O_NONBLOCK,
    O_RDWR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    S_IFCHR,
    S_IFDIR,
)
from kernel.abi.ioctls import (
    FIONREAD,
    TCFLSH,
    TCGETS,
    TCIFLUSH,
    TCSETS,
    TIOCGPGRP,
    TIOCGPTN,
    TIOCGSID,
    TIOCGWINSZ,
    TIOCNOTTY,
    TIOCSCTTY,
    TIOCSPGRP,
    TIOCSPTLCK,
    TIOCSTI,
    TIOCSWINSZ,
    TOSTOP,
    VMIN,
    VTIME,
)
from kernel.abi.signals import SIGCONT, SIGHUP, SIGINT, SIGTTIN, SIGTTOU, SIGWINCH
from kernel.abi.structs import INT, TERMIOS, UINT, WINSIZE
from kernel.mm.buffer import KernelBuffer
from kernel.task import jobs
from kernel.task.task import Task
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.mount import MountTable
from kernel.views.terminal.drivers import Terminals
from kernel.views.terminal.pseudo import SCREEN_LIMIT, MasterFile, Slave
from kernel.views.terminal.settings import Settings
from kernel.views.terminal.terminal_file import TerminalFile
from tests.support.tasks import World


class Pty:
    """A world with one pseudoterminal; the program has it as its controlling terminal."""

    def __init__(self, control: bool = True) -> None:
        self.world = World()
        self.task = self.world.program
        mounts = MountTable()
        self.terminals = Terminals(self.world.kernel, mounts)
        sb = SuperBlock(b"test", mounts.new_dev(), lambda: 0)
        sb.root = Inode(sb, S_IFDIR)
        self.mount = mounts.anonymous_mount(sb)
        self.ptmx = Inode(sb, S_IFCHR)
        self.master = cast(MasterFile, self.open(self.terminals.open_ptmx, self.ptmx))
        self.ioctl(self.master, TIOCSPTLCK, INT.pack(0))
        self.node = self.terminals.devpts.nodes[b"0"]
        flags = O_RDWR if control else O_RDWR | O_NOCTTY
        self.slave = cast(TerminalFile, self.open(self.terminals.open_slave, self.node, flags))
        self.line = self.slave.terminal

    def open(self, driver: Any, inode: Inode, flags: int = O_RDWR, task: Task | None = None) -> Any:
        path = Path(self.mount, Dentry(b"tty", None, inode))
        file = driver(task or self.task, inode, path, flags)
        return file.hold() or file

    def ioctl(self, file: Any, cmd: int, data: bytes = b"", task: Task | None = None) -> bytes:
        """An ioctl with an argument in memory; returns what is there afterwards."""
        address = self.world.data
        task = task or self.task
        task.mem.write(address, data.ljust(64, b"\0"))
        assert file.ioctl(task, cmd, address) == 0
        return bytes(task.mem.read(address, 64))

    def type(self, keys: bytes) -> None:
        assert self.master.write(self.task, KernelBuffer(keys), None) == len(keys)

    def screen(self) -> bytes:
        buffer = KernelBuffer.empty(9999)
        self.master.read(self.task, buffer, None)
        return buffer.filled()

    def read(self, size: int = 100, task: Task | None = None) -> bytes:
        buffer = KernelBuffer.empty(size)
        result = self.slave.read(task or self.task, buffer, None)
        assert isinstance(result, int), "it would sleep"
        return buffer.filled()

    def set(self, **changes: int) -> None:
        settings = self.line.settings.copy()
        cc = bytearray(settings.cc)
        for name, value in changes.items():
            if name in ("VMIN", "VTIME"):
                cc[{"VMIN": VMIN, "VTIME": VTIME}[name]] = value
            else:
                setattr(settings, name, value)
        settings.cc = bytes(cc)
        self.line.change_settings(settings)

    def background(self) -> Task:
        """A child in a process group of its own, behind the program's."""
        child = self.world.fork(self.task)
        jobs.set_process_group(child, 0, 0)
        return child


def test_keys_go_through_the_line_discipline_to_the_slave() -> None:
    pty = Pty()
    pty.type(b"helo\x7flo\r")
    assert pty.read() == b"hello\n"
    assert pty.screen() == b"helo\b \blo\r\n"


def test_what_the_slave_writes_appears_processed_at_the_master() -> None:
    pty = Pty()
    assert pty.slave.write(pty.task, KernelBuffer(b"a\nb"), None) == 3
    assert pty.screen() == b"a\r\nb"


def test_a_read_sleeps_until_a_line_is_there() -> None:
    pty = Pty()
    buffer = KernelBuffer.empty(10)
    assert pty.world.call(pty.task, pty.slave.read(pty.task, buffer, None)) is None
    pty.type(b"ab")
    pty.world.run_all()
    assert pty.task.tid not in pty.world.results
    pty.type(b"\n")
    pty.world.run_all()
    assert pty.world.results[pty.task.tid] == 3
    assert buffer.filled() == b"ab\n"


def test_raw_read_collects_min_bytes() -> None:
    pty = Pty()
    pty.set(lflag=0, VMIN=3)
    pty.type(b"ab")
    buffer = KernelBuffer.empty(10)
    assert pty.world.call(pty.task, pty.slave.read(pty.task, buffer, None)) is None
    pty.type(b"cd")
    pty.world.run_all()
    assert buffer.filled() == b"abcd"


def test_raw_read_with_a_time_between_bytes() -> None:
    pty = Pty()
    pty.set(lflag=0, VMIN=3, VTIME=2)
    pty.type(b"a")
    buffer = KernelBuffer.empty(10)
    assert pty.world.call(pty.task, pty.slave.read(pty.task, buffer, None)) is None
    pty.world.advance(250_000_000)
    assert pty.world.results[pty.task.tid] == 1


def test_raw_read_with_a_time_for_the_first_byte() -> None:
    pty = Pty()
    pty.set(lflag=0, VMIN=0, VTIME=1)
    assert pty.world.call(pty.task, pty.slave.read(pty.task, KernelBuffer.empty(9), None)) is None
    pty.world.advance(110_000_000)
    assert pty.world.results[pty.task.tid] == 0
    pty.set(VTIME=0)
    assert pty.read() == b""


def test_nonblocking_read() -> None:
    pty = Pty()
    pty.slave.set_flags(pty.task, O_NONBLOCK)
    generator: Any = pty.slave.read(pty.task, KernelBuffer.empty(9), None)
    with pytest.raises(EAGAIN):
        next(generator)


def test_poll_of_both_sides() -> None:
    pty = Pty()
    assert pty.slave.poll(pty.task, POLLIN | POLLOUT) == POLLOUT
    assert pty.master.poll(pty.task, POLLIN | POLLOUT) == POLLOUT
    pty.type(b"x\n")
    assert pty.slave.poll(pty.task, POLLIN) == POLLIN
    assert pty.master.poll(pty.task, POLLIN) == POLLIN


def test_a_writer_waits_for_the_master_to_read() -> None:
    pty = Pty()
    data = b"x" * 20000
    assert pty.world.call(pty.task, pty.slave.write(pty.task, KernelBuffer(data), None)) is None
    got = b""
    while pty.task.tid not in pty.world.results:
        got += pty.screen()
        pty.world.run_all()
    got += pty.screen()
    assert got == data
    assert pty.world.results[pty.task.tid] == 20000


def test_echo_that_nobody_reads_is_lost_at_last() -> None:
    pty = Pty()
    for _ in range(5):
        pty.type(b"x" * 4000)
    assert len(cast(Slave, pty.line).screen) == SCREEN_LIMIT
    assert pty.screen() == b"x" * SCREEN_LIMIT


def test_stop_key_holds_the_output() -> None:
    pty = Pty()
    pty.type(b"\x13")
    assert pty.world.call(pty.task, pty.slave.write(pty.task, KernelBuffer(b"out"), None)) is None
    assert pty.slave.poll(pty.task, POLLOUT) == 0
    pty.type(b"\x11")
    pty.world.run_all()
    assert pty.screen() == b"out"


def test_interrupt_key_signals_the_foreground_group() -> None:
    pty = Pty()
    pty.type(b"\x03")
    assert pty.task.group.exiting
    assert pty.task.group.status == SIGINT


def test_closing_the_master_hangs_up_the_slave() -> None:
    pty = Pty()
    pty.task.blocked = (1 << SIGHUP - 1) | (1 << SIGCONT - 1)
    pty.master.drop()
    assert pty.task.group.pending.has(SIGHUP)
    assert pty.read() == b""
    with pytest.raises(EIO):
        pty.slave.write(pty.task, KernelBuffer(b"x"), None)
    assert pty.slave.poll(pty.task, POLLIN) & POLLHUP
    assert pty.task.group.session.terminal is None
    assert list(pty.terminals.devpts.nodes) == [b"ptmx"]


def test_closing_the_slave_ends_the_masters_reading() -> None:
    pty = Pty()
    pty.slave.write(pty.task, KernelBuffer(b"last"), None)
    pty.slave.drop()
    assert pty.screen() == b"last"
    with pytest.raises(EIO):
        pty.screen()
    assert pty.master.poll(pty.task, POLLIN) == POLLHUP
    pty.open(pty.terminals.open_slave, pty.node)
    assert pty.master.poll(pty.task, POLLIN) == 0


def test_numbers_and_locks() -> None:
    pty = Pty()
    second = pty.open(pty.terminals.open_ptmx, pty.ptmx)
    assert UINT.unpack_from(pty.ioctl(second, TIOCGPTN))[0] == 1
    with pytest.raises(EIO):
        pty.open(pty.terminals.open_slave, pty.terminals.devpts.nodes[b"1"])
    pty.master.drop()
    third = pty.open(pty.terminals.open_ptmx, pty.ptmx)
    assert UINT.unpack_from(pty.ioctl(third, TIOCGPTN))[0] == 0


def test_window_size_is_shared_and_signalled() -> None:
    pty = Pty()
    pty.task.actions.set(SIGWINCH, pty.task.actions.get(SIGWINCH)._replace(handler=0x1000))
    pty.task.blocked = 1 << SIGWINCH - 1
    pty.ioctl(pty.master, TIOCSWINSZ, WINSIZE.pack(24, 80, 0, 0))
    assert WINSIZE.unpack_from(pty.ioctl(pty.slave, TIOCGWINSZ)) == (24, 80, 0, 0)
    assert pty.task.group.pending.has(SIGWINCH)
    pty.task.group.pending.discard(1 << SIGWINCH - 1)
    pty.ioctl(pty.slave, TIOCSWINSZ, WINSIZE.pack(24, 80, 0, 0))
    assert not pty.task.group.pending.has(SIGWINCH)


def test_settings_through_ioctl() -> None:
    pty = Pty()
    packed = pty.ioctl(pty.slave, TCGETS)[: TERMIOS.size]
    assert Settings.unpack(packed) == Settings()
    changed = Settings.unpack(packed)
    changed.lflag = 0
    pty.ioctl(pty.master, TCSETS, changed.pack())
    assert pty.line.settings.lflag == 0


def test_queues_through_ioctl() -> None:
    pty = Pty()
    pty.type(b"ab\ncd")
    assert INT.unpack_from(pty.ioctl(pty.slave, FIONREAD))[0] == 3
    assert pty.slave.ioctl(pty.task, TCFLSH, TCIFLUSH) == 0
    assert not pty.line.discipline.ready()
    with pytest.raises(EIO):
        pty.ioctl(pty.slave, TIOCSTI, b"x")


def test_opening_makes_it_the_controlling_terminal() -> None:
    pty = Pty()
    session = pty.task.group.session
    assert session.terminal is pty.line
    assert INT.unpack_from(pty.ioctl(pty.slave, TIOCGSID))[0] == session.sid
    assert INT.unpack_from(pty.ioctl(pty.slave, TIOCGPGRP))[0] == pty.task.group.pgrp.pgid
    other = Pty(control=False)
    assert other.task.group.session.terminal is None
    with pytest.raises(ENOTTY):
        other.ioctl(other.slave, TIOCGPGRP)
    other.ioctl(other.slave, TIOCSCTTY)
    assert other.task.group.session.terminal is other.line


def test_only_a_session_leader_can_get_a_terminal() -> None:
    pty = Pty(control=False)
    child = pty.world.fork(pty.task)
    with pytest.raises(EPERM):
        pty.slave.ioctl(child, TIOCSCTTY, 0)


def test_dev_tty_is_the_controlling_terminal() -> None:
    pty = Pty()
    file = pty.open(pty.terminals.open_tty, pty.ptmx)
    assert file.terminal is pty.line


def test_a_background_read_stops_the_job() -> None:
    pty = Pty()
    child = pty.background()
    pty.type(b"line\n")
    with pytest.raises(ERESTARTSYS):
        pty.slave.read(child, KernelBuffer.empty(9), None)
    assert child.group.pending.has(SIGTTIN)
    assert pty.read() == b"line\n"


def test_an_orphaned_background_read_fails() -> None:
    pty = Pty()
    child = pty.background()
    child.group.parent = pty.world.kernel.init.group
    with pytest.raises(EIO):
        pty.slave.read(child, KernelBuffer.empty(9), None)


def test_background_writes_are_free_unless_tostop() -> None:
    pty = Pty()
    child = pty.background()
    assert pty.slave.write(child, KernelBuffer(b"x"), None) == 1
    pty.set(lflag=pty.line.settings.lflag | TOSTOP)
    with pytest.raises(ERESTARTSYS):
        pty.slave.write(child, KernelBuffer(b"x"), None)
    assert child.group.pending.has(SIGTTOU)


def test_a_job_can_be_brought_to_the_foreground() -> None:
    pty = Pty()
    child = pty.background()
    pty.ioctl(pty.slave, TIOCSPGRP, INT.pack(child.tgid))
    pty.type(b"x\n")
    assert pty.read(task=child) == b"x\n"
    with pytest.raises(EPERM):
        pty.ioctl(pty.slave, TIOCSPGRP, INT.pack(1), child)


def test_giving_up_the_terminal() -> None:
    pty = Pty()
    pty.task.blocked = (1 << SIGHUP - 1) | (1 << SIGCONT - 1)
    pty.ioctl(pty.slave, TIOCNOTTY)
    assert pty.task.group.session.terminal is None
    assert pty.line.session is None
