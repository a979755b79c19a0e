"""How time passes for the loop: with the host's clock, or with the work done.

``HostPace`` has a C ticker that makes the loop look at timers and the host every few milliseconds,
and sleeps in poll(2) when nobody can run.  ``VirtualPace`` has no ticker: a turn ends where the
next timer is due, and when everybody sleeps the clock jumps there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from kernel.cpu.base import BLOCK_NS

if TYPE_CHECKING:
    from kernel.clock import Clock, Timers, VirtualClock
    from kernel.cpu.base import Cpu

TICK_US: Final = 10_000
"""How often the C ticker makes the loop look at timers and host descriptors."""


class Poller(Protocol):
    """The machine's selector (kernel.fs.hostpoller): waits for the host."""

    @property
    def watching(self) -> bool:
        """Does anybody wait for the host?"""

    def wait(self, timeout_ns: int | None) -> None:
        """Wait until a watched descriptor is ready or the time is over; wake the queues."""


class Pace(Protocol):
    """What the loop asks about time."""

    steady: bool
    """Does a turn that nobody asked to end go on after the loop has looked outside?"""

    def begin(self) -> None:
        """The loop starts."""

    def end(self) -> None:
        """The loop ends."""

    def due(self) -> bool:
        """Must the loop look at its timers before the next turn?"""

    def budget(self, blocks: int) -> int:
        """How many blocks a turn may last that would last ``blocks``."""

    def idle(self, deadline: int | None) -> None:
        """Nobody can run before ``deadline``, or before the host has something."""

    def synchronize(self) -> None:
        """The loop looks at timers and the host now: follow the host's time of day."""


class HostPace:
    """Time is the host's, and so are the ends of turns: the ticker makes them."""

    steady = False

    def __init__(self, cpu: Cpu, clock: Clock, poller: Poller) -> None:
        self._cpu = cpu
        self._clock = clock
        self._poller = poller

    def begin(self) -> None:
        """Start the ticker."""
        self._cpu.start_ticker(TICK_US)

    def end(self) -> None:
        """Stop it."""
        self._cpu.stop_ticker()

    def due(self) -> bool:
        """The ticker says so by the attention word."""
        return False

    def budget(self, blocks: int) -> int:
        """The ticker ends a turn that is too long."""
        return blocks

    def idle(self, deadline: int | None) -> None:
        """Sleep in poll(2)."""
        now = self._clock.monotonic()
        if deadline is None or deadline > now:
            self._cpu.stop_charging()
            self._poller.wait(None if deadline is None else deadline - now)

    def synchronize(self) -> None:
        """See Clock.synchronize."""
        self._clock.synchronize()


class VirtualPace:
    """Time is work; that somebody outside looks (the inspector, by SIGIO) changes no schedule."""

    steady = True

    def __init__(self, cpu: Cpu, clock: VirtualClock, timers: Timers, poller: Poller) -> None:
        self._cpu = cpu
        self._clock = clock
        self._timers = timers
        self._poller = poller

    def begin(self) -> None:
        """Nothing ticks."""

    def end(self) -> None:
        """Nothing ticks."""

    def due(self) -> bool:
        """Is a deadline in the past?"""
        deadline = self._timers.next_deadline()
        return deadline is not None and deadline <= self._clock.monotonic()

    def budget(self, blocks: int) -> int:
        """Up to the next deadline."""
        deadline = self._timers.next_deadline()
        if deadline is None:
            return blocks
        left = (deadline - self._clock.monotonic()) // BLOCK_NS
        return max(1, min(blocks, left))

    def idle(self, deadline: int | None) -> None:
        """Jump to the deadline; without one only the host can wake anybody."""
        self._cpu.stop_charging()
        if deadline is None:
            self._poller.wait(None)
        else:
            self._clock.skip(max(0, deadline - self._clock.monotonic()))

    def synchronize(self) -> None:
        """There is no other clock to follow."""
