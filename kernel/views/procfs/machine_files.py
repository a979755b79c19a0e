"""The files of /proc about the machine: processor, memory, load, names.  See proc(5).

Their layout is that of a Linux 6.x; what this machine has not got (swap, slabs, interrupts) is 0,
which is the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import S_IFBLK
from kernel.fs.tmpfs import shared_pages
from kernel.task.task import RUNNING, UNINTERRUPTIBLE
from kernel.task.usage import NS_PER_TICK

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task

PAGE_KB = 4
SECOND = 1_000_000_000
HIDDEN_FILE_SYSTEMS = (b"devtmpfs", b"pipefs")


def cpuinfo(task: Task) -> bytes:
    """What the emulated processor can do; one processor."""
    return task.kernel.arch.cpuinfo(1)


def meminfo(task: Task) -> bytes:
    """Sums over the frames of this machine."""
    kernel = task.kernel
    frames = kernel.frames
    total, free = frames.total * PAGE_KB, frames.free_count * PAGE_KB
    shmem = shared_pages(kernel.mounts) * PAGE_KB
    cached = _cached_pages(kernel) * PAGE_KB + shmem
    tables = frames.table_count * PAGE_KB
    anonymous = max(0, total - free - cached - tables)
    values = (
        ("MemTotal", total), ("MemFree", free), ("MemAvailable", free + cached - shmem),
        ("Buffers", 0), ("Cached", cached), ("SwapCached", 0),
        ("Active", anonymous + cached), ("Inactive", 0),
        ("Active(anon)", anonymous + shmem), ("Inactive(anon)", 0),
        ("Active(file)", cached - shmem), ("Inactive(file)", 0),
        ("Unevictable", 0), ("Mlocked", 0), ("SwapTotal", 0), ("SwapFree", 0),
        ("Dirty", 0), ("Writeback", 0), ("AnonPages", anonymous), ("Mapped", cached - shmem),
        ("Shmem", shmem), ("KReclaimable", 0), ("Slab", 0), ("SReclaimable", 0),
        ("SUnreclaim", 0), ("KernelStack", 0), ("PageTables", tables), ("NFS_Unstable", 0),
        ("Bounce", 0), ("WritebackTmp", 0), ("CommitLimit", frames.commit_limit * PAGE_KB),
        ("Committed_AS", frames.committed * PAGE_KB), ("VmallocTotal", 34359738367),
        ("VmallocUsed", 0), ("VmallocChunk", 0), ("Percpu", 0),
    )  # fmt: skip
    lines = [f"{name + ':':<16}{value:8d} kB\n" for name, value in values]
    return "".join(lines).encode()


def _cached_pages(kernel: System) -> int:
    """Clean file pages: what the page cache holds."""
    cache = kernel.page_cache
    return len(cache) if cache is not None else 0


def stat(task: Task) -> bytes:
    """Times in ticks since boot, counts of switches and processes."""
    kernel = task.kernel
    user, system = machine_times(kernel)
    total = kernel.clock.boottime() // NS_PER_TICK
    user, system = user // NS_PER_TICK, system // NS_PER_TICK
    idle = max(0, total - user - system)
    times = f"{user} 0 {system} {idle} 0 0 0 0 0 0\n"
    counters = kernel.counters
    running, blocked = _states(kernel)
    boot = kernel.boot_time // SECOND
    return (
        f"cpu  {times}cpu0 {times}intr 0\nctxt {counters.switches}\nbtime {boot}\n"
        f"processes {counters.forks + 2}\nprocs_running {running}\nprocs_blocked {blocked}\n"
        "softirq 0 0 0 0 0 0 0 0 0 0 0\n"
    ).encode()


def machine_times(kernel: System) -> tuple[int, int]:
    """User and system ns of every task, living and dead."""
    user = system = 0
    for group in kernel.groups.values():
        user += group.usage.utime
        system += group.usage.stime
        if group.parent is None or group.pid == 1:  # the dead were added to init's children
            user += group.child_usage.utime
            system += group.child_usage.stime
        for task in group.tasks.values():
            user += task.utime
            system += task.stime
    return user, system


def _states(kernel: System) -> tuple[int, int]:
    running = sum(1 for task in kernel.tasks.values() if task.state == RUNNING)
    blocked = sum(1 for task in kernel.tasks.values() if task.state == UNINTERRUPTIBLE)
    return running, blocked


def uptime(task: Task) -> bytes:
    """Seconds since boot, and how many of them the processor was idle."""
    now = task.kernel.clock.boottime()
    idle = max(0, now - sum(machine_times(task.kernel)))
    return b"%s %s\n" % (_hundredths(now), _hundredths(idle))


def _hundredths(ns: int) -> bytes:
    return b"%d.%02d" % (ns // SECOND, ns % SECOND // 10_000_000)


def loadavg(task: Task) -> bytes:
    """Load over 1, 5 and 15 minutes, running and all tasks, the last pid."""
    kernel = task.kernel
    loads = " ".join(f"{load:.2f}" for load in kernel.scheduler.load_average())
    running, _ = _states(kernel)
    return f"{loads} {running}/{len(kernel.tasks)} {kernel.pids.last}\n".encode()


def version(task: Task) -> bytes:
    """The same as uname(2)."""
    names = task.kernel.names
    return f"{names.system} version {names.release} (diorama@diorama) {names.version}\n".encode()


def filesystems(task: Task) -> bytes:
    """What mount(2) knows, and the hidden ones; none of them needs a device."""
    names = [*task.fs.mounts.filesystems, *HIDDEN_FILE_SYSTEMS]
    return b"".join(b"nodev\t%s\n" % name for name in names)


def devices(task: Task) -> bytes:
    """The registered drivers."""
    registry = task.fs.mounts.devices
    characters = b"".join(b"%3d %s\n" % entry for entry in registry.names())
    blocks = b"".join(b"%3d %s\n" % entry for entry in registry.names(S_IFBLK))
    return b"Character devices:\n" + characters + b"\nBlock devices:\n" + blocks


def swaps(task: Task) -> bytes:
    """There is none; the heading stays."""
    return b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def command_line(task: Task) -> bytes:
    """What the boot loader would have said."""
    return b"\n"
