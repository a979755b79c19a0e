"""/proc/PID/{stat,statm,status,comm,limits,oom_score,oom_score_adj,wchan}.  See proc(5).

Layouts follow fs/proc/array.c and fs/proc/base.c of Linux, field by field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errors import EACCES, EINVAL
from kernel.abi.signals import SIG_IGN
from kernel.cred import CAP_SYS_RESOURCE, RLIM_INFINITY, RLIMIT_RSS, RLIMIT_SIGPENDING
from kernel.mm.vm_flags import VM_SHARED, VM_WRITE
from kernel.task.task import RUNNING, STOPPED, ZOMBIE
from kernel.task.usage import NS_PER_TICK, of_group, of_task
from kernel.views.procfs.access import may_look

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task
    from kernel.task.usage import Usage

PAGE_SIZE = 4096
PAGE_KB = 4
COMM_SIZE = 15
PF_EXITING = 0x4
PF_FORKNOEXEC = 0x40
_STATE_NAMES = {
    "R": "R (running)", "S": "S (sleeping)", "D": "D (disk sleep)", "T": "T (stopped)",
    "Z": "Z (zombie)", "X": "X (dead)",
}  # fmt: skip
_LIMITS = (
    ("Max cpu time", "seconds"), ("Max file size", "bytes"), ("Max data size", "bytes"),
    ("Max stack size", "bytes"), ("Max core file size", "bytes"), ("Max resident set", "bytes"),
    ("Max processes", "processes"), ("Max open files", "files"), ("Max locked memory", "bytes"),
    ("Max address space", "bytes"), ("Max file locks", "locks"), ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"), ("Max nice priority", ""), ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
)  # fmt: skip


def state_of(task: Task) -> str:
    """The letter of ps(1)."""
    return task.state


def escaped_comm(task: Task) -> bytes:
    """The name, with newline and backslash escaped as status and stat show it."""
    return task.comm.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def comm(reader: Task, task: Task) -> bytes:
    """The name of the task."""
    return task.comm + b"\n"


def loginuid(reader: Task, task: Task) -> bytes:
    """/proc/PID/loginuid: -1 unsigned, nobody logged in; getlogin(3) wants to know."""
    return b"4294967295"


def set_comm(writer: Task, task: Task, data: bytes) -> None:
    """Only the process itself may rename its tasks."""
    if writer.group is not task.group:
        raise EINVAL("only process %d itself may change its name", task.tgid)
    task.comm = data.partition(b"\0")[0].rstrip(b"\n")[:COMM_SIZE]


def _parent(task: Task) -> int:
    return task.parent.pid if task.parent is not None else 0


def _usage(task: Task, whole: bool) -> Usage:
    return of_group(task.group) if whole else of_task(task)


def stat(reader: Task, task: Task, whole: bool = True) -> bytes:
    """The 52 numbers; ``whole``: of the process, else of one task of it (PID/task/TID/stat).

    Addresses are 0 or 1 for who may not look into the process.
    """
    group, mm = task.group, task.mm
    allowed = may_look(reader, task)
    usage, children = _usage(task, whole), group.child_usage
    terminal = group.session.terminal
    foreground = terminal.foreground if terminal is not None else None
    pending = task.pending.bits | (group.pending.bits if whole else 0)
    policy = task.policy
    space = (
        (mm.start_data, mm.end_data, mm.start_brk, mm.arg_start, mm.arg_end, mm.env_start,
         mm.env_end)
        if mm is not None and allowed
        else (0,) * 7
    )  # fmt: skip
    fields: tuple[int | str, ...] = (
        state_of(task), _parent(task), group.pgrp.pgid, group.session.sid,
        terminal.device if terminal is not None else 0,
        foreground.pgid if foreground is not None else -1,
        _flags(task), usage.minor_faults, children.minor_faults, usage.major_faults,
        children.major_faults, usage.utime // NS_PER_TICK, usage.stime // NS_PER_TICK,
        children.utime // NS_PER_TICK, children.stime // NS_PER_TICK,
        -1 - policy.priority if policy.realtime else 20 + policy.nice, policy.nice,
        max(1, len(group.tasks)), 0, task.start_time // NS_PER_TICK,
        mm.total_vm * PAGE_SIZE if mm is not None else 0, mm.rss if mm is not None else 0,
        task.limits.soft(RLIMIT_RSS),
        (mm.start_code if allowed else 1) if mm is not None else 0,
        (mm.end_code if allowed else 1) if mm is not None else 0,
        mm.start_stack if mm is not None and allowed else 0,
        0, 0,  # stack and instruction pointer: only of a task that dumps core
        pending & 0x7FFFFFFF, task.blocked & 0x7FFFFFFF,
        task.actions.mask_of(SIG_IGN) & 0x7FFFFFFF, task.actions.caught() & 0x7FFFFFFF,
        int(allowed and task.state != RUNNING), 0, 0, group.exit_signal, 0, policy.priority,
        policy.policy, 0, 0, 0, *space, group.status if allowed and group.zombie else 0,
    )  # fmt: skip
    numbers = " ".join(str(field) for field in fields)
    return b"%d (%s) %s\n" % (task.tid, escaped_comm(task), numbers.encode())


def _flags(task: Task) -> int:
    """The PF_ flags of the task that exist here."""
    flags = 0 if task.group.did_exec else PF_FORKNOEXEC
    return flags | (PF_EXITING if task.state == ZOMBIE else 0)


def statm(reader: Task, task: Task) -> bytes:
    """Sizes in pages: all, resident, of those shared, text, 0, data and stack, 0."""
    mm = task.mm
    if mm is None:
        return b"0 0 0 0 0 0 0\n"
    text = (mm.end_code + PAGE_SIZE - 1) // PAGE_SIZE - mm.start_code // PAGE_SIZE
    resident = _resident(mm)
    shared = resident.file + resident.shared
    return b"%d %d %d %d 0 %d 0\n" % (
        mm.total_vm, mm.rss, shared, text, mm.data_vm + mm.stack_vm,
    )  # fmt: skip


def status(reader: Task, task: Task) -> bytes:
    """The same in words, and more.  Written line by line as fs/proc/array.c does."""
    lines = [f"Name:\t{escaped_comm(task).decode('latin-1')}", *_identity(task)]
    lines += _memory(task)
    lines += _signals(task)
    lines += _privileges(task)
    return ("\n".join(lines) + "\n").encode("latin-1")


def _identity(task: Task) -> list[str]:
    group, cred = task.group, task.cred
    tracer = 0  # ptrace(2) is not there yet
    groups = "".join(f"{gid} " for gid in cred.groups)
    state = "T (stopped)" if task.state == STOPPED else _STATE_NAMES[task.state]
    return [
        f"Umask:\t{task.fs.umask:04o}",
        f"State:\t{state}",
        f"Tgid:\t{group.pid}",
        "Ngid:\t0",
        f"Pid:\t{task.tid}",
        f"PPid:\t{_parent(task)}",
        f"TracerPid:\t{tracer}",
        f"Uid:\t{cred.ruid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}",
        f"Gid:\t{cred.rgid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}",
        f"FDSize:\t{_table_size(task)}",
        f"Groups:\t{groups or ' '}",
        f"NStgid:\t{group.pid}",
        f"NSpid:\t{task.tid}",
        f"NSpgid:\t{group.pgrp.pgid}",
        f"NSsid:\t{group.session.sid}",
    ]


def _table_size(task: Task) -> int:
    """The room of the descriptor table: 64, then doubling from 256."""
    highest = max(task.fds.files, default=0)
    size = 64
    while size <= highest:
        size = 256 if size == 64 else size * 2
    return size


def _memory(task: Task) -> list[str]:
    mm = task.mm
    if mm is None:
        return []
    text = (mm.end_code + PAGE_SIZE - 1) // PAGE_SIZE - mm.start_code // PAGE_SIZE
    resident = _resident(mm)
    mapped = sum(area.pages for area in mm.vmas if area.file is not None)
    sizes = (
        ("VmPeak", mm.peak_vm), ("VmSize", mm.total_vm), ("VmLck", mm.locked_vm), ("VmPin", 0),
        ("VmHWM", mm.peak_rss), ("VmRSS", mm.rss), ("RssAnon", resident.anonymous),
        ("RssFile", resident.file), ("RssShmem", resident.shared), ("VmData", mm.data_vm),
        ("VmStk", mm.stack_vm), ("VmExe", text), ("VmLib", max(0, mapped - text)),
    )  # fmt: skip
    lines = [f"{name}:\t{pages * PAGE_KB:8d} kB" for name, pages in sizes]
    lines.append(f"VmPTE:\t{mm.table_frames * PAGE_KB:8d} kB")
    lines.append(f"VmSwap:\t{0:8d} kB")
    return [*lines, "HugetlbPages:\t       0 kB", "CoreDumping:\t0", "THP_enabled:\t0"]


class _Resident(NamedTuple):
    """Pages that are present, by what is behind them."""

    anonymous: int
    file: int
    shared: int


def _resident(mm: AddressSpace) -> _Resident:
    """A private page that can be written counts as anonymous: it has been, or will be, copied."""
    file = shared = 0
    for area in mm.vmas:
        if area.pager is None or (area.flags & VM_WRITE and not area.flags & VM_SHARED):
            continue
        present = mm.ranges.present(mm.root, area.start // PAGE_SIZE, area.pages)
        if area.file is None:
            shared += present
        else:
            file += present
    return _Resident(mm.rss - file - shared, file, shared)


def _signals(task: Task) -> list[str]:
    group = task.group
    queued = task.kernel.user_signals.get(task.cred.ruid, 0)
    masks = (
        ("SigPnd", task.pending.bits), ("ShdPnd", group.pending.bits), ("SigBlk", task.blocked),
        ("SigIgn", task.actions.mask_of(SIG_IGN)), ("SigCgt", task.actions.caught()),
    )  # fmt: skip
    return [
        f"Threads:\t{max(1, len(group.tasks))}",
        f"SigQ:\t{queued}/{task.limits.soft(RLIMIT_SIGPENDING)}",
        *(f"{name}:\t{mask:016x}" for name, mask in masks),
    ]


def _privileges(task: Task) -> list[str]:
    cred = task.cred
    capabilities = (
        ("CapInh", cred.inheritable), ("CapPrm", cred.permitted), ("CapEff", cred.effective),
        ("CapBnd", cred.bounding), ("CapAmb", cred.ambient),
    )  # fmt: skip
    return [
        *(f"{name}:\t{mask:016x}" for name, mask in capabilities),
        f"NoNewPrivs:\t{int(task.no_new_privs)}",
        "Seccomp:\t0",
        "Seccomp_filters:\t0",
        "Cpus_allowed:\t1",
        "Cpus_allowed_list:\t0",
        "Mems_allowed:\t1",
        "Mems_allowed_list:\t0",
        f"voluntary_ctxt_switches:\t{task.voluntary_switches}",
        f"nonvoluntary_ctxt_switches:\t{task.involuntary_switches}",
    ]


def limits(reader: Task, task: Task) -> bytes:
    """The resource limits as a table.  See getrlimit(2)."""
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
    for (name, unit), (soft, hard) in zip(_LIMITS, task.limits.values, strict=True):
        values = "".join(f"{_limit(value):<20} " for value in (soft, hard))
        lines.append(f"{name:<25} {values}" + (f"{unit:<10}\n" if unit else "\n"))
    return "".join(lines).encode()


def _limit(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)


def oom_score(reader: Task, task: Task) -> bytes:
    """How likely the process is to be killed when memory runs out, 0..2000."""
    total = task.kernel.frames.total
    points = (task.mm.rss + task.mm.table_frames) * 1000 // total if task.mm is not None else 0
    return b"%d\n" % max(0, (1000 + points + task.group.oom_score_adj) * 2 // 3)


def oom_score_adj(reader: Task, task: Task) -> bytes:
    """What is added to the score."""
    return b"%d\n" % task.group.oom_score_adj


def set_oom_score_adj(writer: Task, task: Task, data: bytes) -> None:
    """-1000..1000; to go below the present value needs CAP_SYS_RESOURCE."""
    text = data.strip(b"\0\n \t")
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        raise EINVAL("%r is no number", text)
    value = int(text)
    if not -1000 <= value <= 1000:
        raise EINVAL("%d is not in -1000 to 1000", value)
    if value < task.group.oom_score_adj and not writer.cred.capable(CAP_SYS_RESOURCE):
        raise EACCES("to go below %d needs CAP_SYS_RESOURCE", task.group.oom_score_adj)
    task.group.oom_score_adj = value


def wchan(reader: Task, task: Task) -> bytes:
    """What it waits for: the name of the wait queue, 0 if it runs or may not be looked at."""
    if task.sleep is None or not task.sleep.queues or not may_look(reader, task):
        return b"0"
    return task.sleep.queues[0].name.replace(" ", "_").encode() or b"0"
