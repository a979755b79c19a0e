"""Inherited descriptors: what is read, when, and how much."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path as HostPath
from types import SimpleNamespace
from typing import Any

import pytest

from kernel.abi.errors import EAGAIN, EFBIG, EINVAL, EPIPE, ERESTARTSYS, ESPIPE
from kernel.abi.files import (
    O_NONBLOCK,
    POLLHUP,
    POLLIN,
    POLLOUT,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    SEEK_CUR,
    SEEK_SET,
)
from kernel.abi.signals import SIGPIPE, SIGXFSZ
from kernel.cred import RLIMIT_FSIZE, Limits
from kernel.fs.hostio import HostStream
from kernel.fs.hostpoller import HostSelector
from kernel.fs.inherited import HostStreams
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.mount import MountTable
from kernel.wait import Interrupted, Sleep, Watcher

CALLER: Any = SimpleNamespace(limits=Limits())
ROOT = HostPath(__file__).parents[3]


class Host:
    """Streams over descriptors that are closed at the end."""

    def __init__(self) -> None:
        self.poller = HostSelector()
        mounts = MountTable()
        sb = SuperBlock(b"hostfd", mounts.new_dev(), lambda: 0)
        sb.root = Inode(sb, S_IFDIR)
        self.streams = HostStreams(mounts.anonymous_mount(sb), self.poller)
        self.fds: list[int] = []

    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self.fds += ends
        return ends

    def open(self, fd: int) -> HostStream:
        stream = self.streams.open(fd)
        assert stream is not None
        return stream

    def close(self) -> None:
        for fd in self.fds:
            try:
                os.close(fd)
            except OSError:
                pass
        self.poller.close()


@pytest.fixture(params=["nowait", "poll first"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    if request.param == "poll first":
        monkeypatch.setattr("kernel.fs.hostio._NOWAIT", 0)
    made = Host()
    yield made
    made.close()


def read(stream: HostStream, size: int) -> bytes:
    buffer = KernelBuffer.empty(size)
    result = stream.read(CALLER, buffer, None)
    assert result == buffer.done
    return buffer.filled()


def test_no_more_is_read_than_was_asked_for(host: Host) -> None:
    reader, writer = host.pipe()
    os.write(writer, b"one\ntwo\n")
    assert read(host.open(reader), 4) == b"one\n"
    assert os.read(reader, 100) == b"two\n"


def test_a_read_sleeps_until_the_host_has_something(host: Host) -> None:
    reader, writer = host.pipe()
    stream = host.open(reader)
    buffer = KernelBuffer.empty(10)
    generator: Any = stream.read(CALLER, buffer, None)
    sleep = next(generator)
    assert isinstance(sleep, Sleep)
    assert sleep.queues == (stream.queue,)
    os.write(writer, b"abc")
    with pytest.raises(StopIteration) as stop:
        generator.send(True)
    assert stop.value.value == 3
    assert buffer.filled() == b"abc"


def test_an_interrupted_read_restarts(host: Host) -> None:
    reader, _ = host.pipe()
    generator: Any = host.open(reader).read(CALLER, KernelBuffer.empty(1), None)
    next(generator)
    with pytest.raises(ERESTARTSYS):
        generator.throw(Interrupted())


def test_nonblocking_is_the_guests_own_business(host: Host) -> None:
    reader, _ = host.pipe()
    stream = host.open(reader)
    stream.set_flags(CALLER, O_NONBLOCK)
    with pytest.raises(EAGAIN):
        stream.read(CALLER, KernelBuffer.empty(1), None)
    assert not fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_NONBLOCK


def test_the_end_of_a_pipe_reads_as_nothing(host: Host) -> None:
    reader, writer = host.pipe()
    os.close(writer)
    assert read(host.open(reader), 5) == b""


def test_a_gone_reader_is_epipe_with_the_guests_signal(host: Host) -> None:
    reader, writer = host.pipe()
    stream = host.open(writer)
    os.close(reader)
    with pytest.raises(EPIPE) as caught:
        stream.write(CALLER, KernelBuffer(b"x"), None)
    assert caught.value.signal == SIGPIPE


def test_a_big_write_sleeps_and_goes_on(host: Host) -> None:
    reader, writer = host.pipe()
    stream = host.open(writer)
    data = bytes(range(256)) * 1024
    generator: Any = stream.write(CALLER, KernelBuffer(data), None)
    got = b""
    result = None
    next(generator)
    while result is None:
        got += os.read(reader, 65536)
        try:
            generator.send(True)
        except StopIteration as stop:
            result = stop.value
    os.set_blocking(reader, False)
    while len(got) < len(data):
        got += os.read(reader, 65536)
    assert result == len(data)
    assert got == data


def test_an_interrupted_write_says_how_much_it_wrote(host: Host) -> None:
    _, writer = host.pipe()
    generator: Any = host.open(writer).write(CALLER, KernelBuffer(bytes(100_000)), None)
    next(generator)
    with pytest.raises(StopIteration) as stop:
        generator.throw(Interrupted())
    assert 0 < stop.value.value < 100_000


def test_a_file_shares_the_callers_offset(host: Host, tmp_path: HostPath) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"abcdef")
    fd = os.open(path, os.O_RDONLY)
    host.fds.append(fd)
    stream = host.open(fd)
    assert read(stream, 3) == b"abc"
    assert os.read(fd, 1) == b"d"
    assert stream.seek(CALLER, 0, SEEK_CUR) == 4
    assert stream.seek(CALLER, 1, SEEK_SET) == 1
    buffer = KernelBuffer.empty(2)
    assert stream.read(CALLER, buffer, 4) == 2
    assert buffer.filled() == b"ef"
    assert os.read(fd, 1) == b"b"


def test_the_file_size_limit_is_the_guests(host: Host, tmp_path: HostPath) -> None:
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    host.fds.append(fd)
    stream = host.open(fd)
    limits = Limits()
    limits.values[RLIMIT_FSIZE] = (10, 10)
    caller: Any = SimpleNamespace(limits=limits)
    assert stream.write(caller, KernelBuffer(b"x" * 15), None) == 10
    with pytest.raises(EFBIG) as caught:
        stream.write(caller, KernelBuffer(b"x"), None)
    assert caught.value.signal == SIGXFSZ


def test_streams_have_no_offset(host: Host) -> None:
    reader, _ = host.pipe()
    stream = host.open(reader)
    assert not stream.seekable
    with pytest.raises(ESPIPE):
        stream.seek(CALLER, 0, SEEK_CUR)
    with pytest.raises(EINVAL):
        stream.truncate(CALLER, 0)


def test_poll_looks_and_arms_a_watch(host: Host) -> None:
    reader, writer = host.pipe()
    stream = host.open(reader)
    assert stream.poll(CALLER, POLLIN) == 0
    assert host.poller.watching
    os.write(writer, b"x")
    assert stream.poll(CALLER, POLLIN) == POLLIN
    os.close(writer)
    os.read(reader, 1)
    assert stream.poll(CALLER, POLLIN) == POLLHUP
    end, _ = host.pipe()
    assert host.open(_).poll(CALLER, POLLOUT) == POLLOUT
    assert end


def test_a_socket_works_like_a_stream(host: Host) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = host.open(ours.fileno())
        assert stream.write(CALLER, KernelBuffer(b"hello"), None) == 5
        assert theirs.recv(10) == b"hello"
        theirs.send(b"answer")
        assert read(stream, 3) == b"ans"
        assert stream.bytes_readable(CALLER) == 3


def test_dev_null_never_blocks(host: Host) -> None:
    fd = os.open(os.devnull, os.O_RDWR)
    host.fds.append(fd)
    stream = host.open(fd)
    assert read(stream, 5) == b""
    assert stream.write(CALLER, KernelBuffer(b"xyz"), None) == 3


class Crumbs(KernelBuffer):
    """A buffer of single bytes: 1024 segments across page boundaries are 2048 slices."""

    def put_views(self, n: int) -> list[memoryview]:
        return [view[i : i + 1] for view in super().put_views(n) for i in range(len(view))]


def test_more_slices_than_the_host_takes_at_once(host: Host, tmp_path: HostPath) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"")
    fd = os.open(place, os.O_RDWR)
    host.fds.append(fd)
    stream = host.open(fd)
    assert stream.write(CALLER, Crumbs(b"x" * 2048), None) == 2048
    assert place.read_bytes() == b"x" * 2048
    buffer = Crumbs.empty(2048)
    assert stream.read(CALLER, buffer, 0) == 1024
    read, write = host.pipe()
    os.write(write, b"y" * 2048)
    assert host.open(read).read(CALLER, Crumbs.empty(2048), None) == 1024
    assert host.open(write).write(CALLER, Crumbs(b"z" * 2048), None) == 2048


def test_two_descriptors_of_one_file_are_one_inode(host: Host) -> None:
    _, writer = host.pipe()
    copy = os.dup(writer)
    host.fds.append(copy)
    first, second = host.open(writer), host.open(copy)
    assert first.inode is second.inode
    assert first.inode.mode & S_IFMT == S_IFIFO


def test_a_closed_descriptor_gives_nothing(host: Host) -> None:
    reader, _ = host.pipe()
    os.close(reader)
    assert host.streams.open(reader) is None


def test_a_closed_number_stays_closed_whatever_is_opened_later() -> None:
    script = (
        "import os\n"
        "from kernel.fs.inherited import hold_closed, is_open\n"
        "hold_closed()\n"
        "print(os.open('/dev/null', os.O_RDONLY) > 2, [is_open(fd) for fd in (0, 1, 2)])\n"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 0<&- 2>&-', sys.executable, script]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    assert done.stdout == b"True [False, True, False]\n"


def test_every_read_makes_the_next_readiness_news_for_edge_triggered_epoll(host: Host) -> None:
    reader, writer = host.pipe()
    stream = host.open(reader)
    stream.set_flags(CALLER, O_NONBLOCK)
    told: list[int] = []
    assert stream.queue is not None

    def tell(events: int) -> bool:
        told.append(events)
        return True

    watcher = Watcher(stream.queue, tell)
    assert stream.poll(CALLER, POLLIN) == 0
    for count in (1, 2, 3):
        os.write(writer, b"abc")
        host.poller.wait(0)
        assert len(told) == count
        assert read(stream, 3) == b"abc"
        with pytest.raises(EAGAIN):
            read(stream, 3)
    watcher.remove()
    os.write(writer, b"abc")
    host.poller.wait(0)
    assert len(told) == 3
