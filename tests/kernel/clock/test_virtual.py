"""The clock that only work and waiting move."""

from __future__ import annotations

from kernel.clock.virtual import EPOCH_NS, VirtualClock


class Work:
    """A counter moved by hand."""

    def __init__(self) -> None:
        self.ns = 1_000

    def now(self) -> int:
        return self.ns

    def skip(self, ns: int) -> None:
        self.ns += ns


def test_work_and_jumps_are_the_only_time() -> None:
    work = Work()
    clock = VirtualClock(work)
    assert clock.monotonic() == clock.boottime() == 1_000
    work.ns += 10
    clock.skip(5_000)
    clock.synchronize()
    assert clock.monotonic() == 6_010
    assert clock.realtime() == EPOCH_NS + 6_010


def test_setting_the_time_of_day_leaves_monotonic_time_alone() -> None:
    clock = VirtualClock(Work())
    clock.set_realtime(42)
    assert clock.realtime() == 42
    assert clock.monotonic() == 1_000
