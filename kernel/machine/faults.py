"""Faults that user code has to hear of: a refused access or a processor exception as a signal.

The address space has said no (a verdict), or the processor has; here the exact address is found,
the CPU's own trap number and error code are put beside it, and the signal is forced.
See sigaction(2), si_code and si_addr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EFAULT
from kernel.abi.signals import SIGKILL
from kernel.arch.base import USER_TOP
from kernel.cpu.base import EXCEPTION_AVX
from kernel.cpu.decode import exact_fault_address
from kernel.mm.fault import FAULT_OOM, VERDICT_NAMES, VERDICT_SIGNALS
from kernel.mm.ranges import PTE_RIGHTS
from kernel.task.siginfo import SigInfo
from kernel.task.signals import force_signal, send_to_group

if TYPE_CHECKING:
    from kernel.arch.base import CpuFault
    from kernel.task.task import Task

_LONGEST_INSTRUCTION = 15


def report_fault(task: Task, address: int, access: int, verdict: int) -> None:
    """A page fault the address space refused with ``verdict``, a FAULT_* of kernel.mm.fault."""
    if verdict == FAULT_OOM:
        kill_largest(task)
        return
    arch = task.kernel.arch
    regs = task.kernel.cpu.registers(task.context)
    code = _code_at(task, regs.pc)
    exact = exact_fault_address(arch, regs, code, address, access)
    fault = arch.page_fault(exact, access, *VERDICT_SIGNALS[verdict], _has_rights(task, address))
    _force(task, fault, VERDICT_NAMES[verdict], access)


def report_exception(task: Task, number: int, pc: int) -> None:
    """The processor refused an instruction, or met a breakpoint."""
    if number == EXCEPTION_AVX:
        task.kernel.log(
            f"pid {task.tgid}: AVX instruction at {pc:#x}: this processor has none, SIGILL"
        )
    regs = task.kernel.cpu.registers(task.context)
    _force(task, task.kernel.arch.classify_exception(number, pc, regs, task.mem), "exception")


def _force(task: Task, fault: CpuFault, kind: str, access: int = 0) -> None:
    info = SigInfo.fault(fault.signal, fault.code, fault.address, fault.trapno, fault.error)
    task.trap = (fault.trapno, fault.error, fault.fault_address)  # for the frame of its handler
    for observer in task.kernel.events:
        observer.fault(task, fault.address, access, kind)
    force_signal(task, info)


def _has_rights(task: Task, address: int) -> bool:
    """Does the hardware see a page at ``address``, whatever it may be used for?"""
    space = task.mm
    assert space is not None
    return address < USER_TOP and bool(space.ranges.walk(space.root, address >> 12) & PTE_RIGHTS)


def _code_at(task: Task, pc: int) -> bytes:
    """The bytes of the instruction at ``pc``, as many as can be read."""
    for length in (_LONGEST_INSTRUCTION, 4096 - pc % 4096):
        try:
            return task.mem.read(pc, length)
        except EFAULT:
            continue
    return b""


def kill_largest(task: Task) -> None:
    """No frame is left for ``task``: SIGKILL to the process with most memory, and say so.

    Not while somebody is dying: there is memory as soon as that process gets to run.
    """
    kernel = task.kernel
    if any(group.exiting and group.tasks for group in kernel.groups.values()):
        return
    largest, size = task.group, -1
    for pid in sorted(kernel.groups):
        group = kernel.groups[pid]
        space = next((task.mm for task in group.tasks.values()), None)
        if space is not None and space.rss > size:
            largest, size = group, space.rss
    kernel.log(f"out of memory: killed pid {largest.pid} ({size * 4} KiB resident)")
    why = f"no page frame is left (--memory), and nobody has more of them: {size * 4} KiB"
    send_to_group(largest, SigInfo(SIGKILL, reason=why))
