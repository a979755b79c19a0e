"""Networks of guests: BusyBox's servers and clients, the host's, numbers, and what is left over."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import diorama
from kernel.abi.signals import SIGKILL
from kernel.net.network import network_of
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from tests.support.counts import scaled
from tests.support.guest import run_cli, run_guest, shell
from tools.config import Volume
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("K6", "K8")]

CONNECTIONS = 10_000
PROCESSES = 100


def test_nc_to_nc(arch: str) -> None:
    script = """
        nc -l -p 5000 > /tmp/got & until netstat -ltn | grep -q :5000; do usleep 1000; done
        printf 'one\\ntwo\\n' | nc 127.0.0.1 5000; wait; cat /tmp/got
        nc 127.0.0.1 5000; echo $?
    """
    result = shell(script, arch)
    assert result.text == "one\ntwo\n1\n"
    assert b"Connection refused" in result.stderr


def test_httpd_and_wget(arch: str) -> None:
    script = """
        mkdir /www; seq 20000 > /www/numbers; httpd -p 80 -h /www
        for host in localhost 127.0.0.1 127.9.9.9 '[::1]'; do
            wget -q -O - http://$host/numbers | md5sum
        done
        md5sum < /www/numbers; wget -q http://localhost/none; echo $?
    """
    lines = shell(script, arch).text.splitlines()
    assert len(lines) == 6
    assert len(set(lines[:5])) == 1
    assert lines[5] == "1"


def test_the_interface_is_lo(arch: str) -> None:
    text = shell("ifconfig; ip addr; netstat -an; route -n", arch).text
    assert "inet addr:127.0.0.1  Mask:255.0.0.0" in text
    assert "inet6 ::1/128 scope host" in text


def test_nothing_is_beyond_the_loopback(arch: str) -> None:
    result = shell("nc 192.0.2.1 80; echo $?", arch)
    assert result.text == "1\n"
    assert b"Network is unreachable" in result.stderr


def test_without_a_network_there_is_not_even_lo(arch: str) -> None:
    result = shell("ip addr | head -1; nc 127.0.0.1 80; echo $?", arch, network="none")
    assert result.text == "1: lo: <LOOPBACK> mtu 65536 qlen 1000\n1\n"


def test_a_unix_socket_on_a_volume_is_a_file_of_the_host(arch: str, tmp_path: Path) -> None:
    program = build.build("net_volume", arch)
    volume = Volume(str(tmp_path), b"/v", read_only=False)
    result = run_guest(program, "/v", arch=arch, volumes=(volume,))
    assert (result.status, result.text) == (0, "ok\n")
    assert (tmp_path / "kept").is_socket()


# -- the host --------------------------------------------------------------------------------------


@contextlib.contextmanager
def host_server(answer: bytes) -> Iterator[int]:
    """A server on the host's 127.0.0.1 that answers each connection once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                made, _ = server.accept()
                with made:
                    made.sendall(answer + made.recv(1000))

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
    thread.join()


def test_a_guest_reaches_the_hosts_network(arch: str) -> None:
    with host_server(b"from the host: ") as port:
        result = shell(f"echo hello | nc 127.0.0.1 {port}", arch, network="host")
    assert result.text == "from the host: hello\n"


def test_by_default_it_does_not(arch: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = shell(f"nc 127.0.0.1 {server.getsockname()[1]} < /dev/null; echo $?", arch)
    assert result.text == "1\n"


def free_port() -> int:
    """A port of the host that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_published_port_leads_inside(arch: str) -> None:
    port = free_port()
    command = [
        sys.executable, "-m", "diorama", "run", "--arch", arch, "-p", f"127.0.0.1:{port}:80",
        "busybox", "nc", "-l", "-p", "80", "-e", "cat",
    ]  # fmt: skip
    data = bytes(range(256)) * 2000
    root = str(Path(diorama.__file__).parent)
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as guest:
        try:
            assert echo(port, data) == data
            assert guest.wait(90) == 0
        finally:
            guest.kill()


def echo(port: int, data: bytes) -> bytes:
    """Send and read back; until the guest listens, the connection is closed at once."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as made:
            sender = threading.Thread(target=lambda s=made: _send_all(s, data))
            sender.start()
            got = b""
            while len(got) < len(data) and (piece := made.recv(65536)):
                got += piece
            sender.join()
            if got:
                return got
        time.sleep(0.05)
    return b""


def _send_all(made: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        made.sendall(data)
        made.shutdown(socket.SHUT_WR)


def test_a_taken_port_is_said_at_once(arch: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run_cli("run", "--arch", arch, "-p", f"127.0.0.1:{port}:80", "busybox", "true")
    assert result.status == 125
    assert result.stderr == f"diorama: -p: 127.0.0.1:{port}: Address already in use\n".encode()


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_short_connections_and_a_ring(arch: str) -> None:
    """10 000 short TCP connections in `make stress`."""
    program = build.build("net_stress", arch)
    result = run_guest(program, str(scaled(CONNECTIONS)), arch=arch, timeout=300.0)
    assert (result.status, result.text) == (0, "ok\n")


@pytest.mark.slow
def test_killed_at_any_moment_sockets_come_back(arch: str) -> None:
    """kill -9 of servers and clients: no port, name, file or frame stays."""
    source = random.Random(23)
    program = build.build("net_stress", arch)
    with diorama.boot(arch, memory="256m") as machine:
        machine.mount(str(program), "/bin/net_stress")
        system = machine.system
        net = network_of(system)

        def left() -> tuple[object, ...]:
            return (
                dict(net.unix), dict(net.tcp.by_port), dict(net.udp.by_port), dict(net.abstract),
                net.files_in_flight, [*system.tasks], [mount.opens for mount in
                system.mounts.mounts], system.frames.used_count - len(system.page_cache),
            )  # fmt: skip

        def run_for(switches: int) -> None:
            until = system.counters.switches + switches
            machine.run(lambda: system.counters.switches >= until)

        def kill_some(count: int) -> None:
            running = [machine.spawn("net_stress", "0") for _ in range(count)]
            for process in running:
                run_for(source.randrange(300))
                send_to_group(process.task.group, SigInfo(SIGKILL))
            machine.run()
            for group in list(system.groups.values()):  # what they left behind
                if group.pid > 1:
                    send_to_group(group, SigInfo(SIGKILL))
            machine._session.machine.run(lambda: len(system.tasks) == 1)
            assert all(process.status == 128 + SIGKILL for process in running)

        kill_some(1)
        before = left()
        for _ in range(scaled(PROCESSES) // 2):
            kill_some(2)
        assert left() == before
        net.tcp.check_invariants()


def test_descriptors_of_the_host_come_back(arch: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with host_server(b"x") as port:
        shell(f"echo | nc 127.0.0.1 {port}", arch, network="host")
    assert len(os.listdir("/proc/self/fd")) == before
