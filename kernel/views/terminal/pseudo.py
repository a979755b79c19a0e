"""Pseudoterminals: a terminal whose screen and keyboard are a program.

The program has the master; what it writes are keys, what it reads is the screen.  The slave is an
ordinary terminal.  See pty(7), pts(4), and Linux's drivers/tty/pty.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EAGAIN, EINVAL, EIO, ERESTARTSYS, KernelError
from kernel.abi.files import (
    O_NONBLOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    makedev,
)
from kernel.abi.ioctls import (
    FIONREAD,
    TIOCGPTLCK,
    TIOCGPTN,
    TIOCPKT,
    TIOCSCTTY,
    TIOCSIG,
    TIOCSPTLCK,
)
from kernel.abi.signals import NSIG
from kernel.abi.structs import INT, UINT
from kernel.views.terminal.requests import terminal_ioctl
from kernel.views.terminal.settings import Settings
from kernel.views.terminal.terminal import Terminal
from kernel.views.terminal.terminal_file import CHUNK, TerminalFile
from kernel.wait import Blocking, Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.inode import Inode

SLAVE_MAJOR: Final = 136
SCREEN_LIMIT: Final = 8192
"""What a slave may write before the master has read (Linux's flip buffer)."""

KEYS_LIMIT: Final = 8192
"""What a master may write beyond the slave's full input queue."""

_READABLE: Final = POLLIN | POLLRDNORM
_WRITABLE: Final = POLLOUT | POLLWRNORM


class Slave(Terminal):
    """One pair.  ``screen``: output the master has not read.  ``keys``: input without room yet.

    ``locked``: until unlockpt(3).  ``master_queue``: who waits at the master.  ``was_open``: a
    slave descriptor existed, so that none now means a hang-up for the master's reader.
    """

    __slots__ = ("_forget", "index", "keys", "locked", "master_queue", "screen", "was_open")

    def __init__(self, kernel: System, index: int, forget: Callable[[], None]) -> None:
        super().__init__(kernel, f"pts/{index}", makedev(SLAVE_MAJOR, index), Settings())
        self._forget = forget  # drop the pair from the machine's table
        self.index = index
        self.locked = True
        self.screen = bytearray()
        self.keys = bytearray()
        self.was_open = False
        self.master_queue = WaitQueue(f"pseudoterminal master {index}")

    @property
    def slave_gone(self) -> bool:
        """Were all slave descriptors closed again?"""
        return self.was_open and not self.users

    def transmit(self, data: bytes) -> None:
        """Output appears at the master."""
        self.screen += data
        self.master_queue.wake()

    def send(self, data: bytes) -> None:
        """Echo.  What finds no room is lost, as when Linux's echo buffer is full."""
        room = SCREEN_LIMIT - len(self.screen)
        if room > 0:
            self.transmit(data[:room])

    def write_room(self) -> int:
        """Until the screen is full."""
        return 0 if self.discipline.stopped else SCREEN_LIMIT - len(self.screen)

    def discard_output(self) -> None:
        """TCOFLUSH: what the master did not read yet."""
        self.screen.clear()
        self.changed.wake()

    def type_keys(self, data: bytes) -> None:
        """The master writes: keys, as far as there is room; the rest waits."""
        self.keys += data
        self.input_taken()

    def keys_room(self) -> int:
        """How much a master may write now."""
        return KEYS_LIMIT - len(self.keys) if self.keys else KEYS_LIMIT

    def input_taken(self) -> None:
        """Give waiting keys to the line discipline."""
        if self.keys:
            taken = self.receive(bytes(self.keys))
            del self.keys[:taken]
            self.master_queue.wake()

    def opened(self) -> None:
        """The master hears of a slave again."""
        super().opened()
        self.was_open = True

    def closed(self) -> None:
        """With the last slave descriptor the master's reader gets EIO."""
        super().closed()
        if not self.users:
            self.master_queue.wake()

    def master_closed(self) -> None:
        """The line is cut: SIGHUP, and every slave descriptor is dead."""
        self.unplugged = True
        self._forget()
        self.hang_up()


class MasterFile(TerminalFile):
    """The open master of a pair; there is one per pair (dup and fork share it)."""

    __slots__ = ("slave",)

    is_master = True

    def __init__(self, inode: Inode, path: Path, flags: int, slave: Slave) -> None:
        super().__init__(inode, path, flags, slave)
        slave.users -= 1  # it is not one of the slave's descriptors
        slave.was_open = False
        self.slave = slave
        self.queue = slave.master_queue

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """What the slave wrote; EIO after the last slave descriptor was closed."""
        if not buf.remaining:
            return 0
        count = self._read_now(buf)
        if count is not None:
            return count
        if self.flags & O_NONBLOCK:
            raise EAGAIN("nothing has been written to the slave, %s", self.slave.changed.name)
        return self._read_later(buf)

    def _read_now(self, buf: Buffer) -> int | None:
        slave = self.slave
        if slave.screen:
            count = buf.put(bytes(slave.screen[: buf.remaining]))
            del slave.screen[:count]
            slave.changed.wake()
            return count
        if slave.slave_gone:
            raise EIO("nobody has the slave open: %s", self.slave.changed.name)
        return None

    def _read_later(self, buf: Buffer) -> Blocking[int]:
        while True:
            yield Sleep((self.slave.master_queue,))
            count = self._read_now(buf)
            if count is not None:
                return count

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """Keys for the slave."""
        start = buf.done
        if self._write_now(buf):
            return buf.done - start
        return self._write_later(buf, start)

    def _write_now(self, buf: Buffer) -> bool:
        """Type what there is room for; True if nothing is left."""
        while buf.remaining:
            room = min(CHUNK, self.slave.keys_room())
            if room <= 0:
                return False
            data = buf.take(room)
            if not data:
                break
            self.slave.type_keys(data)
        return True

    def _write_later(self, buf: Buffer, start: int) -> Blocking[int]:
        error: KernelError | None = None
        while error is None and not self._write_now(buf):
            if self.flags & O_NONBLOCK:
                error = EAGAIN("the slave's input is full")
                break
            try:
                yield Sleep((self.slave.master_queue,))
            except Interrupted:
                error = ERESTARTSYS("the slave's input is full")
        if error is not None and buf.done == start:
            raise error
        return buf.done - start

    def poll(self, caller: Caller, events: int) -> int:
        """Readable when the slave wrote; POLLHUP when it is closed."""
        found = 0
        if self.slave.screen:
            found |= _READABLE
        if self.slave.slave_gone:
            found |= POLLHUP
        if self.slave.keys_room() > 0:
            found |= _WRITABLE
        return found & (events | POLLERR | POLLHUP)

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        """The master's own requests, see ioctl_tty(2); all others are about the slave."""
        task, slave = cast("Task", caller), self.slave
        if cmd == TIOCGPTN:
            task.mem.pack(UINT, arg, slave.index)
        elif cmd == TIOCSPTLCK:
            slave.locked = task.mem.unpack(INT, arg)[0] != 0
        elif cmd == TIOCGPTLCK:
            task.mem.pack(INT, arg, int(slave.locked))
        elif cmd == FIONREAD:
            task.mem.pack(INT, arg, len(slave.screen))
        elif cmd == TIOCSIG:
            return self._signal(arg)
        elif cmd == TIOCPKT:
            return self._packet_mode(task, arg)
        elif cmd == TIOCSCTTY:
            raise EIO("a master controls no session")
        else:
            return terminal_ioctl(task, self, slave, cmd, arg)
        return 0

    def _signal(self, signo: int) -> int:
        if not 0 < signo <= NSIG:
            raise EINVAL("there is no signal %d", signo)
        self.slave.signal_foreground(signo)
        return 0

    def _packet_mode(self, task: Task, arg: int) -> int:
        """TIOCPKT: leaving it is fine, it is never on; entering it is not supported."""
        if task.mem.unpack(INT, arg)[0]:
            raise EINVAL("packet mode (TIOCPKT) is not supported here")
        return 0

    @property
    def hung_up(self) -> bool:
        """A master never is; its slave's hang-ups do not reach it."""
        return False

    def bytes_readable(self, caller: Caller) -> int:
        """FIONREAD: what the slave wrote."""
        return len(self.slave.screen)

    def release(self) -> None:
        """The master is closed: hang up the slave."""
        self.slave.master_closed()
