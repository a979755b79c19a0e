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
from kernel.cpu import cpuid, id_registers


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


# Bits of CPUID leaves as Linux names them in /proc/cpuinfo, from bit 0 up.
EDX_1 = (
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov "
    "pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"
)
ECX_1 = (
    "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm "
    "- pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - "
    "avx f16c rdrand hypervisor"
)
EBX_7 = (
    "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms "
    "invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap"
)
EXTENDED = {11: "syscall", 20: "nx", 27: "rdtscp", 29: "lm"}
EXTENDED_2 = {0: "lahf_lm", 5: "abm"}
LINUX_OWN = {"rep_good", "nopl", "cpuid"}


def _named(word: int, names: dict[int, str]) -> set[str]:
    return {name for bit, name in names.items() if word >> bit & 1 and name != "-"}


def test_x86_features_are_those_of_cpuid() -> None:
    rows = {(leaf, sub): words for leaf, sub, *words in cpuid.ROWS}
    one, seven = rows[1, cpuid.ANY], rows[7, 0]
    more = rows[0x80000001, cpuid.ANY]
    expected = LINUX_OWN | _named(one[3], dict(enumerate(EDX_1.split())))
    expected |= _named(one[2], dict(enumerate(ECX_1.split())))
    expected |= _named(seven[1], dict(enumerate(EBX_7.split())))
    expected |= _named(more[3], EXTENDED) | _named(more[2], EXTENDED_2)
    expected |= _named(rows[0xD, 1][0], {0: "xsaveopt"})
    arch = get_arch("x86_64")
    line = next(x for x in arch.cpuinfo(1).decode().splitlines() if x.startswith("flags"))
    assert set(line.partition(": ")[2].split()) == expected
    assert arch.hwcap == one[3]


def test_aarch64_features_are_those_of_the_identification_registers() -> None:
    isar0 = id_registers.CORTEX_A72[id_registers.ID_AA64ISAR0]
    fields = {4: "aes", 8: "sha1", 12: "sha2", 16: "crc32"}
    expected = {name for shift, name in fields.items() if isar0 >> shift & 15}
    expected |= {"pmull"} if isar0 >> 4 & 15 == 2 else set()
    arch = get_arch("aarch64")
    line = next(x for x in arch.cpuinfo(1).decode().splitlines() if x.startswith("Features"))
    assert set(line.partition(": ")[2].split()) == expected | {"fp", "asimd", "evtstrm", "cpuid"}
    assert arch.hwcap == 0x8FF


def test_exception_numbers_are_those_of_the_processor() -> None:
    assert base.EXCEPTION_ILLEGAL == cpu.EXCEPTION_ILLEGAL
    assert base.EXCEPTION_AVX == cpu.EXCEPTION_AVX
    assert base.EXCEPTION_PRIVILEGED == cpu.EXCEPTION_PRIVILEGED
    assert base.ACCESS_WRITE == cpu.ACCESS_WRITE
