"""Putting a machine together: memory, processor, clock, system, dispatch table.

Nothing here runs yet; ``root`` adds files, ``session`` adds the first program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kernel.arch import get_arch
from kernel.clock import HostClock, Timers, VirtualClock
from kernel.cpu.engine import Engine
from kernel.cpu.library import CpuUnavailable
from kernel.fs.hostcontent import HostContents
from kernel.fs.hostfs import HostFs
from kernel.fs.hostpoller import HostSelector
from kernel.machine.loop import Machine
from kernel.machine.pace import HostPace, VirtualPace
from kernel.mm.frames import Frames
from kernel.mm.page_cache import PageCache
from kernel.mm.physical import PAGE_SIZE, PhysicalMemory
from kernel.task.system import Names, System
from kernel.vfs.mount import MountTable
from loader.formats import formats_for
from loader.vdso import Vdso
from syscalls.table import build_table
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.machine.pace import Pace
    from kernel.task.task import Task

RELEASE: Final = "6.6.0-diorama"
"""uname -r: the Linux whose behaviour is the model; one constant."""
VERSION: Final = "#1 SMP PREEMPT_DYNAMIC Diorama"


@dataclass(slots=True)
class Hardware:
    """A machine and the parts that boot goes on with."""

    machine: Machine
    system: System
    mounts: MountTable
    poller: HostSelector
    physical: PhysicalMemory
    contents: HostContents

    def close(self) -> None:
        """Give the host's resources back: host files, the engine, the RAM, the poller's pipe."""
        for mount in self.mounts.mounts:
            if isinstance(mount.sb, HostFs):
                mount.sb.close()
        self.contents.close()
        self.machine.cpu.close()
        self.poller.close()


def assemble(
    arch_name: str,
    memory: int,
    *,
    hostname: bytes,
    seed: int | None,
    log: Callable[[str], None],
    quiet: bool,
    allow_wx: bool,
    deterministic: bool = False,
) -> Hardware:
    """One machine, without files and without tasks.  DioramaError: this host has no room for it."""
    try:
        names = Names(get_arch(arch_name).uname_machine, hostname.decode(), RELEASE, VERSION)
        return _assemble(arch_name, memory, names, seed, log, quiet, allow_wx, deterministic)
    except CpuUnavailable as error:
        raise DioramaError(str(error)) from None
    except OSError as error:
        size = f"{memory} bytes of memory"
        raise DioramaError(f"no machine with {size} can be made: {error.strerror}") from None


def _assemble(
    arch_name: str,
    memory: int,
    names: Names,
    seed: int | None,
    log: Callable[[str], None],
    quiet: bool,
    allow_wx: bool,
    deterministic: bool,
) -> Hardware:
    arch = get_arch(arch_name)
    physical = PhysicalMemory(memory + PAGE_SIZE)  # frame 0 is never used
    cpu = Engine(arch, physical)
    frames = Frames(physical, cpu)
    timers = Timers()
    poller = HostSelector()
    clock, pace = _time(cpu, timers, poller, deterministic)
    system = System(
        arch=arch,
        cpu=cpu,
        frames=frames,
        ranges=cpu.ranges,
        tlb=cpu,
        clock=clock,
        timers=timers,
        host_poller=poller,
        names=names,
        seed=seed,
        log=log,
        allow_wx=allow_wx,
    )
    vdso = Vdso(arch_name, frames)
    clock.publish_to(vdso.publish)
    system.formats.extend(formats_for(arch, vdso))
    mounts = MountTable()
    system.mounts = mounts
    table = build_table(arch_name, on_unknown=_Unknown(system, quiet))
    machine = Machine(system, cpu, table, poller, pace)
    system.page_cache = PageCache(frames)
    contents = HostContents(system.page_cache)
    return Hardware(machine, system, mounts, poller, physical, contents)


def _time(
    cpu: Engine, timers: Timers, poller: HostSelector, deterministic: bool
) -> tuple[HostClock | VirtualClock, Pace]:
    """The clock of a machine, and how the loop keeps pace with it."""
    if deterministic:
        cpu.use_virtual_time()
        virtual = VirtualClock(cpu)
        return virtual, VirtualPace(cpu, virtual, timers, poller)
    clock = HostClock()
    cpu.set_time_origin(clock.boot)
    return clock, HostPace(cpu, clock, poller)


class _Unknown:
    """Says once per call that it is not implemented, and tells the observers."""

    def __init__(self, system: System, quiet: bool) -> None:
        self._system = system
        self._quiet = quiet
        self._seen: dict[int, None] = {}

    def __call__(self, task: Task, number: int, name: str | None) -> None:
        if number in self._seen:
            return
        self._seen[number] = None
        for observer in self._system.events:
            observer.unknown_syscall(task, number, name)
        if not self._quiet:
            called = name or "unknown system call"
            self._system.log(f"pid {task.tgid}: {called} ({number}): not implemented, ENOSYS")
