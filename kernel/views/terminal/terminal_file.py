"""An open terminal: read, write, poll.

The read rules are those of termios(3): a line at a time in canonical mode; MIN and TIME in raw
mode.  See tty(4), read(2) and Linux's ``n_tty_read`` and ``n_tty_write``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EAGAIN, EIO, ERESTARTSYS, KernelError
from kernel.abi.files import (
    O_NONBLOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
)
from kernel.abi.ioctls import OPOST, TOSTOP, VMIN, VTIME
from kernel.abi.signals import SIGTTIN, SIGTTOU
from kernel.task.jobs import check_background
from kernel.vfs.openfile import OpenFile
from kernel.views.terminal import requests
from kernel.wait import Blocking, Interrupted, Sleep

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.inode import Inode
    from kernel.views.terminal.terminal import Terminal

CHUNK: Final = 2048
_TENTH: Final = 100_000_000
_READABLE: Final = POLLIN | POLLRDNORM
_WRITABLE: Final = POLLOUT | POLLWRNORM
_DEAD: Final = _READABLE | _WRITABLE | POLLERR | POLLHUP


class TerminalFile(OpenFile):
    """A descriptor's view of a terminal.

    Invariant: dead (``hung_up``) for good once the terminal's generation has moved on.
    """

    __slots__ = ("generation", "terminal")

    is_master = False

    def __init__(self, inode: Inode, path: Path, flags: int, terminal: Terminal) -> None:
        super().__init__(inode, path, flags)
        self.terminal = terminal
        self.generation = terminal.generation
        self.queue = terminal.changed
        terminal.opened()

    @property
    def hung_up(self) -> bool:
        """Was the line cut since this file was opened?"""
        return self.generation != self.terminal.generation

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """See tty(4), termios(3): Canonical and noncanonical mode."""
        if self.hung_up:
            return 0
        task = cast("Task", caller)
        check_background(task, self.terminal, SIGTTIN)
        if not buf.remaining:
            return 0
        discipline = self.terminal.discipline
        if discipline.canonical:
            if discipline.ready():
                return self._take(buf)
            return self._wait(task, buf, 1, None, 0)
        cc = discipline.settings.cc
        minimum, time = cc[VMIN], cc[VTIME] * _TENTH
        if discipline.ready() and len(discipline.queue) >= min(minimum, buf.remaining):
            return self._take(buf)
        if minimum:
            return self._wait(task, buf, minimum, None, time)
        if not time and not self.terminal.unplugged:
            return 0
        return self._wait(task, buf, 1, time, 0)

    def _take(self, buf: Buffer) -> int:
        """Move what is there into the buffer and tell the other side."""
        count = buf.put(self.terminal.discipline.take(buf.remaining))
        self.terminal.input_taken()
        return count

    def _wait(
        self, task: Task, buf: Buffer, minimum: int, first: int | None, between: int
    ) -> Blocking[int]:
        """Read with sleeping: until ``minimum`` bytes, a line, or a pause that is too long.

        ``first``: the longest wait for the first byte in ns; ``between``: for each further one.
        """
        clock, terminal = task.kernel.clock, self.terminal
        deadline = None if first is None else clock.monotonic() + first
        done = 0
        while not self.hung_up:
            if terminal.discipline.ready():
                canonical = terminal.discipline.canonical
                done += self._take(buf)
                if canonical or done >= minimum or not buf.remaining:
                    return done
                deadline = clock.monotonic() + between if between else None
            if terminal.unplugged:
                if done:
                    return done
                raise EIO("the other side of %s is closed", self.path)
            if self.flags & O_NONBLOCK:
                if done:
                    return done
                raise EAGAIN("nothing has been typed")
            terminal.read_begins()
            try:
                woken = yield Sleep((terminal.changed,), deadline)
            except Interrupted:
                if done:
                    return done
                raise ERESTARTSYS("nothing has been typed") from None
            if not woken and not terminal.discipline.ready():
                return done
        return done

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """Output processing, then the screen.  See tty(4), termios(3): TOSTOP, OPOST."""
        if self.hung_up:
            raise EIO("%s was hung up", self.path)
        terminal = self.terminal
        if terminal.discipline.settings.lflag & TOSTOP:
            check_background(cast("Task", caller), terminal, SIGTTOU)
        start = buf.done
        if self._write_some(buf):
            return buf.done - start
        return self._write_rest(buf, start)

    def _write_some(self, buf: Buffer) -> bool:
        """Write what there is room for; True if nothing is left to write."""
        terminal = self.terminal
        if terminal.unplugged:
            raise EIO("the other side of %s is closed", self.path)
        discipline = terminal.discipline
        while buf.remaining:
            room = min(terminal.write_room(), CHUNK)
            if room <= 0:
                return False
            data = buf.take(room)
            if not data:  # a bad address after some good bytes
                break
            if discipline.settings.oflag & OPOST:
                data = discipline.output.process(data)
            terminal.transmit(data)
        return True

    def _write_rest(self, buf: Buffer, start: int) -> Blocking[int]:
        while True:
            error: KernelError | None = None
            if self.flags & O_NONBLOCK:
                error = EAGAIN("no room for output")
            else:
                try:
                    yield Sleep((self.terminal.changed,))
                except Interrupted:
                    error = ERESTARTSYS("no room for output")
            if self.hung_up:
                error = EIO("the terminal was hung up")
            if error is not None:
                if buf.done > start:
                    break
                raise error
            if self._write_some(buf):
                break
        return buf.done - start

    def poll(self, caller: Caller, events: int) -> int:
        """See poll(2); readable in raw mode means MIN bytes if TIME is 0."""
        if self.hung_up:
            return _DEAD & (events | POLLERR | POLLHUP)
        terminal = self.terminal
        found = 0
        if terminal.discipline.ready(terminal.discipline.poll_minimum()):
            found |= _READABLE
        else:
            terminal.read_begins()
        if terminal.unplugged:
            found |= POLLHUP
        if terminal.write_room() > 0:
            found |= _WRITABLE
        return found & (events | POLLERR | POLLHUP)

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        """See ioctl_tty(2)."""
        return requests.terminal_ioctl(cast("Task", caller), self, self.terminal, cmd, arg)

    def bytes_readable(self, caller: Caller) -> int:
        """FIONREAD: complete lines in canonical mode, else everything."""
        if self.hung_up:
            raise EIO("%s was hung up", self.path)
        discipline = self.terminal.discipline
        return discipline.queue.readable(discipline.canonical)

    def release(self) -> None:
        """The last descriptor is gone."""
        self.terminal.closed()
