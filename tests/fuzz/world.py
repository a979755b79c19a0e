"""The machine that random calls run on: everything real but the processor and the time."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from kernel.abi.errors import KernelError
from kernel.abi.files import AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR
from kernel.abi.memory import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE
from kernel.abi.signals import SIGKILL, SIGUSR1
from kernel.arch import get_arch
from kernel.clock import ManualClock, Timers
from kernel.cpu.base import T_NUMBER, TRAP_SYSCALL
from kernel.cpu.fake import FakeContext, FakeCpu
from kernel.events import Observer
from kernel.fs.hostcontent import HostContents
from kernel.fs.hostpoller import HostSelector
from kernel.fs.root import make_file
from kernel.machine.loop import Machine
from kernel.machine.pace import HostPace
from kernel.mm.frames import Frames
from kernel.mm.page_cache import PageCache
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from kernel.task.execve import spawn
from kernel.task.init import kill_all, living_processes
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.task.system import Names, System
from kernel.task.task import Task
from kernel.vfs.dentry import Path
from kernel.vfs.mount import MountTable
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from loader.formats import formats_for
from syscalls.table import SyscallTable
from tests.fuzz import values_ipc, values_net
from tests.fuzz.values import ARENA, END, MAKERS, READ_ONLY, Values, draw, registers
from tests.support.elf_files import MACHINES, plain
from tools.boot import Session
from tools.boot.hardware import Hardware
from tools.config import RunConfig

MAKERS |= values_net.MAKERS | values_ipc.MAKERS
MEMORY = 64 << 20
LIFETIME = 300
"""Calls after which a process is ended, so that what it broke for itself does not last."""
FAMILY = 6
"""At most so many processes at a time: fork bombs are somebody else's test."""
CROWD = 20
"""The same for tasks, threads among them."""
STEERING = 0.2
"""The share of calls that are chosen among those that have not worked yet."""
CENTURY = 100 * 365 * 86_400 * 1_000_000_000
PATIENCE = 100
"""Jumps in time with no call made, before somebody is poked."""
CHECK_EVERY = 10
"""After so many calls the invariants of the caller's address space are checked."""
SLOW_NS = 2_000_000_000
MS_NOEXEC = 8


FIRST_FILES = (
    (b"/dev/null", O_RDWR),
    (b"/dev/zero", O_RDWR),
    (b"/tmp/a", O_RDWR | O_CREAT),
    (b"/tmp/b", O_RDWR | O_CREAT),
    (b"/tmp", O_RDONLY),
)
"""What a new process has open, if it is still there."""


def _open(task: Task, path: bytes, flags: int) -> None:
    with suppress(KernelError):
        file = open_at(task, AT_FDCWD, path, OpenHow.from_flags(flags, 0o644))
        if isinstance(file, OpenFile):
            task.fds.install(file)
        else:
            file.close()


