"""What Python's standard library asks of a kernel, stage by stage; prints a line per stage.

Threads, subprocesses, forks on terminals, signals, sockets, asyncio, files, polling, shared memory.
Runs on any Linux: ``python3 stages.py``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import glob
import mmap
import os
import pty
import queue
import select
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path


def threads() -> None:
    """A queue with eight workers, an event, a barrier in a pool."""
    numbers: queue.Queue[int | None] = queue.Queue()
    squares: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        while (number := numbers.get()) is not None:
            with lock:
                squares.append(number * number)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for number in [*range(200), *([None] * 8)]:
        numbers.put(number)
    for worker in workers:
        worker.join()
    assert sorted(squares) == [i * i for i in range(200)]
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert event.wait(20)
    assert not threading.Event().wait(0.005)
    barrier = threading.Barrier(4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: barrier.wait(), range(4))) == [0, 1, 2, 3]


def subprocesses() -> None:
    """Pipes both ways, statuses, deaths, a missing program, a timeout."""

    def output(command: list[str], text: str = "") -> str:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout

    assert output(["echo", "hi"]) == "hi\n"
    assert output(["sort"], "b\na\n") == "a\nb\n"
    assert output(["sh", "-c", "seq 1000 | tail -n 1"]) == "1000\n"
    assert output(["cat"], "x" * 300_000) == "x" * 300_000
    assert subprocess.run(["sh", "-c", "exit 3"], check=False).returncode == 3
    assert subprocess.run(["sh", "-c", "kill -9 $$"], check=False).returncode == -9
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["/nonexistent"], check=False)
        raise AssertionError("started a program that is not there")
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["sleep", "60"], check=False, timeout=0.02)
        raise AssertionError("sleep did not sleep")


def forks() -> None:
    """Ten children, a child on a terminal of its own, posix_spawn."""
    reading, writing = os.pipe()
    children = []
    for i in range(10):
        child = os.fork()
        if child == 0:
            os.write(writing, bytes([i]))
            os._exit(i)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert statuses == list(range(10))
    assert sorted(os.read(reading, 100)) == list(range(10))
    child, master = pty.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", "tty; echo $((6 * 7)); exit 5"])
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the last user of the terminal is gone
        while data := os.read(master, 1000):
            shown += data
    assert shown.startswith(b"/dev/pts/")
    assert shown.endswith(b"\r\n42\r\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    spawned = os.posix_spawnp("true", ["true"], os.environ)
    assert os.waitpid(spawned, 0)[1] == 0


def signals() -> None:
    """Handlers, an interval timer, blocked and waited-for signals, the wake-up descriptor."""
    got: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: got.append(number))
    signal.signal(signal.SIGALRM, lambda number, _: got.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    assert got == [signal.SIGUSR1]
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while signal.SIGALRM not in got:
        time.sleep(0.005)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    assert signal.sigpending() == {signal.SIGUSR2}
    assert signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2
    assert signal.sigtimedwait([signal.SIGUSR2], 0.005) is None
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    os.kill(os.getpid(), signal.SIGUSR1)
    assert ours.recv(1) == bytes([signal.SIGUSR1])
    signal.set_wakeup_fd(-1)


class Shouting(socketserver.StreamRequestHandler):
    """Answers each line in capitals."""

    def handle(self) -> None:
        """One connection."""
        for line in self.rfile:
            self.wfile.write(line.upper())


def sockets(top: Path) -> None:
    """A threaded TCP server, UDP, descriptors over a UNIX socket, IPv6, a refused connection."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Shouting) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.server_address[1])) as client:
                client.sendall(b"hello\n")
                assert client.recv(100) == b"HELLO\n"
        server.shutdown()
    to, by = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    to.bind(("127.0.0.1", 0))
    by.sendto(b"x", to.getsockname())
    assert to.recvfrom(10)[0] == b"x"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{top}/socket")
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(f"{top}/socket")
    accepted, _ = listener.accept()
    reading, writing = os.pipe()
    socket.send_fds(client, [b"m"], [writing])
    received = socket.recv_fds(accepted, 10, 4)[1]
    os.write(received[0], b"passed")
    assert os.read(reading, 9) == b"passed"
    assert socket.gethostbyname("localhost") == "127.0.0.1"
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 1))
        raise AssertionError("nobody listens there")
    if Path("/proc/net/if_inet6").exists():
        six = socket.create_server(("::1", 0), family=socket.AF_INET6)
        socket.create_connection(six.getsockname()[:2]).close()


