"""aarch64 system registers that Linux lets user code read."""

from __future__ import annotations

import pytest

from kernel.cpu import id_registers
from kernel.cpu.base import T_ARG0, T_NUMBER, TRAP_EXCEPTION, TRAP_SYSCALL
from tests.kernel.cpu.rig import CODE, Rig, rig

pytestmark = pytest.mark.row("K2")


def read(arm64: Rig, register: str) -> int:
    arm64.code(f"mrs x0, {register}; svc 0")
    return arm64.expect_syscall()[0]


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("midr_el1", 0x410FD083),
        ("mpidr_el1", 0x80000000),
        ("revidr_el1", 0),
        ("id_aa64pfr0_el1", 0x11),
        ("id_aa64isar0_el1", 0x11120),
        ("id_aa64isar1_el1", 0),
        ("id_aa64mmfr0_el1", 0),
        ("s3_0_c0_c4_4", 0),  # ID_AA64ZFR0: no SVE
        ("ctr_el0", 0x8444C004),
        ("dczid_el0", 4),
        ("cntfrq_el0", 62_500_000),
        ("tpidr_el0", 0),
    ],
)
def test_readable_registers(arm64: Rig, register: str, value: int) -> None:
    assert read(arm64, register) == value


@pytest.mark.parametrize(
    "register", ["sctlr_el1", "vbar_el1", "id_pfr0_el1", "s3_0_c0_c0_1", "actlr_el1", "pmccntr_el0"]
)
def test_other_registers_are_undefined(arm64: Rig, register: str) -> None:
    arm64.code(f"mrs x0, {register}; svc 0")
    arm64.expect_exception(1)


def test_read_into_the_zero_register(arm64: Rig) -> None:
    arm64.code("mrs xzr, midr_el1; mov x0, sp; svc 0")
    arm64.regs.sp = 0x4440
    assert arm64.expect_syscall()[0] == 0x4440


def test_reads_into_every_register(arm64: Rig) -> None:
    for number in range(31):
        arm64.code(f"mrs x{number}, midr_el1; mov x0, x{number}; svc 0")
        assert arm64.expect_syscall()[0] == 0x410FD083


def test_counter_counts(arm64: Rig) -> None:
    arm64.code("mrs x0, cntvct_el0; mrs x1, cntvct_el0; isb; mrs x2, cntvct_el0; svc 0")
    first, second, third, *_ = arm64.expect_syscall()
    assert 0 < first <= second <= third
    assert third - first < 62_500_000


def test_reads_do_not_leave_the_run_loop(arm64: Rig) -> None:
    arm64.code("mov x1, 100; 2: mrs x0, midr_el1; subs x1, x1, 1; b.ne 2b; svc 0")
    assert arm64.run(1000) == TRAP_SYSCALL
    assert arm64.trap[T_ARG0] == id_registers.CORTEX_A72[id_registers.MIDR]
    assert arm64.trap[T_NUMBER] == 0


def test_the_max_model_has_more(arm64: Rig) -> None:
    """Large-system atomics; and identification that says so."""
    text = "mov x1, 0x800; mov x2, 5; ldadd x2, x0, [x1]; mrs x0, id_aa64isar0_el1; svc 0"
    arm64.map(0)
    arm64.code(text)
    assert arm64.run() == TRAP_EXCEPTION
    with rig("aarch64", model="max") as strong:
        strong.map(0)
        strong.code(text)
        assert strong.expect_syscall()[0] >> 20 & 15 == 2
        assert strong.word(0x800) == 5
        assert strong.regs.pc > CODE
