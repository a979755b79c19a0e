"""prctl, arch_prctl and the capability calls."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi import process
from kernel.abi.errors import EFAULT, EINVAL, ENODEV, EPERM, ESRCH, KernelError
from kernel.cred import ALL_CAPABILITIES, CAP_KILL, CAP_SETUID
from syscalls import capability as capability_handlers
from syscalls import prctl as handlers
from tests.support.tasks import World

prctl_calls: Any = handlers  # Any: tests pass plain ints where handlers want kinds of arguments
capability: Any = capability_handlers
BAD = 0x10
VERSION_1, VERSION_3 = 0x19980330, 0x20080522


@pytest.fixture
def world() -> World:
    return World()


def prctl(world: World, option: int, *args: int) -> int:
    result: int = prctl_calls.prctl(world.program, option, *args, *[0] * (4 - len(args)))
    return result


def errno(world: World, option: int, *args: int) -> type[KernelError]:
    with pytest.raises(KernelError) as caught:
        prctl(world, option, *args)
    return type(caught.value)


def test_the_name_is_cut_to_fifteen_bytes(world: World) -> None:
    world.program.mem.write(world.data, b"a very long name indeed\0")
    assert prctl(world, process.PR_SET_NAME, world.data) == 0
    assert world.program.comm == b"a very long nam"
    prctl(world, process.PR_GET_NAME, world.data + 100)
    assert world.program.mem.read(world.data + 100, 16) == b"a very long nam\0"


def test_a_short_name_at_the_end_of_memory(world: World) -> None:
    end = world.data + 0x10000
    world.program.mem.write(end - 3, b"ab\0")
    assert prctl(world, process.PR_SET_NAME, end - 3) == 0
    assert world.program.comm == b"ab"
    world.program.mem.write(end - 2, b"cd")
    assert errno(world, process.PR_SET_NAME, end - 2) is EFAULT


def test_parent_death_signal(world: World) -> None:
    assert errno(world, process.PR_SET_PDEATHSIG, 65) is EINVAL
    assert prctl(world, process.PR_SET_PDEATHSIG, 9) == 0
    prctl(world, process.PR_GET_PDEATHSIG, world.data)
    assert world.program.mem.read_u32(world.data) == 9


def test_dumpable_subreaper_no_new_privs(world: World) -> None:
    assert prctl(world, process.PR_GET_DUMPABLE) == 1
    assert prctl(world, process.PR_SET_DUMPABLE, 0) == 0
    assert prctl(world, process.PR_GET_DUMPABLE) == 0
    assert errno(world, process.PR_SET_DUMPABLE, 2) is EINVAL
    prctl(world, process.PR_SET_CHILD_SUBREAPER, 5)
    prctl(world, process.PR_GET_CHILD_SUBREAPER, world.data)
    assert world.program.mem.read_u32(world.data) == 1
    assert errno(world, process.PR_SET_NO_NEW_PRIVS, 1, 1) is EINVAL
    assert prctl(world, process.PR_GET_NO_NEW_PRIVS) == 0
    assert prctl(world, process.PR_SET_NO_NEW_PRIVS, 1) == 0
    assert prctl(world, process.PR_GET_NO_NEW_PRIVS) == 1


def test_bounding_and_ambient_sets(world: World) -> None:
    assert prctl(world, process.PR_CAPBSET_READ, CAP_KILL) == 1
    assert prctl(world, process.PR_CAPBSET_DROP, CAP_KILL) == 0
    assert prctl(world, process.PR_CAPBSET_READ, CAP_KILL) == 0
    assert errno(world, process.PR_CAPBSET_READ, 63) is EINVAL
    ambient = process.PR_CAP_AMBIENT
    assert errno(world, ambient, process.PR_CAP_AMBIENT_RAISE, CAP_SETUID) is EPERM
    world.program.cred = world.program.cred.changed(inheritable=1 << CAP_SETUID)
    assert prctl(world, ambient, process.PR_CAP_AMBIENT_RAISE, CAP_SETUID) == 0
    assert prctl(world, ambient, process.PR_CAP_AMBIENT_IS_SET, CAP_SETUID) == 1
    assert prctl(world, ambient, process.PR_CAP_AMBIENT_CLEAR_ALL) == 0
    assert prctl(world, ambient, process.PR_CAP_AMBIENT_IS_SET, CAP_SETUID) == 0
    assert errno(world, ambient, process.PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 1) is EINVAL


def test_secure_bits_lock(world: World) -> None:
    assert prctl(world, process.PR_SET_KEEPCAPS, 1) == 0
    assert prctl(world, process.PR_GET_KEEPCAPS) == 1
    assert prctl(world, process.PR_SET_SECUREBITS, 0x30) == 0
    assert prctl(world, process.PR_GET_SECUREBITS) == 0x30
    assert errno(world, process.PR_SET_KEEPCAPS, 0) is EPERM
    assert errno(world, process.PR_SET_SECUREBITS, 0) is EPERM
    assert errno(world, process.PR_SET_SECUREBITS, 0x100) is EPERM


def test_unknown_options_are_einval(world: World) -> None:
    assert errno(world, 9999) is EINVAL
    assert errno(world, process.PR_SET_SECCOMP, 1) is EINVAL


def test_thread_pointer_of_x86(world: World) -> None:
    call = prctl_calls.arch_prctl
    assert call(world.program, process.ARCH_SET_FS, 0x7000) == 0
    registers: Any = world.kernel.cpu.registers(world.program.context)
    assert registers.get("fs_base") == 0x7000
    call(world.program, process.ARCH_GET_FS, world.data)
    assert world.program.mem.read_u64(world.data) == 0x7000
    with pytest.raises(EPERM):
        call(world.program, process.ARCH_SET_GS, 1 << 47)
    with pytest.raises(EINVAL):
        call(world.program, 0x9999, 0)
    with pytest.raises(EFAULT):
        call(world.program, process.ARCH_GET_GS, BAD)
    assert call(world.program, process.ARCH_GET_CPUID, 0) == 1
    with pytest.raises(ENODEV):
        call(world.program, process.ARCH_SET_CPUID, 0)


# --- capget and capset ---------------------------------------------------------------------------


def header(world: World, version: int, pid: int = 0) -> int:
    world.program.mem.write(world.data, struct.pack("<Ii", version, pid))
    return world.data


def test_capget_in_both_widths(world: World) -> None:
    out = world.data + 64
    assert capability.capget(world.program, header(world, VERSION_3), out) == 0
    words = struct.unpack("<6I", world.program.mem.read(out, 24))
    assert words[0] | words[3] << 32 == ALL_CAPABILITIES
    world.program.mem.write(out, b"\xee" * 24)
    assert capability.capget(world.program, header(world, VERSION_1), out) == 0
    assert world.program.mem.read(out + 12, 12) == b"\xee" * 12


def test_capget_of_an_unknown_version_tells_ours(world: World) -> None:
    assert capability.capget(world.program, header(world, 5), 0) == 0
    assert world.program.mem.read_u32(world.data) == VERSION_3
    with pytest.raises(EINVAL):
        capability.capget(world.program, header(world, 5), world.data + 64)
    with pytest.raises(ESRCH):
        capability.capget(world.program, header(world, VERSION_3, 999), world.data + 64)


def put_sets(world: World, effective: int, permitted: int, inheritable: int) -> int:
    sets = (effective, permitted, inheritable)
    words = [value >> 32 * word & 0xFFFFFFFF for word in (0, 1) for value in sets]
    world.program.mem.write(world.data + 64, struct.pack("<6I", *words))
    return world.data + 64


def test_capset_only_gives_away(world: World) -> None:
    keep = 1 << CAP_KILL
    capability.capset(world.program, header(world, VERSION_3), put_sets(world, keep, keep, 0))
    assert world.program.cred.permitted == world.program.cred.effective == keep
    with pytest.raises(EPERM):
        capability.capset(world.program, header(world, VERSION_3), put_sets(world, 0, keep | 1, 0))
    with pytest.raises(EPERM):
        capability.capset(
            world.program, header(world, VERSION_3), put_sets(world, keep | 1, keep, 0)
        )
    with pytest.raises(EPERM):
        capability.capset(world.program, header(world, VERSION_3, 1), put_sets(world, 0, 0, 0))
