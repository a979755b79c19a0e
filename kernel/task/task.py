"""The task: one flow of execution, with or without user code.

Linux analogue: ``struct task_struct``.  Where a field is shared by clone(2) it is an object of its
own; everything else here belongs to this task alone and is changed only by it or, while it cannot
run, by the code that sends it a signal or wakes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kernel.abi.signals import SS_DISABLE
from kernel.arch.base import AltStack
from kernel.task.pending import PendingSet
from kernel.wait import WaitQueue

if TYPE_CHECKING:
    from kernel.abi.errors import Restart
    from kernel.clock.timers import Timer
    from kernel.cred import Credentials, Limits
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.usercopy import UserMemory
    from kernel.task.actions import SignalActions
    from kernel.task.futex import Key
    from kernel.task.futex_pi import PiLock
    from kernel.task.processor import Context
    from kernel.task.rseq import Registration
    from kernel.task.sched_policy import SchedulingPolicy
    from kernel.task.system import System
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.fdtable import FdTable
    from kernel.vfs.fscontext import FsContext
    from kernel.wait import Blocking, Sleep, Waiter

RUNNING: Final = "R"
SLEEPING: Final = "S"
UNINTERRUPTIBLE: Final = "D"
STOPPED: Final = "T"
ZOMBIE: Final = "Z"
DEAD: Final = "X"


class Task:
    """One task.  ``Task`` is a ``kernel.wait.Sleeper`` and a ``kernel.vfs`` Caller.

    Running: ``state`` is a letter of proc(5); ``queued`` says that the run queue has it; ``work``
    that return_to_user() must be called before user code runs.
    In the kernel: ``call`` is the system call in progress, (number, a0..a5), until it returns;
    ``generator`` and ``waiter`` are there while it sleeps; ``interrupted`` is the ERESTART code
    an interrupted call ended with, until delivery has dealt with it; ``restart_block`` what
    restart_syscall(2) needs; ``error_reason`` the words of the last error.
    Signals: ``blocked`` is a mask with bit n-1 for signal n; ``saved_mask`` is the mask to come
    back after a call that waits with another one (sigsuspend, ppoll), else None; ``altstack`` is
    (address, flags, size).
    Locks: ``pi_owned`` and ``pi_blocked`` are contended locks with priority inheritance (see
    futex_pi.py), ``boost`` the real-time priority that comes from them; ``requeue_to`` is the lock
    a sleeper of FUTEX_WAIT_REQUEUE_PI is to be moved to: its key, and its address here.
    """

    __slots__ = (
        "actions",
        "altstack",
        "blocked",
        "boost",
        "call",
        "clear_child_tid",
        "comm",
        "context",
        "cred",
        "error_reason",
        "fds",
        "fs",
        "generator",
        "group",
        "interrupted",
        "involuntary_switches",
        "kernel",
        "killable_only",
        "major_faults",
        "mem",
        "minor_faults",
        "mm",
        "no_new_privs",
        "nproc_exceeded",
        "parent_death_signal",
        "pending",
        "personality",
        "pi_blocked",
        "pi_owned",
        "policy",
        "queued",
        "requeue_to",
        "restart_block",
        "robust_list",
        "rseq",
        "saved_mask",
        "sigwait",
        "sleep",
        "start_time",
        "state",
        "tid",
        "timed_out",
        "timer",
        "trap",
        "vfork_done",
        "voluntary_switches",
        "waiter",
        "work",
    )

    def __init__(
        self,
        kernel: System,
        tid: int,
        group: ThreadGroup,
        *,
        mm: AddressSpace | None,
        fds: FdTable,
        fs: FsContext,
        cred: Credentials,
        actions: SignalActions,
        context: Context | None,
        policy: SchedulingPolicy,
        comm: bytes = b"",
    ) -> None:
        self.kernel = kernel
        self.tid = tid
        self.group = group
        group.tasks[tid] = self
        if tid == group.pid:
            group.leader = self
        self.mm = mm
        self.mem: UserMemory = mm.user if mm is not None else None  # type: ignore[assignment]
        self.fds = fds
        self.fs = fs
        self.cred = cred
        self.actions = actions
        self.context = context
        self.comm = comm
        self.policy = policy
        self.start_time = kernel.clock.monotonic()
        self._reset()

    def _reset(self) -> None:
        """What every new task starts with."""
        self.state = RUNNING
        self.queued = False
        self.work = False
        self.call: tuple[int, ...] | None = None
        self.generator: Blocking[Any] | None = None  # the handler's result: what set_result takes
        self.waiter: Waiter | None = None
        self.sleep: Sleep | None = None
        self.timer: Timer | None = None
        self.timed_out = False
        self.killable_only = False
        self.interrupted: Restart | None = None
        self.restart_block: tuple[str, tuple[int, ...], int | None] | None = None
        self.error_reason = ""
        self.blocked = 0
        self.saved_mask: int | None = None
        self.pending = PendingSet(self.kernel.user_signals)
        self.sigwait = 0
        self.trap = (0, 0, 0)
        self.altstack = AltStack(0, SS_DISABLE, 0)
        self.clear_child_tid = 0
        self.robust_list = (0, 0)
        self.boost = 0
        self.pi_owned: list[PiLock] = []
        self.pi_blocked: PiLock | None = None
        self.requeue_to: tuple[Key, int] | None = None
        self.rseq: Registration | None = None
        self.parent_death_signal = 0
        self.personality = 0
        self.no_new_privs = False
        self.nproc_exceeded = False
        self.vfork_done: WaitQueue | None = None
        self.minor_faults = self.major_faults = 0
        self.voluntary_switches = self.involuntary_switches = 0

    @property
    def tgid(self) -> int:
        """The process number: what getpid(2) returns."""
        return self.group.pid

    @property
    def limits(self) -> Limits:
        """The limits of the process."""
        return self.group.limits

    @property
    def priority(self) -> int:
        """Its real-time priority, its own or inherited; 0 for ordinary tasks."""
        own = self.policy.priority
        return own if own >= self.boost else self.boost

    @property
    def parent(self) -> ThreadGroup | None:
        """The parent process."""
        return self.group.parent

    @property
    def utime(self) -> int:
        """Nanoseconds in user code."""
        return 0 if self.context is None else self.kernel.cpu.user_ns(self.context)

    @property
    def stime(self) -> int:
        """Nanoseconds in the kernel on its behalf."""
        return 0 if self.context is None else self.kernel.cpu.system_ns(self.context)

    @property
    def dead(self) -> bool:
        """Has it ended?"""
        return self.state in (ZOMBIE, DEAD)

    def wake_up(self) -> None:
        """A wait queue woke it (kernel.wait.Sleeper)."""
        self.kernel.scheduler.wake(self)
        for observer in self.kernel.events:
            observer.woken(self)

    def __repr__(self) -> str:
        return f"<Task {self.tid} {self.comm!r} {self.state}>"
