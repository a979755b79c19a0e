"""Translated code never outlives the code it was translated from."""

from __future__ import annotations

import pytest

from kernel.cpu.base import ACCESS_FETCH, T_NUMBER, TRAP_SYSCALL
from kernel.mm.physical import CODE as FRAME_CODE
from kernel.mm.ranges import PTE_PRESENT
from tests.kernel.cpu.assemble import assembled
from tests.kernel.cpu.rig import CODE, DATA, RW, RWX, RX, R, Rig

pytestmark = pytest.mark.row("K2")

FIRST = {"x86_64": "mov eax, 1; syscall", "aarch64": "mov x8, 1; svc 0"}
SECOND = {"x86_64": "mov eax, 2; syscall", "aarch64": "mov x8, 2; svc 0"}


def number_called(machine: Rig, pc: int) -> int:
    machine.regs.pc = pc
    machine.expect_syscall()
    return machine.trap[T_NUMBER]


def overwrite(machine: Rig, address: int) -> None:
    machine.poke(address, assembled(machine.arch.name, SECOND[machine.arch.name]))


def test_code_rewritten_by_the_kernel(machine: Rig) -> None:
    machine.code(FIRST[machine.arch.name])
    assert number_called(machine, CODE) == 1
    assert machine.physical.flags[machine.frame(CODE)] & FRAME_CODE
    overwrite(machine, CODE)
    machine.engine.invalidate_code(machine.frame(CODE))
    assert not machine.physical.flags[machine.frame(CODE)] & FRAME_CODE
    assert number_called(machine, CODE) == 2


def test_all_addresses_of_a_frame_are_invalidated(machine: Rig) -> None:
    machine.code(FIRST[machine.arch.name])
    machine.alias(DATA, CODE, RX)
    other = machine.physical.take()
    machine.ranges.map_frames(other, CODE >> 12, [machine.frame(CODE)], RX)
    assert number_called(machine, CODE) == number_called(machine, DATA) == 1
    assert machine.engine.run(machine.context, other, 10) != 0
    overwrite(machine, CODE)
    machine.engine.invalidate_code(machine.frame(CODE))  # while `other` is loaded
    assert number_called(machine, CODE) == number_called(machine, DATA) == 2
    machine.regs.pc = CODE
    assert machine.engine.run(machine.context, other, 10) == TRAP_SYSCALL
    assert machine.trap[T_NUMBER] == 2


def test_many_invalidations_between_two_runs(machine: Rig) -> None:
    pages = 50
    machine.map(CODE, pages, RX)
    for page in range(pages):
        machine.poke(CODE + page * 4096, assembled(machine.arch.name, FIRST[machine.arch.name]))
    addresses = [CODE + page * 4096 for page in range(pages)]
    assert {number_called(machine, address) for address in addresses} == {1}
    for address in addresses:
        overwrite(machine, address)
        machine.engine.invalidate_code(machine.frame(address))
    assert {number_called(machine, address) for address in addresses} == {2}


def test_frame_freed_and_used_again(machine: Rig) -> None:
    machine.map(CODE + 0x1000)  # keeps the tables, so that the frame is taken for the page again
    machine.code(FIRST[machine.arch.name])
    assert number_called(machine, CODE) == 1
    frame = machine.frame(CODE)
    machine.ranges.unmap(machine.root, CODE >> 12, 1)
    assert machine.ranges.stale == [frame], "the caller is told that it holds translations"
    machine.engine.invalidate(machine.root, CODE, 1)
    machine.engine.invalidate_code(frame)
    machine.physical.give(frame)
    machine.ranges.stale.clear()
    machine.map(CODE, 1, RX)
    assert machine.frame(CODE) == frame
    overwrite(machine, CODE)
    assert number_called(machine, CODE) == 2


def test_another_frame_at_the_same_address(machine: Rig) -> None:
    machine.code(FIRST[machine.arch.name])
    assert number_called(machine, CODE) == 1
    machine.ranges.unmap(machine.root, CODE >> 12, 1)
    machine.engine.invalidate(machine.root, CODE, 1)
    machine.ranges.map_zero(machine.root, DATA >> 12, 1, RX)  # not the old frame: it is stale
    machine.ranges.map_zero(machine.root, CODE >> 12, 1, RX)
    overwrite(machine, CODE)
    assert number_called(machine, CODE) == 2


