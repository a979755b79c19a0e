"""Tables of the CPUs against the host and against each other."""

from __future__ import annotations

import os
import platform
from types import SimpleNamespace

import pytest

from kernel.abi import files
from kernel.arch import ARCHES, base, get_arch
from kernel.arch.base import Arch
from kernel.arch.registry import arch_for_elf
from kernel.cpu import base as cpu


@pytest.fixture(params=sorted(ARCHES))
def arch(request: pytest.FixtureRequest) -> Arch:
    return get_arch(request.param)


def stat_fields() -> SimpleNamespace:
    return SimpleNamespace(
        dev=0x801, ino=1 << 40, mode=0o100644, nlink=3, uid=1000, gid=100, rdev=0x103,
        size=-1 & 0x7FFFFFFF, blksize=4096, blocks=8,
        atime=1_700_000_000_123_456_789, mtime=-1, ctime=5,
    )  # fmt: skip


def test_stat_has_its_size(arch: Arch) -> None:
    assert len(arch.pack_stat(stat_fields())) == arch.stat_size


def test_stat_before_1970_has_positive_nanoseconds(arch: Arch) -> None:
    packed = arch.pack_stat(stat_fields())
    at = 88
    assert int.from_bytes(packed[at : at + 8], "little", signed=True) == -1
    assert int.from_bytes(packed[at + 8 : at + 16], "little") == 999_999_999


def test_stat_equals_the_hosts(tmp_path: object) -> None:
    ctypes = pytest.importorskip("ctypes")
    if platform.machine() not in ARCHES or platform.system() != "Linux":
        pytest.skip("the host is none of our CPUs")
    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None)
    path = os.fsencode(__file__)
    if not hasattr(libc, "stat") or libc.stat(path, buffer):
        pytest.skip("the C library has no stat()")
    st = os.stat(__file__)
    fields = SimpleNamespace(
        dev=st.st_dev, ino=st.st_ino, mode=st.st_mode, nlink=st.st_nlink, uid=st.st_uid,
        gid=st.st_gid, rdev=st.st_rdev, size=st.st_size, blksize=st.st_blksize,
        blocks=st.st_blocks, atime=st.st_atime_ns, mtime=st.st_mtime_ns, ctime=st.st_ctime_ns,
    )  # fmt: skip
    host = get_arch(platform.machine())
    assert host.pack_stat(fields) == buffer.raw[: host.stat_size]


def test_open_flags_are_a_permutation(arch: Arch) -> None:
    moved = (files.O_DIRECTORY, files.O_NOFOLLOW, files.O_DIRECT)
    for flag in (*moved, files.O_CLOEXEC, files.O_CREAT, files.O_PATH, 0o100000):
        assert arch.open_flags_in(arch.open_flags_out(flag)) == flag
    both = files.O_DIRECTORY | files.O_CLOEXEC
    assert arch.open_flags_in(arch.open_flags_out(both)) == both


def test_open_flags_of_aarch64() -> None:
    arch = get_arch("aarch64")
    assert arch.open_flags_in(0o40000) == files.O_DIRECTORY
    assert arch.open_flags_in(0o100000) == files.O_NOFOLLOW
    assert arch.open_flags_in(0o200000) == files.O_DIRECT


def test_elf_machines_lead_back(arch: Arch) -> None:
    assert arch_for_elf(arch.elf_machine) is arch
    assert arch_for_elf(8) is None


def test_names_of_registers(arch: Arch) -> None:
    names = arch.register_names
    assert len(set(names)) == len(names)
    assert {arch.syscall_number_register, *arch.syscall_argument_registers} <= set(names)
    assert len(arch.clean_fp_image) == arch.fp_image_size


def test_cpuinfo_has_a_paragraph_per_cpu_and_no_avx(arch: Arch) -> None:
    text = arch.cpuinfo(2).decode()
    assert text.count("processor\t: ") == 2
    assert text.endswith("\n\n")
    assert "avx" not in text


def test_exception_numbers_are_those_of_the_processor() -> None:
    assert base.EXCEPTION_ILLEGAL == cpu.EXCEPTION_ILLEGAL
    assert base.EXCEPTION_AVX == cpu.EXCEPTION_AVX
    assert base.EXCEPTION_PRIVILEGED == cpu.EXCEPTION_PRIVILEGED
    assert base.ACCESS_WRITE == cpu.ACCESS_WRITE
