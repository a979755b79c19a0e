"""A small kernel without a processor: tasks, memory and time, for tests of kernel.task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE
from kernel.abi.process import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)
from kernel.arch import get_arch
from kernel.clock.clock import ManualClock
from kernel.clock.timers import Timers
from kernel.cpu.fake import FakeCpu
from kernel.cred import Credentials
from kernel.mm.address_space import AddressSpace
from kernel.mm.frames import Frames
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from kernel.mm.tlb import NullTlb
from kernel.task import clone, sleep
from kernel.task.delivery import return_to_user
from kernel.task.init import create_init, create_program
from kernel.task.system import Names, System
from kernel.vfs.fdtable import FdTable

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import WaitQueue

SIGCHLD = 17
THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM


class NoFs:
    """Stands for a FsContext where nobody walks a path."""

    def copy(self) -> NoFs:
        return self

    def share(self) -> NoFs:
        return self

    def release(self) -> None:
        pass


class NoPoller:
    """A host poller that nobody uses."""

    def watch(self, fd: int, events: int, queue: WaitQueue) -> None:
        raise AssertionError("no host here")

    def forget(self, fd: int) -> None:
        raise AssertionError("no host here")


class World:
    """A kernel with pid 1 and a program, pid 2, that has memory at ``data``.

    ``call`` does what the machine does with a system call; ``run_all`` lets everybody run who can.
    ``results`` has the last result of each task that finished a sleeping call.
    """

    def __init__(self, arch: str = "x86_64", user: int = 0) -> None:
        physical = PhysicalMemory(8 << 20)
        tlb = NullTlb()
        frames = Frames(physical, tlb)
        self.clock = ManualClock()
        the_arch = get_arch(arch)
        ranges = PythonRanges(physical)
        self.cpu = FakeCpu(the_arch, ranges)
        self.kernel = System(
            arch=the_arch,
            cpu=self.cpu,
            frames=frames,
            ranges=ranges,
            tlb=tlb,
            clock=self.clock,
            timers=Timers(),
            host_poller=NoPoller(),
            names=Names(the_arch.uname_machine, "test", "6.1.0", "#1"),
            seed=1,
        )
        self.reaped: list[tuple[int, int]] = []
        self.kernel.on_reap = lambda pid, status: self.reaped.append((pid, status))
        fs: Any = NoFs()
        create_init(self.kernel, FdTable(), fs)
        cred = Credentials.for_user(user, user)
        self.program = create_program(self.kernel, FdTable(), fs, cred)
        space = AddressSpace(frames, ranges, tlb, self.program.limits)
        self.program.mm = space
        self.program.mem = space.user
        self.data = self.map(self.program)
        self.results: dict[int, int] = {}
        self.kernel.cpu.registers(self.program.context).sp = self.data + 0xF000

    def map(self, task: Task, shared: bool = False) -> int:
        """64 KiB of anonymous memory."""
        assert task.mm is not None
        flags = MAP_ANONYMOUS | (MAP_SHARED if shared else MAP_PRIVATE)
        return task.mm.mmap(0, 0x10000, PROT_READ | PROT_WRITE, flags)

    def fork(self, parent: Task | None = None, flags: int = 0) -> Task:
        """A child; not a vfork."""
        parent = parent or self.program
        pid = clone.clone(parent, clone.Request(flags, SIGCHLD))
        assert isinstance(pid, int)
        return self.kernel.tasks[pid]

    def thread(self, of: Task | None = None, flags: int = 0) -> Task:
        """A thread of a process, as pthread_create makes it."""
        tid = clone.clone(of or self.program, clone.Request(THREAD | flags, 0))
        assert isinstance(tid, int)
        return self.kernel.tasks[tid]

    def call(self, task: Task, result: Any) -> int | None:
        """What the machine does with a handler's outcome: an int, or a generator to begin."""
        task.call = (0, 1, 2, 3, 4, 5, 6)
        if not isinstance(result, int):
            result = sleep.begin(task, result)
        finished: int | None = result
        if finished is not None:
            self.results[task.tid] = finished
        return finished

    def step(self) -> Task | None:
        """The next task runs: finishes its sleep, takes its signals, and stays runnable or not."""
        task = self.kernel.scheduler.next()
        if task is None:
            return None
        if task.generator is not None:
            result = sleep.resume(task)
            if result is None:
                return task
            self.results[task.tid] = result
        if not task.dead and task.work:
            return_to_user(task)
        return task

    def run_all(self) -> None:
        """Step until nobody is in the run queue; a task that only "runs" leaves it."""
        while self.step() is not None:
            pass

    def advance(self, ns: int) -> None:
        """Time passes; what is due happens."""
        self.clock.advance(ns)
        self.kernel.timers.expire(self.clock.monotonic())
        self.run_all()

    def cpu_time(self, task: Task, ns: int) -> None:
        """The task spends time in user code."""
        assert task.context is not None
        task.context.user_ns += ns

    def kernel_time(self, task: Task, ns: int) -> None:
        """The kernel spends time on the task's behalf."""
        assert task.context is not None
        task.context.system_ns += ns
