"""Captures of programs that try everything sockets do: each packet and each stream must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guest import run_cli
from tests.tools.pcap.test_capture import TCP, flags, packets, payloads, streams
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]


@pytest.mark.parametrize("name", ["net_tcp", "net_udp", "net_marks", "epoll_sockets", "net_stress"])
def test_sequence_numbers_and_checksums_fit(name: str, arch: str, tmp_path: Path) -> None:
    """``packets`` checks every checksum, ``payloads`` every sequence number."""
    path = tmp_path / "capture"
    words = ["5", "3"] if name == "net_stress" else []
    result = run_cli("run", "--pcap", str(path), str(build.build(name, arch)), *words)
    assert result.status == 0
    found = packets(path.read_bytes())
    assert len(found) >= 10
    for stream in streams(found):
        payloads(stream)
        assert stream[0].inner.flags == TCP.TH_SYN


def test_the_capture_changes_nothing_that_a_program_sees(arch: str, tmp_path: Path) -> None:
    program = str(build.build("net_tcp", arch))
    traces = [tmp_path / "a", tmp_path / "b"]
    for path, more in zip(traces, ((), ("--pcap", str(tmp_path / "capture"))), strict=True):
        run_cli("trace", "-f", "--deterministic", "-o", str(path), *more, program)
    assert traces[0].read_bytes() == traces[1].read_bytes()


SELF = r"""
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in in = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t length = sizeof in;
    char buffer[100];
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (void *)&in, length) || listen(server, 1)) return 1;
    if (getsockname(server, (void *)&in, &length)) return 2;
    if (connect(client, (void *)&in, length)) return 3;
    int taken = accept(server, 0, 0);
    if (write(client, "question", 8) != 8 || read(taken, buffer, 100) != 8) return 4;
    if (write(taken, "answer", 6) != 6 || read(client, buffer, 100) != 6) return 5;
    close(taken);
    if (read(client, buffer, 100)) return 6;
    close(client);

    int hearer = socket(AF_INET, SOCK_DGRAM, 0), talker = socket(AF_INET, SOCK_DGRAM, 0);
    in.sin_port = 0;
    if (bind(hearer, (void *)&in, length) || getsockname(hearer, (void *)&in, &length)) return 7;
    if (sendto(talker, "hello", 5, 0, (void *)&in, length) != 5) return 8;
    return recv(hearer, buffer, 100, 0) != 5;
}
"""


@pytest.mark.parametrize("network", ["loopback", "host"])
def test_two_ends_inside_are_told_once(network: str, arch: str, tmp_path: Path) -> None:
    """Also where both are sockets of the host."""
    path = tmp_path / "capture"
    program = str(build.build_source("self", arch, SELF))
    assert run_cli("run", "--network", network, "--pcap", str(path), program).status == 0
    found = packets(path.read_bytes())
    (stream,) = streams(found)
    assert flags(stream) == "S SA A P A P A F A F A"
    assert set(payloads(stream).values()) == {b"question", b"answer"}
    assert [packet.inner.data for packet in found if packet.ip.p == 17] == [b"hello"]
