"""The scripted processor behaves like the real one as far as the kernel can see."""

from __future__ import annotations

import pytest

from kernel.arch import get_arch
from kernel.cpu.base import (
    T_ACCESS,
    T_ADDRESS,
    T_ARG0,
    T_BLOCKS_LEFT,
    T_EXCEPTION,
    T_NUMBER,
    TRAP_ATTENTION,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SLICE,
    TRAP_SYSCALL,
    Cpu,
)
from kernel.cpu.engine import Engine
from kernel.cpu.fake import FakeCpu, exception, page_fault, slice_end, syscall
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from kernel.mm.tlb import Tlb


@pytest.fixture
def fake(arch: str) -> FakeCpu:
    return FakeCpu(get_arch(arch), PythonRanges(PhysicalMemory(1 << 20)))


def _check_protocols(fake: FakeCpu, real: Engine) -> tuple[list[Cpu], list[Tlb]]:
    """Not a test: mypy says here whether both processors are what the kernel expects."""
    return [fake, real], [fake, real]


def test_script_is_played_in_order(fake: FakeCpu) -> None:
    context = fake.new_context()
    fake.script(context, syscall(7, 1, -1), page_fault(0x1234, 1), exception(13), slice_end())
    assert fake.run(context, 1, 100) == TRAP_SYSCALL
    assert fake.trap[T_NUMBER] == 7
    assert fake.trap[T_ARG0 : T_ARG0 + 3].tolist() == [1, 2**64 - 1, 0]
    assert fake.run(context, 1, 100) == TRAP_PAGE_FAULT
    assert (fake.trap[T_ADDRESS], fake.trap[T_ACCESS]) == (0x1000, 1)
    assert fake.run(context, 1, 100) == TRAP_EXCEPTION
    assert fake.trap[T_EXCEPTION] == 13
    assert fake.run(context, 1, 100) == fake.run(context, 1, 100) == TRAP_SLICE
    assert fake.trap[T_BLOCKS_LEFT] == 0


def test_a_step_may_look_at_results(fake: FakeCpu) -> None:
    context = fake.new_context()
    fake.script(context, lambda c: syscall(1, c.registers.result))
    fake.set_result(context, -5)
    fake.run(context, 1, 100)
    assert fake.trap[T_ARG0] == 2**64 - 5


def test_attention_comes_first(fake: FakeCpu) -> None:
    context = fake.new_context()
    fake.script(context, syscall(1))
    fake.request_attention()
    assert fake.run(context, 1, 100) == TRAP_ATTENTION
    assert fake.run(context, 1, 100) == TRAP_SYSCALL


def test_registers_sanitize(fake: FakeCpu) -> None:
    regs = fake.registers(fake.new_context())
    regs.set_general((2**64 - 1,) * len(fake.arch.register_names))
    flags = regs.get("eflags" if fake.arch.name == "x86_64" else "pstate")
    assert flags in (0x40FD7, 0xF0000000)


def test_clones_are_independent(fake: FakeCpu) -> None:
    parent = fake.new_context()
    fake.registers(parent).sp = 16
    child = fake.clone_context(parent)
    fake.registers(parent).sp = 32
    assert fake.registers(child).sp == 16
    fake.reset_context(child)
    assert fake.registers(child).sp == 0