def test_guest_flips_between_write_and_execute(machine: Rig) -> None:
    """A JIT that uses mprotect: store, protect, run, again."""
    name = machine.arch.name
    machine.map(DATA, 1, RW)
    store = {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[name]
    machine.code(store)
    pointer, value = ("rdi", "rax") if name == "x86_64" else ("x1", "x0")
    for text, number in [(FIRST, 1), (SECOND, 2)] * 4:
        word = int.from_bytes(assembled(name, text[name]).ljust(8, b"\0"), "little")
        machine.ranges.protect(machine.root, DATA >> 12, 1, RW)
        machine.engine.invalidate(machine.root, DATA, 1)
        machine.set(**{pointer: DATA, value: word})
        machine.regs.pc = CODE
        machine.expect_syscall()
        machine.ranges.protect(machine.root, DATA >> 12, 1, RX)
        machine.engine.invalidate(machine.root, DATA, 1)
        assert number_called(machine, DATA) == number


SELF_MODIFYING = {
    "x86_64": "lea rdi, [rip + 1f + 1]; mov byte ptr [rdi], 2; 1: mov eax, 1; syscall",
    "aarch64": "adr x1, 1f; ldr w0, 3f; str w0, [x1]; dc cvau, x1; dsb ish; ic ivau, x1; dsb ish;"
    "isb; b 1f; 1: mov x8, 1; svc 0; 3: mov x8, 2",
}


def test_self_modifying_code(machine: Rig) -> None:
    machine.code(SELF_MODIFYING[machine.arch.name], CODE, RWX)
    assert number_called(machine, CODE) == 2


REWRITE_LOOP = {
    # rdi: where to write; rsi: where the same frame is executable; writes `mov eax, n; ret`
    "x86_64": "mov ecx, 20; xor ebx, ebx; 1: mov byte ptr [rdi], 0xb8; mov [rdi + 1], ecx;"
    "mov byte ptr [rdi + 5], 0xc3; call rsi; cmp eax, ecx; setne al; movzx eax, al; add ebx, eax;"
    "dec ecx; jnz 1b; mov edi, ebx; syscall",
    # x1, x2 likewise; `mov w0, #n; ret`
    "aarch64": "mov w3, 20; mov w4, 0; 1: ldr w5, 3f; orr w5, w5, w3, lsl 5; ldr w6, 4f;"
    "stp w5, w6, [x1]; dc cvau, x1; dsb ish; ic ivau, x2; dsb ish; isb; blr x2; cmp w0, w3;"
    "cinc w4, w4, ne; subs w3, w3, 1; b.ne 1b; mov w0, w4; svc 0; 3: mov w0, 0; 4: ret",
}


def test_double_mapped_jit_page(machine: Rig) -> None:
    """One frame, writable at one address and executable at another."""
    machine.map(DATA, 1, RX)
    machine.alias(0x700000, DATA, RW)
    machine.map(0x800000)
    machine.code(REWRITE_LOOP[machine.arch.name])
    if machine.arch.name == "x86_64":
        machine.set(rdi=0x700000, rsi=DATA, rsp=0x801000)
    else:
        machine.set(x1=0x700000, x2=DATA)
    assert machine.expect_syscall()[0] == 0, "stale results"


def test_rwx_jit_page(machine: Rig) -> None:
    machine.map(DATA, 1, RWX)
    machine.map(0x800000)
    machine.code(REWRITE_LOOP[machine.arch.name])
    if machine.arch.name == "x86_64":
        machine.set(rdi=DATA, rsi=DATA, rsp=0x801000)
    else:
        machine.set(x1=DATA, x2=DATA)
    assert machine.expect_syscall()[0] == 0, "stale results"


def test_rwx_page_mapped_twice(machine: Rig) -> None:
    machine.map(DATA, 1, RWX)
    machine.alias(0x700000, DATA, RWX)
    machine.map(0x800000)
    machine.code(REWRITE_LOOP[machine.arch.name])
    if machine.arch.name == "x86_64":
        machine.set(rdi=0x700000, rsi=DATA, rsp=0x801000)
    else:
        machine.set(x1=0x700000, x2=DATA)
    assert machine.expect_syscall()[0] == 0, "stale results"


DATA_THEN_CODE = {
    # call, store to data of the same page, rewrite the code, call: 1 and 2 expected
    "x86_64": "mov dword ptr [rdi], 0x1b8; mov word ptr [rdi + 4], 0xc300; call rsi;"
    "mov r8d, eax; mov [rdi + 0x800], rax; mov [rdi + 0x808], rax; mov byte ptr [rdi + 1], 2;"
    "call rsi; mov edi, r8d; mov esi, eax; syscall",
    "aarch64": "adr x3, 5f; ldp w4, w5, [x3]; ldr w6, [x3, 8]; stp w4, w6, [x1]; dc cvau, x1;"
    "dsb ish; ic ivau, x2; dsb ish; isb; blr x2; mov x7, x0; str x0, [x1, 0x800];"
    "str x0, [x1, 0x808]; str w5, [x1]; dc cvau, x1; dsb ish; ic ivau, x2; dsb ish; isb; blr x2;"
    "mov x1, x0; mov x0, x7; svc 0; 5: mov w0, 1; mov w0, 2; ret",
}


@pytest.mark.parametrize("aliased", [False, True])
def test_a_store_to_data_does_not_blind_us_to_the_next_to_code(machine: Rig, aliased: bool) -> None:
    """Unicorn watches a page for one store after each fill; then it must be told to go on."""
    machine.map(DATA, 1, RWX)
    machine.map(0x800000)
    write = DATA
    if aliased:
        write = 0x700000
        machine.alias(write, DATA, RW)
    machine.code(DATA_THEN_CODE[machine.arch.name])
    if machine.arch.name == "x86_64":
        machine.set(rdi=write, rsi=DATA, rsp=0x801000)
    else:
        machine.set(x1=write, x2=DATA)
    assert machine.expect_syscall()[:2] == [1, 2]


def test_page_written_before_it_becomes_executable_elsewhere(machine: Rig) -> None:
    """The writable alias is in the TLB, unwatched, when the other address is first executed."""
    name = machine.arch.name
    machine.map(DATA, 1, RW)
    machine.map(0x800000)
    machine.code({"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[name])
    machine.set(**({"rdi": DATA} if name == "x86_64" else {"x1": DATA}))
    machine.expect_syscall()
    machine.alias(0x700000, DATA, RX)
    machine.code(REWRITE_LOOP[name])
    if name == "x86_64":
        machine.set(rdi=DATA, rsi=0x700000, rsp=0x801000)
    else:
        machine.set(x1=DATA, x2=0x700000)
    assert machine.expect_syscall()[0] == 0, "stale results"


def test_data_in_a_page_that_may_be_executed_is_stored_to_fast(machine: Rig) -> None:
    """An executable stack or heap that never holds code is like any other data."""
    machine.map(DATA, 1, RWX)
    name = machine.arch.name
    machine.code({"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[name])
    machine.set(**({"rdi": DATA} if name == "x86_64" else {"x1": DATA}))
    machine.expect_syscall()
    assert not machine.physical.flags[machine.frame(DATA)] & FRAME_CODE


def test_shared_code_is_translated_once(machine: Rig) -> None:
    """Same frame, same address, another process: the translations are used again."""
    machine.code(FIRST[machine.arch.name])
    assert number_called(machine, CODE) == 1
    other = machine.physical.take()
    machine.ranges.map_frames(other, CODE >> 12, [machine.frame(CODE)], RX)
    drops = machine.engine.counters()["code_invalidations"]
    for root in (other, machine.root) * 3:
        machine.regs.pc = CODE
        assert machine.engine.run(machine.context, root, 10) == TRAP_SYSCALL
    assert machine.engine.counters()["code_invalidations"] == drops


def test_block_across_two_pages_when_the_second_changes(machine: Rig) -> None:
    name = machine.arch.name
    machine.map(CODE, 2, RX)
    code = assembled(name, FIRST[name])
    start = CODE + 4096 - 4
    machine.poke(start, code[:4])
    machine.poke(CODE + 4096, code[4:])
    assert number_called(machine, start) == 1
    fresh = machine.physical.take()
    machine.set_entry(CODE + 4096, fresh << 12 | RX | PTE_PRESENT)
    machine.engine.invalidate(machine.root, CODE + 4096, 1)
    if name == "x86_64":
        machine.poke(CODE + 4096, b"\x01" + code[5:])  # the immediate's last byte
        assert number_called(machine, start) == 0x01000001
    else:
        machine.poke(CODE + 4096, assembled(name, SECOND[name])[:4] + code[4:])
        assert number_called(machine, start) == 2


def test_code_without_the_right_to_execute_is_not_run_from_the_cache(machine: Rig) -> None:
    machine.code(FIRST[machine.arch.name])
    assert number_called(machine, CODE) == 1
    other = machine.physical.take()
    machine.ranges.map_frames(other, CODE >> 12, [machine.frame(CODE)], R)
    machine.root = other
    machine.regs.pc = CODE
    machine.expect_fault(CODE, ACCESS_FETCH)
