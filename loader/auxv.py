"""The auxiliary vector: what the kernel tells a program about itself and the machine.

See getauxval(3) and Linux's create_elf_tables.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.clocks import USER_HZ
from kernel.abi.process import (
    AT_BASE,
    AT_CLKTCK,
    AT_EGID,
    AT_ENTRY,
    AT_EUID,
    AT_EXECFN,
    AT_FLAGS,
    AT_GID,
    AT_HWCAP,
    AT_HWCAP2,
    AT_MINSIGSTKSZ,
    AT_NULL,
    AT_PAGESZ,
    AT_PHDR,
    AT_PHENT,
    AT_PHNUM,
    AT_PLATFORM,
    AT_RANDOM,
    AT_RSEQ_ALIGN,
    AT_RSEQ_FEATURE_SIZE,
    AT_SECURE,
    AT_SYSINFO_EHDR,
    AT_UID,
)
from kernel.arch.base import PAGE_SIZE, Arch
from loader.elf import PHDR_SIZE

if TYPE_CHECKING:
    from kernel.cred import Credentials

_PAIR: Final = struct.Struct("<QQ")
RSEQ_FEATURE_SIZE: Final = 28
"""Bytes of struct rseq that mean something: up to and with mm_cid."""
RSEQ_ALIGN: Final = 32


class ProgramFacts(NamedTuple):
    """Where the program and its interpreter were mapped."""

    phdr_address: int
    phdr_count: int
    entry: int
    interpreter_base: int
    vdso: int = 0


def auxv_entries(
    arch: Arch, facts: ProgramFacts, cred: Credentials, secure: bool
) -> list[tuple[int, int]]:
    """The vector in Linux's order, without the entries that point into the stack."""
    image = [(AT_SYSINFO_EHDR, facts.vdso)] if facts.vdso else []
    return [
        *image,
        (AT_MINSIGSTKSZ, arch.minsigstksz),
        (AT_HWCAP, arch.hwcap),
        (AT_PAGESZ, PAGE_SIZE),
        (AT_CLKTCK, USER_HZ),
        (AT_PHDR, facts.phdr_address),
        (AT_PHENT, PHDR_SIZE),
        (AT_PHNUM, facts.phdr_count),
        (AT_BASE, facts.interpreter_base),
        (AT_FLAGS, 0),
        (AT_ENTRY, facts.entry),
        (AT_UID, cred.ruid),
        (AT_EUID, cred.euid),
        (AT_GID, cred.rgid),
        (AT_EGID, cred.egid),
        (AT_SECURE, int(secure)),
        (AT_HWCAP2, arch.hwcap2),
    ]


def with_pointers(
    entries: list[tuple[int, int]], random: int, execfn: int, platform: int
) -> list[tuple[int, int]]:
    """The whole vector, now that the strings it points to have addresses."""
    return [
        *entries[:-1],
        (AT_RANDOM, random),
        entries[-1],
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform),
        (AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_SIZE),
        (AT_RSEQ_ALIGN, RSEQ_ALIGN),
        (AT_NULL, 0),
    ]


def pack_auxv(entries: list[tuple[int, int]]) -> bytes:
    """As /proc/PID/auxv shows it."""
    return b"".join(_PAIR.pack(kind, value) for kind, value in entries)