async def _events() -> None:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).strip()[::-1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reverse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def ask(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d\n" % number)
        answer = await reader.read()
        writer.close()
        return answer

    answers = await asyncio.gather(*[ask(number) for number in range(100, 120)])
    assert answers == [str(number)[::-1].encode() for number in range(100, 120)]
    child = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert (await child.communicate(b"q"))[0] == b"q"
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(60), 0.01)
        raise AssertionError("slept on")
    assert await asyncio.to_thread(os.getpid) == os.getpid()
    server.close()


def events() -> None:
    """asyncio: streams, a child, a timeout, a thread."""
    asyncio.run(_events())


def files(top: Path) -> None:
    """Trees, mappings, locks, times, memory files."""
    tree = top / "tree"
    tree.mkdir()
    for i in range(100):
        (tree / f"f{i}").write_text(str(i) * i, encoding="ascii")
    sizes = sum(entry.stat().st_size for entry in os.scandir(tree))
    assert sizes == sum(len(str(i)) * i for i in range(100))
    shutil.copytree(tree, top / "copy")
    shutil.rmtree(tree)
    assert len(glob.glob(f"{top}/copy/*")) == 100
    with (top / "mapped").open("w+b") as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as mapping:
            mapping[5000:5003] = b"abc"
            mapping.flush()
        file.seek(5000)
        assert file.read(3) == b"abc"
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (top / "link").symlink_to("mapped")
    assert (top / "link").resolve() == (top / "mapped").resolve()
    os.utime(top / "mapped", ns=(10**18, 10**18 + 7))
    assert (top / "mapped").stat().st_mtime_ns == 10**18 + 7
    memory = os.memfd_create("memory")
    os.write(memory, b"123")
    with (top / "out").open("wb") as file:
        os.sendfile(file.fileno(), memory, 0, 3)
    assert (top / "out").read_bytes() == b"123"
    assert Path(f"/proc/self/fd/{memory}").exists()
    assert shutil.disk_usage(top).total


def polling() -> None:
    """epoll, poll and select agree; an eventfd; a child's death on a pidfd."""
    reading, writing = os.pipe()
    with select.epoll() as watch:
        watch.register(reading, select.EPOLLIN)
        assert watch.poll(0) == []
        os.write(writing, b"1")
        assert watch.poll(20) == [(reading, select.EPOLLIN)]
    polled = select.poll()
    polled.register(reading, select.POLLIN)
    assert polled.poll(0) == [(reading, select.POLLIN)]
    assert select.select([reading], [writing], [], 0)[:2] == ([reading], [writing])
    assert os.eventfd_read(os.eventfd(3)) == 3
    os.read(reading, 1)
    child = os.fork()
    if child == 0:
        time.sleep(0.01)
        os._exit(4)
    death = os.pidfd_open(child)
    polled.register(death, select.POLLIN)
    assert polled.poll(20_000) == [(death, select.POLLIN)]
    ended = os.waitid(os.P_PIDFD, death, os.WEXITED)
    assert ended is not None
    assert ended.si_status == 4


def foreign(top: Path) -> None:
    """The C library by ctypes, a database, failed allocations, a crash."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.getpid() == os.getpid()
    assert (libc.close(999), ctypes.get_errno()) == (-1, errno.EBADF)
    database = sqlite3.connect(top / "database")
    database.execute("create table numbers (n)")
    database.executemany("insert into numbers values (?)", [(i,) for i in range(1000)])
    database.commit()
    assert database.execute("select sum(n) from numbers").fetchone() == (499_500,)
    with contextlib.suppress(MemoryError):
        bytearray(1 << 46)
        raise AssertionError("64 TiB")
    crash = [sys.executable, "-S", "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(0)"]
    crashed = subprocess.run(crash, capture_output=True, check=False)
    assert crashed.returncode == -signal.SIGSEGV
    assert b"Segmentation fault" in crashed.stderr


def main() -> None:
    """Every stage in order."""
    top = Path(tempfile.mkdtemp())
    stages: list[Callable[[], None]] = [threads, subprocesses, forks, signals, events, polling]
    for stage in stages:
        stage()
        print(stage.__name__, flush=True)
    for with_files in (files, sockets, foreign):
        with_files(top)
        print(with_files.__name__, flush=True)
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
