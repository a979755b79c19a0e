"""The observer behind ``--explain``: reasons with everything added that lower rooms cannot know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kernel.abi import ioctls, sockios
from kernel.abi.errors import BY_NUMBER, EAGAIN, EINTR, ENOENT, ENOSPC, KernelError, Restart
from kernel.abi.files import AT_FDCWD, O_NONBLOCK, S_IFCHR, S_IFMT
from kernel.abi.signals import (
    FPE_INTDIV,
    IGNORED_BY_DEFAULT,
    SA_RESTART,
    SIG_DFL,
    SIG_IGN,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGKILL,
    SIGSEGV,
    SIGTRAP,
    STOP_SIGNALS,
    sigbit,
    signal_name,
)
from kernel.cred import RLIMIT_NOFILE
from kernel.events import Observer
from kernel.machine.explain.files import data, room
from kernel.machine.explain.waits import flock_owners, record_owner, waits_for
from kernel.machine.explain.who import everybody, holders, one_line, text, who
from kernel.mm.around import Around
from kernel.mm.fault import ACCESS_FETCH, FAULT_BUS, FAULT_MAPERR, VERDICT_NAMES

if TYPE_CHECKING:
    from kernel.machine.dispatch import SyscallTable
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from kernel.vfs.fdtable import FdTable

Closed = dict[int, str]
"""Descriptor -> the call that closed it last."""

_DESCRIPTOR: Final = re.compile(r"descriptor (-?\d+) is not open")
_OBJECT: Final = re.compile(r"(?:pipe|socket):\[\d+\]")
_PROCESS: Final = re.compile(r"\b(?:process|task|thread) (\d+)\b(?! \()")
_REQUEST: Final = re.compile(r"does not know request (0x[0-9a-f]+)")
_REQUEST_NAMES: Final = {
    value: name
    for name, value in (*vars(sockios).items(), *vars(ioctls).items())
    if name.startswith(("TC", "TIOC", "FI", "FS_IOC_", "BLK", "SIOC", "VT_", "KD"))
    and value > 0x1000
}
_INJECTED: Final = "diorama made the call fail, as --inject asked; the kernel did not see it"
_RETURNED: Final = (
    "no failure: the registers are back as they were before the handler, "
    "with the result of the call that was interrupted"
)
_READS: Final = frozenset(
    "read readv pread64 preadv preadv2 recvfrom recvmsg recvmmsg accept accept4".split()
)
_WRITES: Final = frozenset("write writev pwrite64 pwritev pwritev2 sendto sendmsg sendmmsg".split())


class Explainer(Observer["Task"]):
    """``why`` a call failed, and what a call ``wait``s for.

    ``_closed``: for each descriptor table, how its numbers were closed; a fork's copy inherits it.
    ``_about``: what will be closed when the call that a task is in succeeds, by tid.  ``_faults``:
    (address, access) of a task's last page fault that the kernel refused.  ``_killed``: why the
    process of that number gets SIGKILL, until the number is used again.
    """

    def __init__(self, table: SyscallTable) -> None:
        self._table = table
        self._closed: dict[FdTable, Closed] = {}
        self._about: dict[int, tuple[FdTable, tuple[int, ...], str]] = {}
        self._faults: dict[int, tuple[int, int]] = {}
        self._killed: dict[int, str] = {}

    # -- what happens to descriptors -------------------------------------------------------------

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """A call that closes descriptors is remembered until its result is known."""
        if self._faults:
            self._faults.pop(task.tid, None)  # it had a handler
        name = self._table.name(number)
        if name not in _CLOSING:
            return
        values = self._table.decode(number, args)
        fds = _about_to_close(task, name, values)
        if fds:
            shown = ", ".join(map(str, values[:2])) if name != "execve" else "..."
            shown = str(values[0]) if name == "close" else shown
            self._about[task.tid] = (task.fds, fds, f"{name}({shown})")

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """It succeeded: these numbers are closed now, and by whom."""
        about = self._about.pop(task.tid, None)
        if about is not None and result >= 0:
            table, fds, call = about
            if task.fds is not table and task.fds not in self._closed:  # the call gave it its own
                self._closed[task.fds] = dict(self._closed.get(table, {}))
            said = self._closed.setdefault(task.fds, {})
            name = text(task.comm)
            for fd in fds:
                said[fd] = f"{call} of {task.tid} ({name}) closed it"

    def task_start(self, task: Task, parent: Task | None) -> None:
        """A copy of a descriptor table has the history of the original."""
        self._killed.pop(task.tid, None)
        if parent is not None and task.fds is not parent.fds and parent.fds in self._closed:
            self._closed[task.fds] = dict(self._closed[parent.fds])

    def task_end(self, task: Task, status: int) -> None:
        """Forget a table that nobody uses any more."""
        self._about.pop(task.tid, None)
        self._faults.pop(task.tid, None)
        if task.fds.users <= 0:
            self._closed.pop(task.fds, None)

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A fault that nobody can serve ends in a signal: remember it until that comes."""
        if kind in _REFUSED:
            self._faults[task.tid] = (address, access)

    def signal(self, task: Task, info: object, action: str) -> None:
        """SIGKILL is told by the process's end: remember who or what sent it."""
        signal: SigInfo = info  # type: ignore[assignment]
        if signal.signo == SIGKILL:
            self._killed[task.tgid] = signal.reason or _killer(task, signal)

    # -- answers ---------------------------------------------------------------------------------

    def wait(self, task: Task) -> str:
        """What the call a task sleeps in waits for."""
        if task.call is None or task.timed_out:
            return ""
        number, *raw = task.call
        name = self._table.name(number) or ""
        return one_line(waits_for(task, name, self._table.decode(number, tuple(raw))))

    def signal_reason(self, task: Task, info: SigInfo) -> str:
        """Why the kernel sent a signal; of a SIGSEGV or SIGBUS what was done where.

        '' for a signal of another process, and for one whose own members say all there is.
        """
        if info.reason:
            return one_line(info.reason)
        if not info.forced or task.mm is None:
            return ""
        pc = task.kernel.cpu.registers(task.context).pc
        found = self._faults.get(task.tid)
        if info.signo not in (SIGSEGV, SIGBUS) or found is None:
            return f"the instruction at {info.address or pc:#x} {_refusal(info)}"
        address, access = found
        done = ("reads", "writes", "executes")[min(access, ACCESS_FETCH)]
        what = f"the instruction at {pc:#x} {done} {address:#x}: {Around(task.mm, address, access)}"
        return one_line(what)

    def end_reason(self, task: Task, status: int) -> str:
        """Why a process was killed by SIGKILL, of which no other line tells; '' for other ends."""
        return one_line(self._killed.get(task.tgid, "")) if status & 0x7F == SIGKILL else ""

    def why(
        self,
        task: Task,
        number: int,
        args: tuple[int, ...],
        result: int,
        reason: str,
        *,
        injected: bool = False,
    ) -> str:
        """One line: why the call failed.  ``reason`` is what the kernel said."""
        if injected and not reason:
            return _INJECTED
        return one_line(self._why(task, number, args, result, reason))

    def _why(self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str) -> str:
        kind = BY_NUMBER.get(-result)
        name = self._table.name(number) or ""
        if name == "rt_sigreturn":
            return _RETURNED
        if kind is None:
            return reason
        values = self._table.decode(number, args) if args else ()
        if issubclass(kind, Restart) or kind is EINTR:
            return _interruption(task, kind, reason)
        reason = _DESCRIPTOR.sub(lambda m: self._descriptor(task, int(m[1])), reason)
        reason = _OBJECT.sub(lambda m: _with_owners(task, m[0]), reason)
        reason = _REQUEST.sub(_with_request, reason)
        reason = _PROCESS.sub(lambda m: _with_name(task, m[0], int(m[1])), reason)
        if kind is ENOENT and reason == "the path is empty":
            return reason + _itself(name, values)
        if kind is EAGAIN and values:
            return reason + _in_the_way(task, name, values)
        return reason + _where(task, values) if kind is ENOSPC and values else reason

    def _descriptor(self, task: Task, fd: int) -> str:
        words = f"descriptor {fd} is not open"
        limit = task.limits.soft(RLIMIT_NOFILE)
        if fd < 0:
            return f"{words}: no descriptor is negative"
        closed = self._closed.get(task.fds, {}).get(fd)
        if closed is not None and fd not in task.fds.files:
            return f"{words}: {closed}"
        if fd >= limit:
            return f"{words}, and RLIMIT_NOFILE ({limit}) allows none so high"
        shown = ", ".join(map(str, sorted(task.fds.files)[:8])) or "none"
        return f"{words} and was not since the trace began; open are {shown}"


