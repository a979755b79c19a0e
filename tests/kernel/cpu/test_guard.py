"""Instructions over which Unicorn calls abort() end the guest, not the host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kernel.cpu.base import EXCEPTION_ILLEGAL, T_EXCEPTION, TRAP_EXCEPTION
from tests.kernel.cpu.rig import CODE, DATA, Rig, rig

pytestmark = pytest.mark.row("K2", "K12")

LOCK_BTR = ".byte 0xf0, 0x0f, 0xba, 0xf7, 0x38"
"""``lock btr edi, 56``: found by our decoder when a run begins with it, else by Unicorn's abort."""
HALF_PRECISION = (0x4ECE2F29, 0x4EF81B04)
"""Unallocated encodings over which the `max` model asserts."""


def replaced(machine: Rig) -> int:
    return machine.engine.counters()["engines_replaced"]


def test_abort_in_a_later_block_is_an_illegal_instruction_where_it_stands(x86: Rig) -> None:
    """Everything before it has been executed, once; registers and flags are kept."""
    x86.map(DATA)
    x86.code(
        "inc qword ptr [rdi]; inc qword ptr [rdi + 8]; mov r12, 77; fld1; jmp 3f; 3: mov r13, 78;"
        "cmp r13, 79; " + LOCK_BTR
    )
    for count in range(1, 4):
        x86.regs.pc = CODE
        x86.set(rdi=DATA)
        pc = x86.expect_exception(EXCEPTION_ILLEGAL)
        assert x86.peek(pc, 5).hex() == "f00fbaf738"
        assert (x86.word(DATA), x86.word(DATA + 8)) == (count, count)
        assert (x86.regs.get("r12"), x86.regs.get("r13")) == (77, 78)
        assert x86.regs.get("eflags") & 0x1D5 == 0x95  # carry, auxiliary, sign, parity; no TF
        assert replaced(x86) == count
    x86.code("mov edi, 5; syscall")
    assert x86.expect_syscall()[0] == 5


def test_the_new_engine_knows_all_the_old_one_did(x86: Rig) -> None:
    """Hooks, address space, invalidation, other contexts."""
    x86.map(DATA)
    other = x86.engine.clone_context(x86.context)
    x86.engine.registers(other).sp = 0x1230
    x86.code("jmp 3f; 3: nop; " + LOCK_BTR)
    x86.expect_exception(EXCEPTION_ILLEGAL)
    assert replaced(x86) == 1
    for text, number in (("div rcx", 0), ("hlt", 13), ("div rcx", 0), ("vzeroupper", 0x101)):
        x86.code(text)
        x86.expect_exception(number)
    x86.code("mov rax, cr0")
    x86.expect_exception(13)
    x86.context = other
    x86.regs = x86.engine.registers(other)
    x86.code("mov rdi, rsp; cpuid; syscall")
    assert x86.expect_syscall()[0] == 0x1230
    x86.engine.start_ticker(100)
    x86.code("2: jmp 2b")
    x86.run(1 << 40)
    x86.engine.stop_ticker()


def test_abort_while_contexts_and_spaces_switch(x86: Rig) -> None:
    x86.code("jmp 3f; 3: nop; " + LOCK_BTR)
    x86.expect_exception(EXCEPTION_ILLEGAL)
    root = x86.physical.take()
    x86.ranges.map_frames(root, CODE >> 12, [x86.frame(CODE)], x86.entry(CODE) & 14)
    context = x86.engine.new_context()
    x86.engine.registers(context).pc = CODE
    assert x86.engine.run(context, root, 100) == TRAP_EXCEPTION
    assert replaced(x86) == 2


@pytest.mark.parametrize("word", HALF_PRECISION)
def test_max_model_of_aarch64(word: int) -> None:
    with rig("aarch64", model="max") as machine:
        machine.map(DATA)
        machine.code(f"mov x5, 7; b 3f; 3: .inst {word:#x}")
        assert machine.run() == TRAP_EXCEPTION
        assert machine.trap[T_EXCEPTION] == 1
        assert machine.regs.pc == CODE + 8
        assert machine.regs.get("x5") == 7
        assert replaced(machine) == 1
        machine.code("mrs x0, sctlr_el1")
        machine.expect_exception(1)
        machine.code("mov x0, 9; svc 0")
        assert machine.expect_syscall()[0] == 9


def test_many_aborts(x86: Rig) -> None:
    x86.code("jmp 3f; 3: nop; " + LOCK_BTR)
    for _ in range(30):
        x86.regs.pc = CODE
        x86.expect_exception(EXCEPTION_ILLEGAL)
    assert replaced(x86) == 30


def test_abort_of_our_own_still_ends_the_process() -> None:
    program = (
        "import os\n"
        "from kernel.arch import get_arch\n"
        "from kernel.cpu.engine import Engine\n"
        "from kernel.mm.physical import PhysicalMemory\n"
        "engine = Engine(get_arch('x86_64'), PhysicalMemory(1 << 20))\n"
        "os.abort()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=os.getcwd())
    assert done.returncode == -signal.SIGABRT
