"""prctl(2) and arch_prctl(2): settings of a task that have no call of their own.

Each option is a small function in one table.  An option that is not in it is EINVAL, as on a kernel
built without that feature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENODEV, EPERM
from kernel.abi.limits import TASK_COMM_LEN
from kernel.abi.process import (
    ARCH_GET_CPUID,
    ARCH_GET_FS,
    ARCH_GET_GS,
    ARCH_SET_CPUID,
    ARCH_SET_FS,
    ARCH_SET_GS,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_GET_NAME,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_PDEATHSIG,
    PR_GET_SECUREBITS,
    PR_GET_TID_ADDRESS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_NAME,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_SECUREBITS,
)
from kernel.abi.signals import NSIG
from kernel.cred import CAP_LAST, CAP_SETPCAP
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import ArchPrctlArg, ArchPrctlCode, PrctlArg, PrctlOption

SECBIT_KEEP_CAPS: Final = 1 << 4
SECBIT_KEEP_CAPS_LOCKED: Final = 1 << 5
SECBIT_NO_CAP_AMBIENT_RAISE: Final = 1 << 6
SECURE_ALL_BITS: Final = 0x55
SECURE_ALL_LOCKS: Final = 0xAA

Option = Callable[["Task", int, int, int, int], int]


def _set_pdeathsig(task: Task, signo: int, *_: int) -> int:
    if not 0 <= signo <= NSIG:
        raise EINVAL("there is no signal %d", signo)
    task.parent_death_signal = signo
    return 0


def _get_pdeathsig(task: Task, address: int, *_: int) -> int:
    task.mem.write_u32(address, task.parent_death_signal)
    return 0


def _get_dumpable(task: Task, *_: int) -> int:
    return int(task.group.dumpable)


def _set_dumpable(task: Task, value: int, *_: int) -> int:
    if value not in (0, 1):
        raise EINVAL("PR_SET_DUMPABLE takes 0 or 1, not %d", value)
    task.group.dumpable = value
    return 0


def _set_name(task: Task, address: int, *_: int) -> int:
    """At most 15 bytes; those after the NUL are not looked at, so read one by one."""
    name = bytearray()
    while len(name) < TASK_COMM_LEN - 1:
        byte = task.mem.read_u8(address + len(name))
        if not byte:
            break
        name.append(byte)
    task.comm = bytes(name)
    return 0


def _get_name(task: Task, address: int, *_: int) -> int:
    task.mem.write(address, task.comm[: TASK_COMM_LEN - 1].ljust(TASK_COMM_LEN, b"\0"))
    return 0


def _get_keepcaps(task: Task, *_: int) -> int:
    return int(bool(task.cred.securebits & SECBIT_KEEP_CAPS))


def _set_keepcaps(task: Task, value: int, *_: int) -> int:
    if value not in (0, 1):
        raise EINVAL("PR_SET_KEEPCAPS takes 0 or 1, not %d", value)
    bits = task.cred.securebits
    if bits & SECBIT_KEEP_CAPS_LOCKED:
        raise EPERM("SECBIT_KEEP_CAPS is locked")
    bits = bits | SECBIT_KEEP_CAPS if value else bits & ~SECBIT_KEEP_CAPS
    task.cred = task.cred.changed(securebits=bits)
    return 0


def _get_securebits(task: Task, *_: int) -> int:
    return task.cred.securebits


def _set_securebits(task: Task, bits: int, *_: int) -> int:
    """Locks can be set but not undone, and what is locked stays.  See capabilities(7)."""
    old = task.cred.securebits
    locked = (old & SECURE_ALL_LOCKS) >> 1
    if bits & ~(SECURE_ALL_BITS | SECURE_ALL_LOCKS):
        raise EPERM("secure bits %#x are not all known", bits)
    if (old ^ bits) & locked or old & SECURE_ALL_LOCKS & ~bits:
        raise EPERM("secure bits %#x change what is locked in %#x", bits, old)
    if not task.cred.capable(CAP_SETPCAP):
        raise EPERM("secure bits need CAP_SETPCAP, which uid %d has not", task.cred.euid)
    task.cred = task.cred.changed(securebits=bits)
    return 0


def _capability(number: int) -> int:
    if not 0 <= number <= CAP_LAST:
        raise EINVAL("there is no capability %d", number)
    return 1 << number


def _bounding_read(task: Task, number: int, *_: int) -> int:
    return int(bool(task.cred.bounding & _capability(number)))


def _bounding_drop(task: Task, number: int, *_: int) -> int:
    if not task.cred.capable(CAP_SETPCAP):
        raise EPERM("dropping from the bounding set needs CAP_SETPCAP")
    task.cred = task.cred.changed(bounding=task.cred.bounding & ~_capability(number))
    return 0


def _ambient(task: Task, action: int, number: int, *rest: int) -> int:
    """The ambient set; see capabilities(7) and PR_CAP_AMBIENT in prctl(2)."""
    if any(rest):
        raise EINVAL("unused arguments must be 0")
    cred = task.cred
    if action == PR_CAP_AMBIENT_CLEAR_ALL:
        if number:
            raise EINVAL("unused arguments must be 0")
        task.cred = cred.changed(ambient=0)
        return 0
    bit = _capability(number)
    if action == PR_CAP_AMBIENT_IS_SET:
        return int(bool(cred.ambient & bit))
    if action == PR_CAP_AMBIENT_LOWER:
        task.cred = cred.changed(ambient=cred.ambient & ~bit)
        return 0
    if action != PR_CAP_AMBIENT_RAISE:
        raise EINVAL("PR_CAP_AMBIENT has no action %d", action)
    forbidden = cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE
    if forbidden or not cred.permitted & cred.inheritable & bit:
        raise EPERM(
            "capability %d is not permitted and inheritable, or raising is forbidden", number
        )
    task.cred = cred.changed(ambient=cred.ambient | bit)
    return 0


def _set_subreaper(task: Task, value: int, *_: int) -> int:
    task.group.subreaper = bool(value)
    return 0


def _get_subreaper(task: Task, address: int, *_: int) -> int:
    task.mem.write_u32(address, int(task.group.subreaper))
    return 0


def _set_no_new_privs(task: Task, value: int, *rest: int) -> int:
    if value != 1 or any(rest):
        raise EINVAL("PR_SET_NO_NEW_PRIVS takes 1, 0, 0, 0")
    task.no_new_privs = True
    return 0


def _get_no_new_privs(task: Task, *unused: int) -> int:
    if any(unused):
        raise EINVAL("unused arguments must be 0")
    return int(task.no_new_privs)


def _get_tid_address(task: Task, address: int, *_: int) -> int:
    task.mem.write_u64(address, task.clear_child_tid)
    return 0


OPTIONS: Final[dict[int, Option]] = {
    PR_SET_PDEATHSIG: _set_pdeathsig,
    PR_GET_PDEATHSIG: _get_pdeathsig,
    PR_GET_DUMPABLE: _get_dumpable,
    PR_SET_DUMPABLE: _set_dumpable,
    PR_SET_NAME: _set_name,
    PR_GET_NAME: _get_name,
    PR_GET_KEEPCAPS: _get_keepcaps,
    PR_SET_KEEPCAPS: _set_keepcaps,
    PR_GET_SECUREBITS: _get_securebits,
    PR_SET_SECUREBITS: _set_securebits,
    PR_CAPBSET_READ: _bounding_read,
    PR_CAPBSET_DROP: _bounding_drop,
    PR_CAP_AMBIENT: _ambient,
    PR_SET_CHILD_SUBREAPER: _set_subreaper,
    PR_GET_CHILD_SUBREAPER: _get_subreaper,
    PR_SET_NO_NEW_PRIVS: _set_no_new_privs,
    PR_GET_NO_NEW_PRIVS: _get_no_new_privs,
    PR_GET_TID_ADDRESS: _get_tid_address,
}


@syscall(
    "prctl(2)",
    partial="name, death signal, dumpable, capabilities, subreaper, no_new_privs, tid address; "
    "other options are EINVAL",
)
def prctl(
    task: Task, option: PrctlOption, arg2: PrctlArg, arg3: PrctlArg, arg4: PrctlArg, arg5: PrctlArg
) -> int:
    """Settings of the calling task.  See prctl(2)."""
    operation = OPTIONS.get(option)
    if operation is None:
        raise EINVAL("there is no prctl option %d here", option)
    return operation(task, arg2, arg3, arg4, arg5)


@syscall("arch_prctl(2)", arch="x86_64")
def arch_prctl(task: Task, code: ArchPrctlCode, addr: ArchPrctlArg) -> int:
    """Set or get the base of FS or GS, which hold thread pointers.  See arch_prctl(2).

    CPUID always works (ARCH_GET_CPUID is 1): this processor cannot make it fault, which Linux
    answers with ENODEV.
    """
    if code == ARCH_GET_CPUID:
        return 1
    if code == ARCH_SET_CPUID:
        raise ENODEV("this processor has no CPUID faulting")
    registers = task.kernel.cpu.registers(task.context)
    if code in (ARCH_SET_FS, ARCH_SET_GS):
        if addr >= task.kernel.arch.user_top:
            raise EPERM("%#x is no address of the user half", addr)
        registers.set("fs_base" if code == ARCH_SET_FS else "gs_base", addr)
    elif code in (ARCH_GET_FS, ARCH_GET_GS):
        value = registers.get("fs_base" if code == ARCH_GET_FS else "gs_base")
        task.mem.write_u64(addr, value)
    else:
        raise EINVAL("there is no arch_prctl code %#x", code)
    return 0