_REFUSED: Final = VERDICT_NAMES[FAULT_MAPERR : FAULT_BUS + 1]
_CLOSING: Final = frozenset({"close", "dup2", "dup3", "close_range", "execve", "execveat"})

_TAKE_EMPTY_PATHS: Final = frozenset(
    "newfstatat statx fchownat fchmodat2 faccessat2 utimensat execveat".split()
)
"""Calls that know AT_EMPTY_PATH, and have one path."""


def _about_to_close(task: Task, name: str, values: tuple[int, ...]) -> tuple[int, ...]:
    files = task.fds.files
    if name == "close":
        return (values[0],)
    if name == "close_range":
        return tuple(fd for fd in files if values[0] <= fd <= values[1])
    if name in ("execve", "execveat"):
        return tuple(task.fds.cloexec)
    return ()  # dup2 closes a number and opens it at once


def _refusal(info: SigInfo) -> str:
    """What the processor has against an instruction, where it is no matter of one address."""
    if info.signo == SIGFPE and info.code == FPE_INTDIV:
        return "divides by zero, or the quotient has no room in its register"
    if info.signo == SIGTRAP:
        return "is a breakpoint, and nobody debugs this process"
    if info.signo == SIGILL:
        return "is none that this processor has"
    return "is not for programs, or its address is none that a program can have"


