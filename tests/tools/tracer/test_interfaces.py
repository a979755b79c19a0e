"""Requests about sockets and network interfaces, and what strace itself writes of them."""

from __future__ import annotations

import io
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syscalls.table import SyscallTable
from tests.support import native_tracee, oracles
from tests.support.guest import run_cli
from tests.tools.tracer.test_native_oracle import normal
from tools.tracer.strace import Options, StraceTracer
from userland.build import build_source

pytestmark = pytest.mark.row("K10")

EVERY_REQUEST = """
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* On descriptor -1 no request reaches anything: strace shows what was asked all the same. */
static void ask(unsigned request)
{
    struct ifreq asked;
    struct sockaddr_in *address = (void *)&asked.ifr_addr;
    memset(&asked, 0, sizeof asked);
    strcpy(asked.ifr_name, "eth0");
    ioctl(-1, request, &asked);
    ioctl(-1, request, 0);
    ioctl(-1, request, 16);
    address->sin_family = AF_INET;
    address->sin_port = htons(7);
    address->sin_addr.s_addr = htonl(0x0a000001);
    ioctl(-1, request, &asked);
    strcpy(asked.ifr_newname, "uplink");
    ioctl(-1, request, &asked);
    asked.ifr_hwaddr.sa_family = 1;
    ioctl(-1, request, &asked);
    memset(&asked, 'x', sizeof asked);
    ioctl(-1, request, &asked);
}

int main(void)
{
    for (unsigned request = 0x8900; request < 0x8c00; request++)
        ask(request);
    ask(0x80108906);
    ask(0x80108907);
    ask(0x6180);
    ask(0x61e0);
    int sock = socket(AF_INET, SOCK_DGRAM, 0), owner = -getpgrp();
    struct ifreq found[40];
    struct ifconf list = { .ifc_len = 0 };
    ioctl(sock, SIOCGIFCONF, &list);
    for (int room = 0; room < 100; room += 33) {
        list.ifc_len = room;
        list.ifc_req = found;
        ioctl(sock, SIOCGIFCONF, &list);
    }
    list.ifc_len = sizeof found;
    ioctl(sock, SIOCGIFCONF, &list);
    for (found[0].ifr_ifindex = 1; found[0].ifr_ifindex < 1000; found[0].ifr_ifindex += 998)
        ioctl(sock, SIOCGIFNAME, found);
    ioctl(sock, 0x8901, &owner);
    ioctl(sock, 0x8903, &owner);
    ioctl(sock, 0x8904, &owner);
    return 0;
}
"""


def requests(arch: str, *words: str) -> list[str]:
    """The lines of a program's ioctl calls."""
    result = run_cli("trace", "--arch", arch, "-e", "trace=ioctl", "busybox", *words)
    return [line for line in result.stderr.decode().splitlines() if line.startswith("ioctl")]


def test_every_request_is_shown_as_strace_shows_it(tmp_path: Path) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        oracles.cannot_run("ptrace needs an x86_64 Linux host")
    program = str(build_source("everyrequest", "x86_64", EVERY_REQUEST))
    output = tmp_path / "trace"
    strace = [str(oracles.program("strace")), "-e", "trace=ioctl", "-o", str(output)]
    subprocess.run([*strace, program], timeout=60, check=True)
    sink = io.StringIO()
    tracer = StraceTracer(
        SyscallTable("x86_64"), lambda tid: sink, Options(follow=False, to_file=True)
    )
    try:
        native_tracee.run(program, [program], tracer, tracer.follow)
    except PermissionError:
        oracles.cannot_run("ptrace is not permitted here")
    ours = [normal(line) for line in sink.getvalue().splitlines() if line.startswith("ioctl")]
    straces = [normal(line) for line in output.read_text().splitlines()[:-1]]
    assert ours == straces


@pytest.mark.guest
def test_what_is_asked_and_answered_is_shown(arch: str) -> None:
    lines = requests(arch, "ifconfig", "lo")
    assert 'ioctl(3, SIOCGIFMTU, {ifr_name="lo", ifr_mtu=65536}) = 0' in lines
    assert (
        'ioctl(3, SIOCGIFNETMASK, {ifr_name="lo", ifr_netmask={sa_family=AF_INET, '
        'sin_port=htons(0), sin_addr=inet_addr("255.0.0.0")}}) = 0'
    ) in lines


@pytest.mark.guest
def test_a_name_that_is_none(arch: str) -> None:
    lines = requests(arch, "ifconfig", "nope")
    assert 'ioctl(3, SIOCGIFFLAGS, {ifr_name="nope"}) = -1 ENODEV (No such device)' in lines


@pytest.mark.guest
def test_the_list_of_interfaces(arch: str) -> None:
    (line,) = [line for line in requests(arch, "ifconfig") if "SIOCGIFCONF" in line]
    assert line == (
        "ioctl(3, SIOCGIFCONF, {ifc_len=1200 /* 30 * sizeof(struct ifreq) */ => "
        '40 /* 1 * sizeof(struct ifreq) */, ifc_buf=[{ifr_name="lo", ifr_addr='
        '{sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}}]}) = 0'
    )


CHANGES = [
    ("route add default gw 127.0.0.1", r"SIOCADDRT, 0x\w+"),
    ("route del default", r"SIOCDELRT, 0x\w+"),
    ("arp -d 127.0.0.2", r"SIOCDARP, 0x\w+"),
    (
        "ifconfig lo 10.0.0.1",
        (
            r'SIOCSIFADDR, \{ifr_name="lo", ifr_addr=\{sa_family=AF_INET, '
            r'sin_port=htons\(0\), sin_addr=inet_addr\("10.0.0.1"\)\}\}'
        ),
    ),
    (
        "ifconfig lo hw ether 00:11:22:33:44:55",
        (
            r'SIOCSIFHWADDR, \{ifr_name="lo", '
            r"ifr_hwaddr=\{sa_family=ARPHRD_ETHER, sa_data=00:11:22:33:44:55\}\}"
        ),
    ),
    ("ip link set lo mtu 1500", r'SIOCSIFMTU, \{ifr_name="lo", ifr_mtu=1500\}'),
    ("ip link set lo name l", r'SIOCSIFNAME, \{ifr_name="lo", ifr_newname="l"\}'),
]


@pytest.mark.guest
@pytest.mark.parametrize(("words", "shown"), CHANGES, ids=lambda words: words.split(",")[0])
def test_what_would_change_the_network_is_refused(arch: str, words: str, shown: str) -> None:
    last = requests(arch, *words.split())[-1]
    pattern = rf"ioctl\(3, {shown}\) += -1 EPERM \(Operation not permitted\)"
    assert re.fullmatch(pattern, last), last
