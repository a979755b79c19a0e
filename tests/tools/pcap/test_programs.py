"""Captures of programs that try everything sockets do: each packet and each stream must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guest import run_cli
from tests.tools.pcap.test_capture import TCP, packets, payloads, streams
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
