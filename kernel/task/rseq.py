"""Restartable sequences: short user-code sequences that begin anew if they are disturbed.

A thread registers a ``struct rseq``; while it is inside a critical section it points ``rseq_cs``
to a descriptor of it.  When the thread is preempted, or a handler is about to run, the kernel
looks: inside the section the program counter goes to the abort address, outside the pointer is
cleared.  There is one processor, number 0, so the numbers written at registration stay true.

See Linux's include/uapi/linux/rseq.h and kernel/rseq.c.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import EFAULT
from kernel.abi.signals import SI_KERNEL, SIGSEGV
from kernel.task.siginfo import SigInfo
from kernel.task.signals import force_signal

if TYPE_CHECKING:
    from kernel.task.task import Task

AREA: Final = struct.Struct("<IIQIII")
"""cpu_id_start, cpu_id, rseq_cs, flags, node_id, mm_cid"""
_SECTION: Final = struct.Struct("<IIQQQ")
"""version, flags, start_ip, post_commit_offset, abort_ip"""
SECTION_POINTER: Final = 8
UNINITIALIZED: Final = 0xFFFFFFFF
_U64: Final = struct.Struct("<Q")


class Registration(NamedTuple):
    """What rseq(2) was given."""

    address: int
    length: int
    signature: int


def announce(task: Task, registration: Registration) -> None:
    """Tell the thread where it runs: always processor 0 of node 0.  EFAULT."""
    task.mem.write(registration.address, AREA.pack(0, 0, 0, 0, 0, 0))
    task.rseq = registration


def withdraw(task: Task, registration: Registration) -> None:
    """Back to the values of a thread that never registered.  EFAULT."""
    task.mem.write(registration.address, AREA.pack(0, UNINITIALIZED, 0, 0, 0, 0))
    task.rseq = None


def disturbed(task: Task) -> None:
    """The thread was preempted, or a handler is about to run: abort the section it is in."""
    registration = task.rseq
    if registration is None or task.mm is None:
        return
    pointer = registration.address + SECTION_POINTER
    try:
        section = _U64.unpack(task.mem.read(pointer, 8))[0]
        if section:
            _leave(task, registration, pointer, section)
    except EFAULT:
        force_signal(task, SigInfo(SIGSEGV, SI_KERNEL))


def _leave(task: Task, registration: Registration, pointer: int, section: int) -> None:
    version, _, start, length, abort = _SECTION.unpack(task.mem.read(section, _SECTION.size))
    registers = task.kernel.cpu.registers(task.context)
    task.mem.write(pointer, bytes(8))
    if not 0 <= registers.pc - start < length:
        return
    signature = task.mem.read(abort - 4, 4)
    if version or signature != registration.signature.to_bytes(4, "little"):
        force_signal(task, SigInfo(SIGSEGV, SI_KERNEL))
        return
    registers.pc = abort