def _with_owners(task: Task, name: str) -> str:
    """``pipe:[12]`` and the other processes that have it open."""
    wanted = name.encode()
    pids = holders(task.kernel, lambda file: file.path.dentry.name == wanted)
    others = [pid for pid in pids if pid != task.tgid]
    return f"{name} (shared with {everybody(task.kernel, others)})" if others else name


def _with_request(match: re.Match[str]) -> str:
    """``does not know TCGETS (0x5401), which is for terminals``: asked of the wrong file."""
    name = _REQUEST_NAMES.get(int(match[1], 16))
    if name is None:
        return match[0]
    whose = next((f", which is for {whom}" for prefix, whom in _FOR if name.startswith(prefix)), "")
    return f"does not know {name} ({match[1]}){whose}"


_FOR: Final = (
    ("TC", "terminals"),
    ("TIOC", "terminals"),
    ("VT_", "virtual consoles"),
    ("KD", "virtual consoles"),
    ("BLK", "block devices"),
)


def _with_name(task: Task, words: str, pid: int) -> str:
    found = task.kernel.tasks.get(pid)
    return words if found is None else f"{words} ({text(found.comm)})"


def _in_the_way(task: Task, name: str, values: tuple[int, ...]) -> str:
    """EAGAIN: what it would have waited for, and why it did not."""
    file = task.fds.files.get(values[0])
    if file is None:
        return ""
    if name == "flock":
        return f", {flock_owners(task, file, values[1])}"
    if name == "fcntl":
        return f", {record_owner(task, file)}"
    if name not in _READS and name not in _WRITES:
        return ""
    wanted = data(task, file) if name in _READS else room(task, file)
    asked = "O_NONBLOCK is set" if file.flags & O_NONBLOCK else "the call was not to wait"
    return f": it would wait for {wanted}, but {asked}"


def _itself(name: str, values: tuple[int, ...]) -> str:
    """An empty path beside a descriptor: perhaps the file of the descriptor itself was meant."""
    fd = values[0] if values else AT_FDCWD
    if name not in _TAKE_EMPTY_PATHS or fd == AT_FDCWD:
        return ""
    return f"; AT_EMPTY_PATH, which is not set, would make it descriptor {fd} itself"


def _where(task: Task, values: tuple[int, ...]) -> str:
    """ENOSPC of a descriptor: on which mount; a device is full by itself (/dev/full)."""
    file = task.fds.files.get(values[0])
    if file is None or file.inode.mode & S_IFMT == S_IFCHR:
        return ""
    return f": {file.path} is on {file.path.mount}"


def _interruption(task: Task, kind: type[KernelError], reason: str) -> str:
    """Which signal cut the sleep short, and whether the call will go on."""
    info = _next_signal(task)
    if info is None:
        return reason or "interrupted, to be made again"
    name = signal_name(info.signo)
    action = task.actions.get(info.signo)
    bit = sigbit(info.signo)
    if action.handler == SIG_IGN or (action.handler == SIG_DFL and bit & IGNORED_BY_DEFAULT):
        then = "which is ignored, so the call goes on"
    elif action.handler == SIG_DFL and bit & STOP_SIGNALS:
        then = "which stops the process; the call goes on when that continues"
    elif action.handler == SIG_DFL:
        then = "which has no handler, so the process ends"
    elif kind.__name__ == "ERESTARTSYS":
        again = bool(action.flags & SA_RESTART)
        then = f"handler {'with' if again else 'without'} SA_RESTART: "
        then += "the call is made again" if again else "the call ends with EINTR"
    elif kind.__name__ == "ERESTARTNOINTR":
        then = "after its handler the call is made again in any case"
    else:
        then = "after its handler the call ends with EINTR, whatever SA_RESTART says"
    before = "" if not reason or reason.startswith("a signal") else f"{reason}; "
    return f"{before}interrupted by {name}{_sender(task, info)}: {then}"


def _next_signal(task: Task) -> SigInfo | None:
    """The signal that is delivered next, left where it is."""
    for pending in (task.pending, task.group.pending):
        ready = [info for info, _ in pending.queue if not task.blocked >> (info.signo - 1) & 1]
        if ready:
            return min(ready, key=lambda info: info.signo)
    return None


def _killer(task: Task, info: SigInfo) -> str:
    if info.code > 0 or len(info.payload) < 4:
        return "the kernel sent SIGKILL"
    if info.pid == task.tgid:
        return "the process sent SIGKILL to itself"
    return f"process {who(task.kernel, info.pid)} sent SIGKILL"


def _sender(task: Task, info: SigInfo) -> str:
    if info.code > 0 or len(info.payload) < 4:
        return ""
    pid = int.from_bytes(info.payload[:4], "little")
    found = task.kernel.tasks.get(pid)
    return f" of process {pid} ({text(found.comm)})" if found is not None else ""
