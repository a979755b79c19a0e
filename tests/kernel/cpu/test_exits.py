"""Unicorn's look for a stop request after each memory access is left out, and is not missed."""

from __future__ import annotations

import pytest

from kernel.cpu.base import TRAP_SLICE, TRAP_SYSCALL
from kernel.cpu.library import W_EXIT_CHECKS
from tests.kernel.cpu.rig import DATA, Rig

pytestmark = pytest.mark.row("K2")

LOADS = {
    "x86_64": "2: mov rax, [rdi]; add rax, [rdi + 8]; mov [rdi + 16], rax; dec rcx; jnz 2b;syscall",
    "aarch64": "2: ldp x3, x4, [x1]; add x3, x3, x4; str x3, [x1, 16]; subs x2, x2, 1; b.ne 2b;"
    "svc 0",
}


def test_the_field_was_found(machine: Rig) -> None:
    """With another build of Unicorn it may not be; then this fails and programs are slower."""
    assert machine.engine.words[W_EXIT_CHECKS] == 0


def test_slices_end_in_code_full_of_memory_accesses(machine: Rig) -> None:
    machine.map(DATA)
    machine.code(LOADS[machine.arch.name])
    pointer, counter = ("rdi", "rcx") if machine.arch.name == "x86_64" else ("x1", "x2")
    machine.set(**{pointer: DATA, counter: 1000})
    kinds = [machine.run(100) for _ in range(11)]
    assert kinds == [TRAP_SLICE] * 10 + [TRAP_SYSCALL]
