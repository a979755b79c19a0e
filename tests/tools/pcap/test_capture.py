"""``--pcap``: captures of guests' sockets, read by dpkt and tcpdump, against what was sent."""

from __future__ import annotations

import fcntl
import io
import os
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dpkt
import pytest

from tests.support import oracles
from tests.support.command import diorama, started
from tests.support.guest import run_cli
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]

# Over IPv4 or IPv6: a TCP connection with data both ways, half closed; one that is reset; one that
# nobody takes; a connection whose end is gone; datagrams, one of them to nobody.
TALK = r"""
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_storage where;
static socklen_t length;
static int domain;

static void at(int port) {
    memset(&where, 0, sizeof where);
    if (domain == AF_INET) {
        struct sockaddr_in *in = (void *)&where;
        in->sin_family = AF_INET, in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK), length = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (void *)&where;
        in->sin6_family = AF_INET6, in->sin6_port = htons(port);
        in->sin6_addr = in6addr_loopback, length = sizeof *in;
    }
}

static void check(int good, const char *what) { if (!good) perror(what), exit(1); }

static void all(int fd, const char *data, size_t count) {
    while (count) {
        ssize_t done = write(fd, data, count);
        check(done > 0, "write");
        data += done, count -= done;
    }
}

int main(int argc, char **argv) {
    domain = argc > 1 && atoi(argv[1]) == 6 ? AF_INET6 : AF_INET;
    static char large[200000], back[300];
    for (unsigned i = 0; i < sizeof large; i++) large[i] = i * 7 + i / 251;
    for (unsigned i = 0; i < sizeof back; i++) back[i] = 'a' + i % 26;

    int server = socket(domain, SOCK_STREAM, 0), yes = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    at(7000);
    check(!bind(server, (void *)&where, length) && !listen(server, 5), "listen");
    if (!fork()) {
        int taken = accept(server, 0, 0);
        char buffer[5000];
        ssize_t count, sum = 0;
        while ((count = read(taken, buffer, sizeof buffer)) > 0) sum += count;
        check(sum == sizeof large, "sum");
        all(taken, back, sizeof back);
        close(taken);
        taken = accept(server, 0, 0);        // the reset: unread data
        usleep(50000);
        close(taken);
        taken = accept(server, 0, 0);        // closed at once; the client writes
        close(taken);
        exit(0);
    }
    int client = socket(domain, SOCK_STREAM, 0);
    check(!connect(client, (void *)&where, length), "connect");
    all(client, large, sizeof large);
    shutdown(client, SHUT_WR);
    char buffer[1000];
    ssize_t sum = 0, count;
    while ((count = read(client, buffer, sizeof buffer)) > 0) sum += count;
    check(sum == sizeof back, "back");
    close(client);

    client = socket(domain, SOCK_STREAM, 0);
    check(!connect(client, (void *)&where, length), "connect");
    all(client, "unread", 6);
    check(read(client, buffer, 1) < 0, "reset");
    close(client);

    client = socket(domain, SOCK_STREAM, 0);
    check(!connect(client, (void *)&where, length), "connect");
    check(read(client, buffer, 1) == 0, "end");
    all(client, "late", 4);
    close(client);
    wait(0);

    at(7001);
    client = socket(domain, SOCK_STREAM, 0);
    check(connect(client, (void *)&where, length) < 0, "refused");

    int talker = socket(domain, SOCK_DGRAM, 0), hearer = socket(domain, SOCK_DGRAM, 0), hops = 9;
    at(7002);
    check(!bind(hearer, (void *)&where, length), "bind");
    if (domain == AF_INET) setsockopt(talker, IPPROTO_IP, IP_TTL, &hops, sizeof hops);
    else setsockopt(talker, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
    check(sendto(talker, large, 60000, 0, (void *)&where, length) == 60000, "sendto");
    check(sendto(talker, "", 0, 0, (void *)&where, length) == 0, "sendto");
    check(sendto(talker, "odd", 3, 0, (void *)&where, length) == 3, "sendto");
    at(7003);
    check(sendto(talker, "nobody", 6, 0, (void *)&where, length) == 6, "sendto");
    puts("ok");
    return 0;
}
"""
LARGE = bytes((i * 7 + i // 251) & 0xFF for i in range(200000))
BACK = bytes(ord("a") + i % 26 for i in range(300))


class Seen(NamedTuple):
    """One packet, taken apart."""

    time: int
    ip: Any
    inner: Any
    raw: bytes

    @property
    def source(self) -> tuple[bytes, int]:
        return self.ip.src, self.inner.sport

    @property
    def target(self) -> tuple[bytes, int]:
        return self.ip.dst, self.inner.dport


def packets(content: bytes) -> list[Seen]:
    """Every packet of a capture, its checksums verified."""
    reader = dpkt.pcap.Reader(io.BytesIO(content))
    assert reader.datalink() == 101
    found = []
    for stamp, raw in reader:
        outer = dpkt.ip.IP(raw) if raw[0] >> 4 == 4 else dpkt.ip6.IP6(raw)
        check_sums(raw)
        found.append(Seen(int(stamp * 10**9), outer, outer.data, raw))
    return found


def sum16(data: bytes) -> int:
    """RFC 1071, written apart from what is tested."""
    words = struct.unpack(f">{len(data) // 2 + len(data) % 2}H", data + bytes(len(data) % 2))
    total = int(sum(words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def check_sums(raw: bytes) -> None:
    """Every header's sum with its checksum is all ones."""
    if raw[0] >> 4 == 4:
        header, body, protocol = raw[:20], raw[20:], raw[9]
        assert raw[0] == 0x45
        assert sum16(header) == 0xFFFF
        assert int.from_bytes(raw[2:4], "big") == len(raw)
        pseudo = raw[12:20] + struct.pack(">HH", protocol, len(body))
    else:
        body, protocol = raw[40:], raw[6]
        assert int.from_bytes(raw[4:6], "big") == len(body)
        pseudo = raw[8:40] + struct.pack(">II", len(body), protocol)
    if protocol == 1:
        pseudo = b""
    assert sum16(pseudo + body) == 0xFFFF
    if protocol == 17:
        assert body[6:8] != b"\0\0"
        assert int.from_bytes(body[4:6], "big") == len(body)


TCP = dpkt.tcp


def streams(found: list[Seen]) -> Iterator[list[Seen]]:
    """TCP packets by connection, each from its SYN on."""
    now: dict[frozenset[Any], list[Seen]] = {}
    for packet in found:
        if isinstance(packet.inner, TCP.TCP):
            key = frozenset((packet.source, packet.target))
            if packet.inner.flags == TCP.TH_SYN and key in now:
                yield now.pop(key)
            now.setdefault(key, []).append(packet)
    yield from now.values()


def payloads(stream: list[Seen]) -> dict[tuple[bytes, int], bytes]:
    """What each end said, put together by sequence numbers; every number must fit."""
    following: dict[tuple[bytes, int], int] = {}
    said: dict[tuple[bytes, int], bytes] = {}
    for packet in stream:
        tcp, source = packet.inner, packet.source
        if tcp.flags & TCP.TH_RST and source not in following:
            assert tcp.seq == 0
            following[source] = 0
        expected = following.setdefault(source, tcp.seq)
        assert tcp.seq == expected, packet
        if tcp.flags & TCP.TH_ACK:
            assert tcp.ack == following[packet.target], "acknowledges what was sent"
        said[source] = said.get(source, b"") + tcp.data
        ends = bool(tcp.flags & TCP.TH_SYN) + bool(tcp.flags & TCP.TH_FIN)
        following[source] = (expected + len(tcp.data) + ends) & 0xFFFFFFFF
    return said


def flags(stream: list[Seen]) -> str:
    """S, SA, A, P, F, R, as a word each."""
    names = {
        TCP.TH_SYN: "S", TCP.TH_SYN | TCP.TH_ACK: "SA", TCP.TH_ACK: "A",
        TCP.TH_ACK | TCP.TH_PUSH: "P", TCP.TH_ACK | TCP.TH_FIN: "F", TCP.TH_RST | TCP.TH_ACK: "R",
    }  # fmt: skip
    return " ".join(names[packet.inner.flags] for packet in stream)


@pytest.fixture(scope="module", params=[(a, v) for a in build.ARCHES for v in (4, 6)],
                ids=lambda p: f"{p[0]}-IPv{p[1]}")  # fmt: skip
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(the IP version, the capture of one run)."""
    arch, version = request.param
    path = tmp_path_factory.mktemp("talk") / "capture"
    program = build.build_source("talk", arch, TALK)
    result = run_cli("run", "--pcap", str(path), str(program), str(version))
    assert (result.status, result.stdout, result.stderr) == (0, b"ok\n", b"")
    return version, path


def test_streams_are_byte_for_byte_what_was_sent(talk: Any) -> None:
    version, path = talk
    found = packets(path.read_bytes())
    loopback = bytes((127, 0, 0, 1)) if version == 4 else bytes(15) + b"\1"
    assert {p.ip.src for p in found} == {p.ip.dst for p in found} == {loopback}
    whole, reset, late, refused = streams(found)

    said = payloads(whole)
    client, server = whole[0].source, whole[0].target
    assert server[1] == 7000
    assert said[client] == LARGE
    assert said[server] == BACK
    words = flags(whole).split()
    assert words[:3] == ["S", "SA", "A"]
    assert words[-4:] == ["F", "A", "F", "A"] or words[-6:] == ["F", "A", "P", "A", "F", "A"]
    assert max(len(p.raw) for p in whole) <= 65535 + 40 * (version == 6)
    options = dict(TCP.parse_opts(whole[0].inner.opts))
    assert int.from_bytes(options[TCP.TCP_OPT_MSS], "big") == (65495 if version == 4 else 65475)

    assert payloads(reset)[reset[0].source] == b"unread"
    assert flags(reset) == "S SA A P A R"
    assert reset[-1].source == server
    assert payloads(late)[late[0].source] == b"late"
    assert flags(late) == "S SA A F A P R"
    assert late[-1].source == server
    assert flags(refused) == "S R"
    assert refused[-1].inner.ack == (refused[0].inner.seq + 1) & 0xFFFFFFFF


def test_datagrams_are_what_was_sent(talk: Any) -> None:
    version, path = talk
    found = packets(path.read_bytes())
    datagrams = [p for p in found if isinstance(p.inner, dpkt.udp.UDP)]
    assert [p.inner.data for p in datagrams] == [LARGE[:60000], b"", b"odd", b"nobody"]
    assert [p.inner.dport for p in datagrams] == [7002, 7002, 7002, 7003]
    assert {p.ip.ttl if version == 4 else p.ip.hlim for p in datagrams} == {9}
    answer = found[-1]
    assert found[-2] is datagrams[-1]
    message = answer.raw[20:] if version == 4 else answer.raw[40:]
    assert message[:2] == bytes((3, 3) if version == 4 else (1, 4))
    assert message[8:] == datagrams[-1].raw


def test_times_never_go_back(talk: Any) -> None:
    times = [packet.time for packet in packets(talk[1].read_bytes())]
    assert times == sorted(times)
    assert abs(times[0] / 1e9 - time.time()) < 3600
    assert any(stamp % 1000 for stamp in times)  # nanoseconds


@pytest.mark.native
def test_tcpdump_finds_every_checksum_correct(talk: Any) -> None:
    version, path = talk
    tcpdump = str(oracles.program("tcpdump"))
    done = subprocess.run(
        # -Z: who is root need not have tcpdump's own user to become
        [tcpdump, "-nn", "-vv", "-Z", "root", "-r", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    count = len(packets(path.read_bytes()))
    sums = re.findall(r"cksum 0x\w+ \((\w+)", done.stdout)
    assert set(sums) == {"correct"}
    assert len(sums) >= count - 5  # of UDP it says "udp sum ok"
    assert done.stdout.count("udp sum ok") + done.stdout.count("[udp sum ok]") >= 4
    assert not re.search(r"\b(bad|incorrect)\b", done.stdout)  # 0xbad1 is a checksum
    assert ("unreachable" in done.stdout) == (version in (4, 6))


def test_a_full_listener_is_a_syn_without_an_answer(arch: str, tmp_path: Path) -> None:
    source = r"""
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in in = {AF_INET, htons(7005), {htonl(INADDR_LOOPBACK)}, {0}};
    int server = socket(AF_INET, SOCK_STREAM, 0), made[3];
    if (bind(server, (void *)&in, sizeof in) || listen(server, 0)) return 1;
    for (int i = 0; i < 2; i++) {
        made[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(made[i], (void *)&in, sizeof in);
    }
    if (accept(server, 0, 0) < 0 || accept(server, 0, 0) < 0) return 2;
    return 0;
}
"""
    path = tmp_path / "capture"
    program = build.build_source("knocking", arch, source)
    assert run_cli("run", "--pcap", str(path), str(program)).status == 0
    found = packets(path.read_bytes())
    starts = [p.source for p in found if p.inner.flags == TCP.TH_SYN]
    assert len(starts) == 3
    assert starts[1] == starts[2] != starts[0]
    assert found[3].inner.flags == found[4].inner.flags == TCP.TH_SYN


def test_two_deterministic_runs_give_the_same_capture(arch: str, tmp_path: Path) -> None:
    program = str(build.build_source("talk", arch, TALK))
    files = [tmp_path / "a", tmp_path / "b"]
    for path in files:
        run_cli("run", "--deterministic", "--pcap", str(path), program, "4")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_no_packet_is_a_capture_too(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    assert run_cli("trace", "--pcap", str(path), "-o", "/dev/null", "busybox", "true").status == 0
    assert packets(path.read_bytes()) == []


# -- the host's side -----------------------------------------------------------------------------


def ask(port: int) -> bytes:
    """What the port says; nothing: nobody is there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=90) as outside:
            outside.sendall(b"from outside\n")
            outside.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: outside.recv(100), b""))
    except OSError:
        return b""
    finally:
        time.sleep(0.02)


def test_a_published_port_is_seen_on_the_loopback(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    guest = started(
        "run", "-p", f"127.0.0.1:{port}:80", "--pcap", str(path), "--arch", arch, "busybox", "sh",
        "-c", "echo ready; echo from inside | nc -l -p 80; echo over",
    )  # fmt: skip
    assert guest.stdout is not None
    assert guest.stdout.readline() == b"ready\n"
    got = next(filter(None, (ask(port) for _ in range(200))))  # refused until nc listens
    out, err = guest.communicate(timeout=90)
    assert (out, err, got) == (b"from outside\nover\n", b"", b"from inside\n")
    (stream,) = [s for s in streams(packets(path.read_bytes())) if len(s) > 2]
    said = payloads(stream)
    assert said == {stream[0].source: b"from outside\n", stream[0].target: b"from inside\n"}
    assert stream[0].target[1] == 80


def test_sockets_of_the_host_are_seen_with_its_addresses(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen: list[Any] = []

        def serve() -> None:
            taken, address = server.accept()
            with taken:
                seen.append((address, b"".join(iter(lambda: taken.recv(100), b""))))
                taken.sendall(b"answer\n" * 1000)

        thread = threading.Thread(target=serve)
        thread.start()
        result = diorama(
            "run", "--network", "host", "--pcap", str(path), "--arch", arch, "busybox", "nc",
            "127.0.0.1", str(port), input=b"question\n", stdin=None,
        )  # fmt: skip
        thread.join(90)
    assert result.stdout == b"answer\n" * 1000, result.stderr
    (stream,) = streams(packets(path.read_bytes()))
    (address, question), target = seen[0], (socket.inet_aton("127.0.0.1"), port)
    source = (socket.inet_aton(address[0]), address[1])
    assert question == b"question\n"
    assert payloads(stream) == {source: b"question\n", target: b"answer\n" * 1000}
    assert (stream[0].source, stream[0].target) == (source, target)
    assert flags(stream).startswith("S SA A P A F A P A")
    assert flags(stream).endswith("F A")


# -- where it goes -------------------------------------------------------------------------------

CHAT = (
    "nc -l -p 80 >/tmp/o & until netstat -ltn | grep -q :80; do :; done; echo x | nc 127.0.0.1 80; "
    "wait"
)


def test_it_may_go_to_a_fifo_or_to_stdout(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    content: list[bytes] = []
    reader = threading.Thread(target=lambda: content.append(fifo.read_bytes()))
    reader.start()
    assert run_cli("run", "--pcap", str(fifo), "busybox", "sh", "-c", CHAT).status == 0
    reader.join(90)
    assert len(packets(content[0])) >= 9
    out = run_cli("run", "--pcap", "-", "busybox", "sh", "-c", CHAT).stdout
    assert len(packets(out)) >= 9


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    result = run_cli("run", "--pcap", str(tmp_path / "none" / "x"), "busybox", "echo", "never")
    assert (result.status, result.stdout) == (125, b"")
    assert result.stderr.startswith(b"diorama: ")
    assert result.stderr.count(b"\n") == 1
    assert run_cli("run", "--pcap", "", "busybox", "true").status == 125
    result = run_cli("run", "--pcap", "/dev/full", "busybox", "echo", "done")
    assert (result.status, result.stdout) == (125, b"")  # the file's head does not fit: no run
    assert result.stderr == b"diorama: /dev/full: No space left on device\n"


def test_a_reader_that_goes_away_is_told_of_and_stops_nothing(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    guest = started(
        "run", "--pcap", str(fifo), "busybox", "sh", "-c", f"read x; {CHAT}; cat /tmp/o",
        stdin=subprocess.PIPE,
    )  # fmt: skip
    with fifo.open("rb") as file:
        file.read(24)
    out, err = guest.communicate(b"\n", timeout=90)
    assert (guest.returncode, out) == (0, b"x\n")
    assert err.endswith(b"its reader has gone; the rest of the trace is lost\n")
    assert err.count(b"\n") == 1


def waiting(fd: int) -> int:
    """Bytes in a FIFO."""
    count = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, "little")


def test_a_reader_that_does_not_read_can_be_left(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = build.build_source("talk", "x86_64", TALK)  # sends more than a FIFO holds
    guest = started("run", "--pcap", str(fifo), str(program), "4")
    with fifo.open("rb") as file:
        head = os.read(file.fileno(), 24)
        while waiting(file.fileno()) < 60_000:  # until it is full
            time.sleep(0.02)
        guest.send_signal(signal.SIGTERM)
        rest = guest.communicate(timeout=90)
    assert guest.returncode in (125, 128 + signal.SIGTERM)
    assert head[:4] == b"\x4d\x3c\xb2\xa1"
    assert rest[1].count(b"\n") <= 2
    assert b"does not read" in rest[1]
