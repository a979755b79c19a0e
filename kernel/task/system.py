"""The system: what the tasks of one machine have in common.

There is one per machine and no global state beside it.  Everything that is not a task's own is
reached as ``task.kernel``.  The machine (kernel.machine) makes it and puts its parts together.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from kernel.mm.address_space import AddressSpace
from kernel.task.futex import FutexTable
from kernel.task.pids import Pids
from kernel.task.scheduler import Scheduler
from kernel.task.sysv.space import IpcSpace
from kernel.wait import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.arch.base import Arch
    from kernel.clock.clock import Clock
    from kernel.clock.timers import Timers
    from kernel.cred import Limits
    from kernel.events import Observer
    from kernel.mm.frames import Frames
    from kernel.mm.ranges import RangeOps
    from kernel.mm.tlb import Tlb
    from kernel.task.execve import BinaryFormat
    from kernel.task.processor import Processor
    from kernel.task.session import ProcessGroup, Session
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.wait import HostPoller


class Random:
    """The one source of randomness; seeded, it repeats itself."""

    __slots__ = ("_source",)

    def __init__(self, seed: int | None = None) -> None:
        self._source = random.SystemRandom() if seed is None else random.Random(seed)

    def bytes(self, count: int) -> bytes:
        """``count`` random bytes."""
        return self._source.getrandbits(count * 8).to_bytes(count, "little") if count else b""

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        return self._source.randrange(limit)

    def __repr__(self) -> str:
        return "<Random>"


class Names:
    """What uname(2) and sethostname(2) know; changed only by these calls."""

    __slots__ = ("domain", "host", "machine", "release", "system", "version")

    def __init__(self, machine: str, host: str, release: str, version: str) -> None:
        self.system = "Linux"
        self.host = host
        self.domain = "(none)"
        self.release = release
        self.version = version
        self.machine = machine

    def __repr__(self) -> str:
        return f"<Names {self.host} {self.release}>"


class Counters:
    """Sums since boot for /proc/stat, vmstat and statistics; one increment each, always on."""

    __slots__ = ("forks", "signals", "switches")

    def __init__(self) -> None:
        self.forks = 0
        self.switches = 0
        self.signals = 0

    def __repr__(self) -> str:
        return f"<Counters forks={self.forks} switches={self.switches} signals={self.signals}>"


class SignalGate(Protocol):
    """Somebody who sees signals before they are delivered, and may change them (ptrace(2))."""

    def wants(self, signo: int) -> bool:
        """Is this signal to be delivered, so that it is seen, where it would be thrown away?"""

    def signal(self, task: Task, info: SigInfo) -> SigInfo | None:
        """A signal was taken and is about to be acted on: what to act on, None for nothing."""


def _say_nothing(line: str) -> None:
    """Where the log goes unless boot says better."""


def _nobody_asks(pid: int, status: int) -> None:
    """Who is told of buried processes unless boot says better."""


class System:
    """All tasks of a machine and what they share.

    ``tasks``: every task by tid, zombies included.  ``groups``: every process by pid.  ``pgrps``
    and ``sessions`` by their numbers.  ``init``: pid 1.  ``events``: the observers; empty in the
    usual case.  ``gate``: a debugger's look at signals, or None.  ``on_reap``: told (pid, status)
    of every process that init buries, so that the machine sees its program end.
    ``restart_syscall``: the number of that call on this CPU.
    ``allow_wx``: may every program have pages that are writable and executable.
    ``console``, ``mounts``, ``net``, ``page_cache``: the machine's; opaque here.
    """

    def __init__(
        self,
        *,
        arch: Arch,
        cpu: Processor,
        frames: Frames,
        ranges: RangeOps,
        tlb: Tlb,
        clock: Clock,
        timers: Timers,
        host_poller: HostPoller,
        names: Names,
        seed: int | None = None,
        log: Callable[[str], None] = _say_nothing,
        allow_wx: bool = False,
    ) -> None:
        self.arch = arch
        self.cpu = cpu
        self.frames = frames
        self.ranges = ranges
        self.tlb = tlb
        self.clock = clock
        self.timers = timers
        self.host_poller = host_poller
        self.names = names
        self.log = log
        self.restart_syscall = arch.restart_syscall
        self.allow_wx = allow_wx
        self.random = Random(seed)
        self.scheduler = Scheduler(clock, timers)
        self.pids = Pids()
        self.futexes = FutexTable()
        self.counters = Counters()
        self.ipc = IpcSpace()
        self.signal_came = WaitQueue("signal")  # for signalfd: something is pending for somebody
        self.boot_time = clock.realtime()
        self.tasks: dict[int, Task] = {}
        self.groups: dict[int, ThreadGroup] = {}
        self.pgrps: dict[int, ProcessGroup] = {}
        self.sessions: dict[int, Session] = {}
        self.user_processes: dict[int, int] = {}  # real uid -> processes (RLIMIT_NPROC)
        self.user_signals: dict[int, int] = {}  # real uid -> queued signals (RLIMIT_SIGPENDING)
        self.events: tuple[Observer[Task], ...] = ()
        self.gate: SignalGate | None = None
        self.formats: list[BinaryFormat] = []
        self.init: Task = None  # type: ignore[assignment]  # made by kernel.task.init, before any other
        self.on_reap: Callable[[int, int], None] = _nobody_asks
        self.console: Any = None  # kernel.views.terminal's, a room above
        self.mounts: Any = None
        self.net: Any = None  # kernel.net's Network, a room above
        self.page_cache: Any = None

    def new_space(self, limits: Limits) -> AddressSpace:
        """An empty address space (execve)."""
        space = AddressSpace(self.frames, self.ranges, self.tlb, limits)
        space.allow_wx = self.allow_wx
        return space

    def change_user(self, old: int | None, new: int | None) -> None:
        """A process of real user ``old`` now counts for ``new``; None: it begins or ends."""
        if old == new:
            return
        if old is not None:
            self.user_processes[old] -= 1
            if not self.user_processes[old]:
                del self.user_processes[old]
        if new is not None:
            self.user_processes[new] = self.user_processes.get(new, 0) + 1

    def __repr__(self) -> str:
        return f"<System {self.arch.name} {len(self.tasks)} tasks>"
