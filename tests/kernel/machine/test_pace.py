"""How long a turn may last, and what passes while nobody can run."""

from __future__ import annotations

import pytest

from kernel.arch import get_arch
from kernel.clock import ManualClock, Timers
from kernel.clock.virtual import VirtualClock
from kernel.cpu.base import BLOCK_NS
from kernel.cpu.fake import FakeCpu
from kernel.machine.pace import HostPace, VirtualPace
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from tests.kernel.clock.test_virtual import Work


class Poller:
    """Notes how long it was asked to wait."""

    watching = False

    def __init__(self) -> None:
        self.waits: list[int | None] = []

    def wait(self, timeout_ns: int | None) -> None:
        self.waits.append(timeout_ns)


@pytest.fixture
def cpu() -> FakeCpu:
    return FakeCpu(get_arch("x86_64"), PythonRanges(PhysicalMemory(1 << 20)))


def test_host_pace_waits_for_the_deadline(cpu: FakeCpu) -> None:
    clock, poller = ManualClock(100), Poller()
    pace = HostPace(cpu, clock, poller)
    pace.idle(350)
    pace.idle(None)
    pace.idle(99)
    assert poller.waits == [250, None]
    assert pace.budget(77) == 77
    assert not pace.due()


def test_virtual_pace_jumps_to_the_deadline(cpu: FakeCpu) -> None:
    work, timers, poller = Work(), Timers(), Poller()
    pace = VirtualPace(cpu, VirtualClock(work), timers, poller)
    pace.idle(3_600_000_000_000)
    assert work.ns == 3_600_000_000_000
    assert poller.waits == []
    pace.idle(None)
    assert poller.waits == [None]


def test_a_virtual_turn_ends_where_the_next_timer_is_due(cpu: FakeCpu) -> None:
    work, timers = Work(), Timers()
    pace = VirtualPace(cpu, VirtualClock(work), timers, Poller())
    assert pace.budget(1_000) == 1_000
    timers.add(work.ns + 50 * BLOCK_NS, lambda: None)
    assert pace.budget(1_000) == 50
    assert not pace.due()
    work.ns += 50 * BLOCK_NS
    assert pace.due()
    assert pace.budget(1_000) == 1