class Results(Observer[Task]):
    """Counts how calls ended; ``slow`` names those that took longer than any call may."""

    def __init__(self, table: SyscallTable) -> None:
        self.table = table
        self.ended: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()
        self.slow: list[str] = []
        self.last = ""
        self._started = 0

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Remember what is being done, for whoever looks at a hang."""
        arguments = ", ".join(f"{arg:#x}" for arg in args)
        self.last = f"{self.table.name(number)}({arguments})"
        self._started = time.monotonic_ns()

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Count it."""
        name = self.table.name(number) or ""
        self.ended[name] += 1
        if not -4096 < result < 0:
            self.succeeded[name] += 1
        if task.mm is not None and self.ended.total() % CHECK_EVERY == 0:
            task.mm.check_invariants()
        if time.monotonic_ns() - self._started > SLOW_NS:
            self.slow.append(self.last)

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit has no result, and succeeds."""
        self.succeeded[self.table.name(number) or ""] += 1


class RandomCpu(FakeCpu):
    """A processor on which programs do nothing but make random system calls."""

    def __init__(self, arch_name: str, ranges: PythonRanges, source: random.Random) -> None:
        super().__init__(get_arch(arch_name), ranges)
        self.random = source
        self.calls = 0
        self.world: World

    def run(self, context: FakeContext, root: int, blocks: int, /) -> int:
        """The next call of whoever has this context."""
        self.runs.clear()
        self.invalidations.clear()
        self.code_invalidations.clear()
        number, values = self.world.next_call(context)
        self.calls += 1
        self.trap[T_NUMBER] = number
        for index, value in enumerate(values):
            self.trap[1 + index] = value
        self.trap[11] = max(blocks - 1000, 1)
        return TRAP_SYSCALL


class JumpingPoller:
    """Instead of waiting, time jumps; and if nothing would ever happen, somebody is poked."""

    def __init__(self, world: World, selector: HostSelector) -> None:
        self._world = world
        self._selector = selector
        self._waits = 0
        self._calls = 0
        self.watching = True  # nobody is stuck for ever: ``wait`` pokes somebody

    def wait(self, timeout_ns: int | None) -> None:
        """See kernel.machine.loop.Poller."""
        if self._calls != self._world.cpu.calls:
            self._calls = self._world.cpu.calls
            self._waits = 0
        self._waits += timeout_ns != 0
        for_ever = timeout_ns is None or self._world.clock.now + timeout_ns > CENTURY
        if for_ever or self._waits > PATIENCE:  # a timer may tick for ever
            self._world.poke()
        elif timeout_ns is not None:
            self._world.clock.advance(timeout_ns)


class World:
    """One machine under random calls; ``run`` makes some of them."""

    def __init__(self, arch_name: str, seed: int, wanted: Collection[str] = ()) -> None:
        self.random = random.Random(seed)
        self.clock = ManualClock()
        self.log: list[str] = []
        self.table = SyscallTable(arch_name)
        self.arch = arch_name
        self.hardware = self._assemble()
        self.results = Results(self.table)
        self.hardware.machine.attach(self.results)
        self.declarations = [d for d in self.table.declarations if d is not None]
        self.script: deque[Callable[[Task], tuple[int, list[int]]]] = deque()
        self.ending = False
        self.broken = False  # the files are in such a state that no program starts any more
        self.wanted = [
            declaration for declaration in self.declarations if declaration.name in wanted
        ]
        self._ages: Counter[int] = Counter()
        config = RunConfig(program="prog", hostname=b"fuzz")
        self.session = Session(config, self.hardware, with_terminal=False)
        self.session.prepare()
        self._binary = bytes(plain(arch_name, machine=MACHINES[arch_name]))
        make_file(self.hardware.mounts.mounts[0].root.inode, b"/bin/prog", self._binary, 0o755)

    def _assemble(self) -> Hardware:
        arch = get_arch(self.arch)
        physical = PhysicalMemory(MEMORY)
        cpu = RandomCpu(self.arch, PythonRanges(physical), self.random)
        cpu.world = self
        frames = Frames(physical, cpu)
        selector = HostSelector()
        system = System(
            arch=arch,
            cpu=cpu,
            frames=frames,
            ranges=cpu.ranges,
            tlb=cpu,
            clock=self.clock,
            timers=Timers(),
            host_poller=selector,
            names=Names(arch.uname_machine, "fuzz", "6.6.0", "#1"),
            seed=1,
            log=self.log.append,
            allow_wx=False,
        )
        system.formats.extend(formats_for(arch))
        mounts = MountTable()
        system.mounts = mounts
        poller = JumpingPoller(self, selector)
        machine = Machine(system, cpu, self.table, poller, HostPace(cpu, system.clock, poller))
        contents = HostContents(PageCache(frames))
        return Hardware(machine, system, mounts, selector, physical, contents)

    @property
    def system(self) -> System:
        """Where the tasks are."""
        return self.hardware.system

    @property
    def names(self) -> list[str]:
        """Every declared call of this CPU."""
        return [declaration.name for declaration in self.declarations]

    @property
    def cpu(self) -> RandomCpu:
        """Where the calls come from."""
        cpu: Any = self.hardware.machine.cpu
        assert isinstance(cpu, RandomCpu)
        return cpu

    def begin_with_a_connection(self) -> None:
        """Let the first process make two sockets meet before it does anything else."""
        steps = values_net.connection(self.table.numbers, len(FIRST_FILES))
        self.script.extend(
            lambda task, make=make: make(Values(self.random, task))  # type: ignore[misc]
            for make in steps
        )

    # -- what runs -------------------------------------------------------------------------------

    def run(self, calls: int) -> None:
        """Make so many calls, then kill everybody and let them go."""
        goal = self.cpu.calls + calls

        def over() -> bool:
            self._populate()
            return self.broken or self.cpu.calls >= goal or bool(self.hardware.machine.bugs)

        self.hardware.machine.run(over)

    def leftovers(self) -> dict[str, object]:
        """Kill everybody; what is still there that should have gone with them."""
        if self.broken:
            return {}  # there is a process that never started
        self.ending = True
        kill_all(self.system)
        self.hardware.machine.run(lambda: not living_processes(self.system))
        system = self.system
        kept = {
            "tasks": [tid for tid in system.tasks if tid != 1],
            "page tables": system.frames.table_count,
            "runnable": system.scheduler.runnable,
            "futexes": [key for key, bucket in system.futexes.buckets.items() if bucket.waiters],
            "queued signals": {uid: n for uid, n in system.user_signals.items() if n},
            "processes": {uid: n for uid, n in system.user_processes.items() if n and uid},
            "sessions": [sid for sid in system.sessions if sid != 1],
            "groups": [pgid for pgid in system.pgrps if pgid != 1],
            "timers": system.timers.next_deadline(),
        }
        return {what: found for what, found in kept.items() if found}

    def close(self) -> None:
        """Give the host's resources back."""
        self.hardware.close()

    def _populate(self) -> None:
        """There are always some processes to choose from."""
        while len(living_processes(self.system)) < 3 and not self.ending:
            self._uncover_root()
            task = self.session.new_process()
            try:
                for path, flags in FIRST_FILES:
                    _open(task, path, flags)
                self._spawn(task)
            except KernelError:
                self.broken = True
                return
            self.system.scheduler.enqueue(task)

    def _uncover_root(self) -> None:
        """Take away what somebody mounted on the root."""
        mounts = self.hardware.mounts
        root = Path(mounts.mounts[0], mounts.mounts[0].root)
        while (above := mounts.top(root).mount) is not root.mount:
            mounts.unmount(above, detach=True)

    def _spawn(self, task: Task) -> None:
        """Start the program, which may have been overwritten; then a new copy is made."""
        path = b"/bin/prog"
        try:
            spawn(task, path, (b"prog",), (b"A=b",))
        except KernelError:
            self.hardware.mounts.mounts[0].flags &= ~MS_NOEXEC  # somebody remounted the root
            path = b"/prog%d" % self.cpu.calls
            make_file(self.hardware.mounts.mounts[0].root.inode, path, self._binary, 0o755)
            spawn(task, path, (b"prog",), (b"A=b",))

    def poke(self) -> None:
        """Everybody sleeps for ever: a signal wakes somebody, or ends him."""
        groups = living_processes(self.system)
        if not groups:
            return
        chosen = self.random.choice(groups)
        send_to_group(chosen, SigInfo(self.random.choice((SIGUSR1, SIGKILL, SIGKILL))))

    # -- what is called --------------------------------------------------------------------------

    def next_call(self, context: FakeContext) -> tuple[int, list[int]]:
        """Number and registers for the task that has this context."""
        task = next(t for t in self.system.tasks.values() if t.context is context)
        self._ages[task.tid] += 1
        crowded = len(living_processes(self.system)) > FAMILY or len(self.system.tasks) > CROWD
        if self._ages[task.tid] > LIFETIME or (crowded and self.random.random() < 0.3):
            self._ages[task.tid] = 0
            return self.table.numbers["exit_group"], [self.random.randrange(256), 0, 0, 0, 0, 0]
        self._arena(task)
        if self.script:
            return self.script.popleft()(task)
        steered = self.wanted and self.random.random() < STEERING
        declaration = self.random.choice(self.wanted if steered else self.declarations)
        while declaration.name in ("exit", "exit_group") and self.random.random() < 0.9:
            declaration = self.random.choice(self.declarations)
        values = draw(self.random, task, declaration)
        number = self.table.numbers[declaration.name]
        return number, registers(declaration, self.arch, values)

    def _arena(self, task: Task) -> None:
        """The arena may have been unmapped, protected, or left behind by execve."""
        try:
            task.mem.write(ARENA, b"\0")
            task.mem.write(READ_ONLY - 1, b"\0")
            task.mem.read(END - 1, 1)
        except KernelError:
            flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
            try:
                space: Any = task.mm
                space.mmap(ARENA, READ_ONLY - ARENA, PROT_READ | PROT_WRITE, flags, None, 0)
                space.mmap(READ_ONLY, END - READ_ONLY, PROT_READ, flags, None, 0)
            except KernelError:
                return
