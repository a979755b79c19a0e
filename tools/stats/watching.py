"""The observer behind the statistics: who made which calls, how they ended and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import ERESTARTSYS, KernelError
from kernel.events import Observer
from kernel.task.usage import Usage, of_task
from tools.stats.values import ProcessRows, StatsRow, call_name, in_order, named_errors

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

MOVING: Final = frozenset(
    "read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 sendfile splice tee "
    "vmsplice copy_file_range sendto recvfrom sendmsg recvmsg getrandom process_vm_readv "
    "process_vm_writev mq_timedreceive msgrcv getdents getdents64".split()
)
"""Calls whose result is a number of bytes that were moved."""
MANY: Final = frozenset(("sendmmsg", "recvmmsg"))
"""Their result is a number of messages; each one's length stands in its struct mmsghdr."""
_MMSGHDR: Final = Struct("<56xI4x")


@dataclass(slots=True)
class CallCount:
    """One call of one process.  Times in ns; ``errnos``: how often by number."""

    calls: int = 0
    errors: int = 0
    busy: int = 0
    asleep: int = 0
    bytes: int = 0
    errnos: dict[int, int] = field(default_factory=dict)

    def add(self, other: CallCount) -> None:
        """Another's numbers on top."""
        self.calls += other.calls
        self.errors += other.errors
        self.busy += other.busy
        self.asleep += other.asleep
        self.bytes += other.bytes
        for number, count in other.errnos.items():
            self.errnos[number] = self.errnos.get(number, 0) + count


@dataclass(slots=True)
class _Process:
    """``usage``: of its tasks that have ended."""

    command: str = ""
    calls: dict[int, CallCount] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    tasks: dict[int, Task] = field(default_factory=dict)


class _Open:
    """A call that has not ended: since when, how long it slept, and asleep since when (or 0)."""

    __slots__ = ("asleep", "count", "since", "started")

    def __init__(self, count: CallCount, started: int) -> None:
        self.count = count
        self.started = started
        self.asleep = 0
        self.since = 0


class RunCounts(Observer["Task"]):
    """Counts by process and number.

    Invariant: calls and errors of all processes add up to those of the machine's own table.  An
    interrupted call that will be restarted is a call and no error: its program never sees one.
    """

    def __init__(self, table: SyscallTable) -> None:
        self._table = table
        self._processes: dict[int, _Process] = {}
        self._open: dict[int, _Open] = {}
        numbers = {table.name(number): number for number in range(len(table.entries))}
        self._moving = frozenset(numbers[name] for name in MOVING if name in numbers)
        self._many = frozenset(numbers[name] for name in MANY if name in numbers)

    def _of(self, task: Task) -> _Process:
        found = self._processes.get(task.tgid)
        if found is None:
            found = self._processes[task.tgid] = _Process()
        found.tasks[task.tid] = task
        return found

    # -- calls -----------------------------------------------------------------------------------

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """One more."""
        calls = self._of(task).calls
        count = calls.get(number)
        if count is None:
            count = calls[number] = CallCount()
        count.calls += 1
        self._open[task.tid] = _Open(count, task.kernel.clock.monotonic())

    def asleep(self, task: Task) -> None:
        """From now on the kernel does nothing for it."""
        found = self._open.get(task.tid)
        if found is not None:
            found.since = task.kernel.clock.monotonic()

    def resumed(self, task: Task) -> None:
        """It has the processor again."""
        found = self._open.get(task.tid)
        if found is not None and found.since:
            found.asleep += task.kernel.clock.monotonic() - found.since
            found.since = 0

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """How it ended, and what it cost."""
        count = self._end(task)
        if count is None:
            return
        if result < 0:
            if -ERESTARTSYS.errno < result:
                count.errors += 1
                count.errnos[-result] = count.errnos.get(-result, 0) + 1
        elif number in self._moving:
            count.bytes += result
        elif number in self._many:
            count.bytes += _lengths(task, args[1], result)

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit, or death while it slept."""
        self._end(task)

    def _end(self, task: Task) -> CallCount | None:
        found = self._open.pop(task.tid, None)
        if found is None:
            return None
        now = task.kernel.clock.monotonic()
        if found.since:
            found.asleep += now - found.since
        found.count.asleep += found.asleep
        found.count.busy += now - found.started - found.asleep
        return found.count

    # -- tasks -----------------------------------------------------------------------------------

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A page fault of user code, served or not."""
        faults = self._of(task).faults
        faults[kind] = faults.get(kind, 0) + 1

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """A process begins to be something else."""
        self._of(task)

    def task_start(self, task: Task, parent: Task | None) -> None:
        """Count what it uses from its beginning."""
        if task.context is not None:
            self._of(task)

    def task_end(self, task: Task, status: int) -> None:
        """What it used stays with its process."""
        process = self._of(task)
        process.command = _name(task)
        process.usage.add(of_task(task))
        del process.tasks[task.tid]

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """The call it is in goes on under the new number."""
        found = self._open.pop(old, None)
        if found is not None:
            self._open[new] = found
        process = self._of(task)
        process.tasks.pop(old, None)

    # -- results ---------------------------------------------------------------------------------

    def by_number(self) -> dict[int, CallCount]:
        """All processes together."""
        whole: dict[int, CallCount] = {}
        for process in self._processes.values():
            for number, count in process.calls.items():
                whole.setdefault(number, CallCount()).add(count)
        return whole

    def processes(self) -> tuple[ProcessRows, ...]:
        """By number; their calls, most first."""
        found = self._processes
        return tuple(_rows(pid, found[pid], self._table) for pid in sorted(found))


def _lengths(task: Task, vector: int, count: int) -> int:
    try:
        return sum(
            _MMSGHDR.unpack(task.mem.read(vector + i * _MMSGHDR.size, _MMSGHDR.size))[0]
            for i in range(count)
        )
    except KernelError:
        return 0


def _name(task: Task) -> str:
    return task.comm.decode(errors="replace")


def _rows(pid: int, process: _Process, table: SyscallTable) -> ProcessRows:
    usage = Usage()
    usage.add(process.usage)
    command = process.command
    for task in process.tasks.values():
        usage.add(of_task(task))
        command = _name(task)
    faults = dict(process.faults)
    served = sum(faults.get(kind, 0) for kind in ("minor", "cow", "reuse", "major"))
    kernels = usage.minor_faults + usage.major_faults - served
    if kernels > 0:
        faults["kernel"] = kernels
    return ProcessRows(
        pid,
        command,
        in_order(_row(number, count, table) for number, count in process.calls.items()),
        faults,
        usage.minor_faults,
        usage.major_faults,
        usage.voluntary_switches,
        usage.involuntary_switches,
        usage.utime,
        usage.stime,
        usage.max_rss,
    )


def _row(number: int, count: CallCount, table: SyscallTable) -> StatsRow:
    return StatsRow(
        call_name(table.name(number), number),
        count.calls,
        count.errors,
        count.busy,
        table.declared(number),
        count.asleep,
        count.bytes,
        named_errors(count.errnos),
    )
