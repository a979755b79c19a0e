"""A real program under ptrace(2), presented to an observer as if Diorama ran it.

With it the tracer is tested before there is a machine, and against the only oracle that counts:
the same program under the real strace.  Only what the tracer looks at is imitated: memory,
registers of a signal frame, clocks.  One task, x86_64 hosts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from kernel.abi.errors import EFAULT
from kernel.arch.registry import get_arch
from kernel.events import Observer
from kernel.task.siginfo import SigInfo

TRACEME, CONT, SYSCALL, GETREGS, SETOPTIONS, GETSIGINFO = 0, 7, 24, 12, 0x4200, 0x4202
SYSGOOD, EVENT_EXEC, EVENT_EXIT, EXITKILL = 1, 16, 64, 1 << 20
STOP_SYSCALL = signal.SIGTRAP | 0x80
NAMES = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
).split()

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long] * 4
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


class _Memory:
    """What UserMemory.read does, through /proc/PID/mem."""

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/mem", os.O_RDONLY)

    def read(self, address: int, size: int) -> bytes:
        """Raises EFAULT."""
        if not size:
            return b""
        try:
            data = os.pread(self._file, size, address)
        except (OSError, OverflowError):
            raise EFAULT("not mapped") from None
        if len(data) < size:
            raise EFAULT("not mapped")
        return data

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)


@dataclass
class Tracee:
    """The program, and the shape of a task around it."""

    pid: int
    task: Any
    registers: dict[str, int]

    def load(self) -> None:
        """Read the registers."""
        buffer = (ctypes.c_ulonglong * len(NAMES))()
        _ptrace(GETREGS, self.pid, 0, ctypes.addressof(buffer))
        self.registers.update(zip(NAMES, buffer, strict=True))
        self.registers["sp"] = self.registers["rsp"]
        self.registers["result"] = self.registers["rax"]

    @property
    def args(self) -> tuple[int, ...]:
        """The six argument registers."""
        return tuple(self.registers[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))


def _task(pid: int, registers: dict[str, int]) -> Any:
    clock = SimpleNamespace(realtime=time.time_ns, monotonic=time.monotonic_ns)
    cpu = SimpleNamespace(registers=lambda context: SimpleNamespace(**registers))
    kernel = SimpleNamespace(arch=get_arch("x86_64"), clock=clock, cpu=cpu)
    return SimpleNamespace(
        tid=pid,
        tgid=pid,
        context=None,
        kernel=kernel,
        mem=_Memory(pid),
        group=SimpleNamespace(exiting=False, pid=pid, tasks={pid: None}),
    )


def run(path: str, argv: list[str], observer: Observer[Any], attach: Any) -> None:
    """Run a program to its end; ``attach(task)`` is called before its first instruction."""
    pid = os.fork()
    if not pid:
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.closerange(3, 1024)
        _ptrace(TRACEME, 0)
        os.execv(path, argv)
    os.waitpid(pid, 0)
    _ptrace(SETOPTIONS, pid, 0, SYSGOOD | EVENT_EXEC | EVENT_EXIT | EXITKILL)
    registers: dict[str, int] = {}
    tracee = Tracee(pid, _task(pid, registers), registers)
    tracee.load()
    attach(tracee.task)
    _loop(tracee, observer)
    tracee.task.mem.close()


def _loop(tracee: Tracee, observer: Observer[Any]) -> None:
    inside, deliver, pid = False, 0, tracee.pid
    number = 0
    args: tuple[int, ...] = (0,) * 6
    while True:
        _ptrace(SYSCALL, pid, 0, deliver)
        deliver = 0
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            observer.task_end(tracee.task, status)
            return
        stop = os.WSTOPSIG(status)
        tracee.load()
        if stop == STOP_SYSCALL and not inside:
            inside, number, args = True, tracee.registers["orig_rax"], tracee.args
            observer.syscall_enter(tracee.task, number, args)
        elif stop == STOP_SYSCALL:
            inside = False
            result = tracee.registers["rax"]
            observer.syscall_exit(tracee.task, number, args, result - (result >> 63 << 64), "")
        elif status >> 16 == 6:  # PTRACE_EVENT_EXIT
            observer.no_return(tracee.task, number, args)
        elif status >> 16 == 0:
            deliver = stop
            info = (ctypes.c_char * 128)()
            _ptrace(GETSIGINFO, pid, 0, ctypes.addressof(info))
            observer.signal(tracee.task, SigInfo.unpack(bytes(info), stop), "handler")
