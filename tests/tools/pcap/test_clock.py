"""The times of a capture, when the guest sets its clock where the format's 32 bits do not reach."""

from __future__ import annotations

import io
from pathlib import Path

import dpkt
import pytest

from tests.support.guest import run_cli
from userland import build

pytestmark = pytest.mark.guest

FUTURE = r"""
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    struct timespec far = {1L << 33, 0};
    struct sockaddr_in to = {AF_INET, htons(9), {htonl(0x7f000001)}};
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    if (clock_settime(CLOCK_REALTIME, &far)) return 1;
    return sendto(socket_, "hello", 5, 0, (struct sockaddr *)&to, sizeof to) != 5;
}
"""


def test_a_clock_set_beyond_the_format_loses_no_packet(arch: str, tmp_path: Path) -> None:
    """After 2106 the seconds begin again."""
    path = tmp_path / "capture"
    program = str(build.build_source("far_future", arch, FUTURE))
    result = run_cli("run", "-q", "--pcap", str(path), program)
    assert (result.status, result.stderr) == (0, b"")
    times = [time for time, _ in dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))]
    assert len(times) == 2, "the datagram, and that nobody has the port"
    assert all(time < 60 for time in times), "2 to the 33 and a little more"
