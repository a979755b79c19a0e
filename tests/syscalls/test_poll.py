"""poll, ppoll, select, pselect6 over pseudoterminals and closed descriptors."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.abi.errors import EBADF, EFAULT, EINVAL, ERESTART_RESTARTBLOCK
from kernel.abi.files import POLLERR, POLLIN, POLLNVAL, POLLOUT, S_IFDIR, S_IFIFO
from kernel.abi.signals import SIGUSR1
from kernel.abi.structs import POLLFD, SIGSET, SIGSET_ARGPACK, TIMESPEC, TIMEVAL
from kernel.task import sleep
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.mount import MountTable
from kernel.vfs.openfile import OpenFile
from kernel.wait import WaitQueue
from syscalls import poll as calls
from syscalls.restarts import RESTARTS
from tests.support.tasks import World

MS = 1_000_000
HANDLER = 0x1000


class Ready(OpenFile):
    """A file whose readiness the test decides."""

    __slots__ = ("events",)

    def __init__(self, inode: Inode, path: Path) -> None:
        super().__init__(inode, path, 2)
        self.queue = WaitQueue("test")
        self.events = 0

    def poll(self, caller: Any, events: int) -> int:
        return self.events & events

    def become(self, events: int) -> None:
        self.events = events
        assert self.queue is not None
        self.queue.wake()


class Polling:
    """A program with descriptors 0 and 1 that are ``Ready`` files."""

    def __init__(self) -> None:
        self.world = World()
        self.task = self.world.program
        mounts = MountTable()
        sb = SuperBlock(b"test", mounts.new_dev(), lambda: 0)
        sb.root = Inode(sb, S_IFDIR)
        mount = mounts.anonymous_mount(sb)
        self.files = []
        for _ in range(2):
            inode = Inode(sb, S_IFIFO)
            self.files.append(Ready(inode, Path(mount, Dentry(b"x", None, inode))))
            self.task.fds.install(self.files[-1])
        self.data = self.world.data

    def put(self, *entries: tuple[int, int]) -> None:
        raw = b"".join(POLLFD.pack(fd, events, -1) for fd, events in entries)
        self.task.mem.write(self.data, raw)

    def revents(self, count: int) -> list[int]:
        raw = self.task.mem.read(self.data, count * POLLFD.size)
        return [found for _, _, found in POLLFD.iter_unpack(raw)]

    def call(self, handler: Any, *args: Any) -> int | None:
        return self.world.call(self.task, handler(self.task, *args))

    def result(self) -> int | None:
        return self.world.results.get(self.task.tid)

    def catch(self, signal: int) -> None:
        actions = self.task.actions
        actions.set(signal, actions.get(signal)._replace(handler=HANDLER, restorer=HANDLER))

    def send(self, signal: int) -> None:
        send_to_group(self.task.group, SigInfo.user(signal, 1, 0))

    def interrupt(self) -> int | None:
        """A signal ends the sleep; the result, before any handler runs."""
        self.catch(SIGUSR1)
        self.send(SIGUSR1)
        assert self.world.kernel.scheduler.next() is self.task
        return sleep.resume(self.task)

    def sets(self, *sets: int) -> list[int]:
        """Write fd sets of 64 bits; returns their addresses."""
        addresses = [self.data + 512 + n * 8 for n in range(len(sets))]
        for address, bits in zip(addresses, sets, strict=True):
            self.task.mem.write(address, bits.to_bytes(8, "little"))
        return addresses

    def bits(self, address: int) -> int:
        return int.from_bytes(self.task.mem.read(address, 8), "little")

    def time(self, form: Any, *values: int) -> int:
        address = self.data + 1024
        self.task.mem.write(address, form.pack(*values))
        return address


def test_poll_reports_what_is_ready() -> None:
    p = Polling()
    p.files[0].events = POLLIN | POLLOUT
    p.put((0, POLLIN), (1, POLLIN), (9, POLLIN), (-1, POLLIN))
    assert p.call(calls.poll, p.data, 4, -1) == 2
    assert p.revents(4) == [POLLIN, 0, POLLNVAL, 0]


def test_poll_sleeps_until_a_file_is_ready() -> None:
    p = Polling()
    p.put((0, POLLIN), (1, POLLOUT))
    assert p.call(calls.poll, p.data, 2, -1) is None
    p.files[0].become(POLLOUT)  # not what was asked for
    p.world.run_all()
    assert p.result() is None
    p.files[1].become(POLLOUT)
    p.world.run_all()
    assert p.result() == 1
    assert p.revents(2) == [0, POLLOUT]


def test_poll_reports_errors_without_being_asked() -> None:
    p = Polling()
    p.files[0].events = POLLERR
    p.put((0, 0))
    assert p.call(calls.poll, p.data, 1, 0) == 1
    assert p.revents(1) == [POLLERR]


def test_poll_time_runs_out() -> None:
    p = Polling()
    p.put((0, POLLIN))
    assert p.call(calls.poll, p.data, 1, 20) is None
    p.world.advance(19 * MS)
    assert p.result() is None
    p.world.advance(2 * MS)
    assert p.result() == 0
    assert p.call(calls.poll, p.data, 1, 0) == 0


def test_poll_checks_its_arguments() -> None:
    p = Polling()
    with pytest.raises(EINVAL):
        p.call(calls.poll, p.data, 5000, 0)
    with pytest.raises(EFAULT):
        p.call(calls.poll, 8, 1, 0)


def test_an_interrupted_poll_goes_on_with_the_time_that_is_left() -> None:
    p = Polling()
    p.put((0, POLLIN))
    assert p.call(calls.poll, p.data, 1, 50) is None
    deadline = p.world.clock.monotonic() + 50 * MS
    assert p.interrupt() == -516
    assert p.revents(1) == [0]
    assert isinstance(p.task.interrupted, ERESTART_RESTARTBLOCK)
    assert p.task.interrupted.block == ("poll", (p.data, 1), deadline)
    p.task.group.pending.discard(1 << SIGUSR1 - 1)
    assert p.call(RESTARTS["poll"], (p.data, 1), deadline) is None
    p.world.advance(51 * MS)
    assert p.result() == 0


def test_ppoll_lends_a_mask_and_writes_the_time_left() -> None:
    p = Polling()
    p.task.blocked = 1 << SIGUSR1 - 1
    p.catch(SIGUSR1)
    p.send(SIGUSR1)
    p.put((0, POLLIN))
    mask = p.data + 2048
    p.task.mem.write(mask, SIGSET.pack(0))
    time = p.time(TIMESPEC, 5, 0)
    assert p.call(calls.ppoll, p.data, 1, time, mask, 8) == -514
    assert p.task.saved_mask == 1 << SIGUSR1 - 1
    p.task.saved_mask = None


def test_ppoll_gives_the_mask_back_when_it_succeeds() -> None:
    p = Polling()
    p.task.blocked = 1 << SIGUSR1 - 1
    mask = p.data + 2048
    p.task.mem.write(mask, SIGSET.pack(0xFF0000))
    p.put((0, POLLIN))
    time = p.time(TIMESPEC, 1, 0)
    assert p.call(calls.ppoll, p.data, 1, time, mask, 8) is None
    assert p.task.blocked & 0xFF0000
    p.world.clock.advance(400 * MS)
    p.files[0].become(POLLIN)
    p.world.run_all()
    assert p.result() == 1
    assert p.task.blocked == 1 << SIGUSR1 - 1
    assert TIMESPEC.unpack(p.task.mem.read(time, 16)) == (0, 600 * MS)


@pytest.mark.parametrize("bad", [(-1, 0), (0, -1), (0, 1_000_000_000)])
def test_ppoll_refuses_a_bad_time(bad: tuple[int, int]) -> None:
    p = Polling()
    with pytest.raises(EINVAL):
        p.call(calls.ppoll, p.data, 0, p.time(TIMESPEC, *bad), 0, 8)
    with pytest.raises(EINVAL):
        p.call(calls.ppoll, p.data, 0, 0, p.data, 4)


def test_select_counts_bits_and_clears_the_others() -> None:
    p = Polling()
    p.files[0].events = POLLIN | POLLOUT
    reads, writes, odd = p.sets(0b11, 0b11, 0b11)
    assert p.call(calls.select, 2, reads, writes, odd, 0) == 2
    assert [p.bits(a) for a in (reads, writes, odd)] == [1, 1, 0]


def test_select_ignores_bits_beyond_nfds() -> None:
    p = Polling()
    p.files[0].events = POLLIN
    (reads,) = p.sets(0b1001)
    assert p.call(calls.select, 2, reads, 0, 0, 0) == 1
    assert p.bits(reads) == 1


def test_select_refuses_what_is_not_open() -> None:
    p = Polling()
    (reads,) = p.sets(0b100)
    with pytest.raises(EBADF):
        p.call(calls.select, 3, reads, 0, 0, 0)
    with pytest.raises(EINVAL):
        p.call(calls.select, -1, 0, 0, 0, 0)


def test_select_leaves_the_sets_alone_when_interrupted() -> None:
    p = Polling()
    (reads,) = p.sets(0b11)
    time = p.time(TIMEVAL, 1, 500_000)
    assert p.call(calls.select, 2, reads, 0, 0, time) is None
    p.world.clock.advance(MS)
    assert p.interrupt() == -514
    assert p.bits(reads) == 0b11
    assert TIMEVAL.unpack(p.task.mem.read(time, 16)) == (1, 499_000)


def test_select_accepts_many_microseconds() -> None:
    p = Polling()
    time = p.time(TIMEVAL, 0, 2_500_000)
    assert p.call(calls.select, 0, 0, 0, 0, time) is None
    p.world.advance(2501 * MS)
    assert p.result() == 0
    assert TIMEVAL.unpack(p.task.mem.read(time, 16)) == (0, 0)


def test_pselect6_takes_mask_and_size_from_memory() -> None:
    p = Polling()
    p.task.blocked = 1 << SIGUSR1 - 1
    mask, pack = p.data + 2048, p.data + 2056
    p.task.mem.write(mask, SIGSET.pack(0))
    p.task.mem.write(pack, SIGSET_ARGPACK.pack(mask, 8))
    p.catch(SIGUSR1)
    p.send(SIGUSR1)
    assert p.call(calls.pselect6, 0, 0, 0, 0, 0, pack) == -514
    p.task.mem.write(pack, SIGSET_ARGPACK.pack(mask, 16))
    with pytest.raises(EINVAL):
        p.call(calls.pselect6, 0, 0, 0, 0, 0, pack)
