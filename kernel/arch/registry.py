"""The CPUs there are, by name."""

from __future__ import annotations

from types import MappingProxyType

from kernel.arch.aarch64 import AARCH64
from kernel.arch.base import Arch
from kernel.arch.x86_64 import X86_64

ARCHES = MappingProxyType({arch.name: arch for arch in (X86_64, AARCH64)})


def get_arch(name: str) -> Arch:
    """The CPU called ``name``; KeyError if there is none."""
    return ARCHES[name]


def arch_for_elf(machine: int) -> Arch | None:
    """The CPU an ELF file's ``e_machine`` asks for, if it is one of ours."""
    for arch in ARCHES.values():
        if arch.elf_machine == machine:
            return arch
    return None
