"""x86_64 has no AVX here: CPUID says so, and vector code in VEX encoding is refused."""

from __future__ import annotations

import ctypes

import pytest

from kernel.cpu import cpuid
from kernel.cpu.base import EXCEPTION_AVX, T_PC, TRAP_EXCEPTION, TRAP_SLICE
from kernel.cpu.library import open_engine
from tests.kernel.cpu.assemble import assembled
from tests.kernel.cpu.rig import CODE, DATA, RX, Rig

pytestmark = pytest.mark.row("K2")

VECTOR = [
    "vaddps xmm0, xmm1, xmm2",
    "vpxor xmm0, xmm0, xmm0",
    "vpaddd ymm0, ymm1, ymm2",
    "vmovdqu xmm0, [rdi]",
    "vfmadd231ps xmm0, xmm1, xmm2",
    "vzeroupper",
    "vpbroadcastb ymm0, xmm1",
    "vaddps zmm0, zmm1, zmm2",
    "kmovw k1, eax",
    "{vex} vpdpbusd xmm0, xmm1, xmm2",
]


@pytest.mark.parametrize("text", VECTOR)
def test_vector_code_is_refused_where_it_stands(x86: Rig, text: str) -> None:
    """What comes before in the same block has been executed, once."""
    x86.map(DATA)
    x86.code("inc qword ptr [rdi]; inc qword ptr [rdi]; " + text + "; inc qword ptr [rdi]")
    x86.set(rdi=DATA)
    assert x86.expect_exception(EXCEPTION_AVX) == CODE + 6
    assert x86.word(DATA) == 2


@pytest.mark.parametrize("text", VECTOR)
def test_vector_code_reached_by_a_jump_is_refused(x86: Rig, text: str) -> None:
    """Its block is not the first after a start, so Unicorn itself announces it."""
    x86.map(DATA)
    x86.code("2: inc qword ptr [rdi]; dec ecx; jnz 2b; jmp 3f; 3: inc qword ptr [rdi + 8]; " + text)
    for round_number in range(1, 4):  # translated, dropped, refused again
        x86.regs.pc = CODE
        x86.set(rdi=DATA, rcx=5)
        x86.expect_exception(EXCEPTION_AVX)
        assert x86.regs.pc == x86.trap[T_PC] > CODE + 9
        assert (x86.word(DATA), x86.word(DATA + 8)) == (5 * round_number, round_number)


def test_after_the_refusal_the_program_goes_on(x86: Rig) -> None:
    x86.code("vzeroupper; mov edi, 7; syscall")
    x86.expect_exception(EXCEPTION_AVX)
    x86.regs.pc += 3
    assert x86.expect_syscall()[0] == 7


def test_vector_code_behind_a_fault_in_its_block(x86: Rig) -> None:
    x86.code("mov rax, [rdi]; inc qword ptr [rdi]; vzeroupper")
    x86.set(rdi=DATA)
    x86.expect_fault(DATA, 0)
    x86.map(DATA)
    x86.expect_exception(EXCEPTION_AVX)
    assert x86.word(DATA) == 1


def test_vector_code_with_a_tiny_budget(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("2: inc qword ptr [rdi]; dec ecx; jnz 2b; jmp 3f; 3: nop; vzeroupper")
    x86.set(rdi=DATA, rcx=20)
    for _ in range(200):
        trap = x86.run(1)
        if trap != TRAP_SLICE:
            break
    assert trap == TRAP_EXCEPTION
    assert x86.word(DATA) == 20


def test_vector_code_over_a_page_border(x86: Rig) -> None:
    x86.map(CODE, 2, RX)
    code = assembled("x86_64", "vaddps xmm0, xmm1, xmm2")
    x86.poke(CODE + 4094, code[:2])
    x86.poke(CODE + 4096, code[2:])
    x86.regs.pc = CODE + 4094
    x86.expect_exception(EXCEPTION_AVX)


def test_bmi_with_vex_prefix_still_works(x86: Rig) -> None:
    """These use general registers and are executed correctly."""
    x86.code(
        "mov ebx, 0xf0f0; mov ecx, 0x1234; andn edi, ebx, ecx; mov eax, 0x0804;"
        "bextr esi, ecx, eax; blsr r10d, ecx; mov edx, 3; mulx rax, r8, rbx;"
        "rorx r9d, ecx, 4; pdep edx, ecx, ebx; syscall"
    )
    rdi, rsi, rdx, r10, r8, r9 = x86.expect_syscall()
    assert rdi == ~0xF0F0 & 0x1234
    assert rsi == 0x1234 >> 4 & 0xFF
    assert r10 == 0x1234 & 0x1233
    assert r8 == 3 * 0xF0F0
    assert r9 == 0x40000123
    assert rdx == 0x3040  # the low 8 bits of 0x1234 spread over 0xf0f0
    x86.code("mov ecx, 5; mov ebx, 0xff; shlx edi, ebx, ecx; bzhi esi, ebx, ecx; syscall")
    assert x86.expect_syscall()[:2] == [0xFF << 5, 0x1F]


def test_cpuid_shows_the_table(x86: Rig) -> None:
    for leaf, subleaf, *expected in cpuid.ROWS:
        x86.code("cpuid; mov edi, eax; mov esi, ebx; mov r10d, ecx; syscall")
        x86.set(rax=leaf, rcx=0 if subleaf == cpuid.ANY else subleaf)
        eax, ebx, edx, ecx, *_ = x86.expect_syscall()
        assert [eax, ebx, ecx, edx] == expected, hex(leaf)


def test_cpuid_beyond_the_table_is_zero(x86: Rig) -> None:
    x86.code("cpuid; mov edi, eax; syscall")
    x86.set(rax=0x40000000)
    assert x86.expect_syscall()[0] == 0


def test_nothing_offers_avx_or_random_numbers() -> None:
    rows = {(row[0], row[1]): row[2:] for row in cpuid.ROWS}
    assert not rows[1, cpuid.ANY][2] & (cpuid.AVX | cpuid.RDRAND)
    assert not rows[7, 0][1] & (cpuid.AVX2 | cpuid.RDSEED)
    assert rows[0xD, 0][0] == cpuid.XSTATE_X87_SSE
    assert (0xD, 2) not in rows


def test_time_stamp_counter_counts(x86: Rig) -> None:
    x86.code(
        "rdtsc; mov edi, eax; mov esi, edx; rdtscp; mov r8d, eax; mov r10d, edx; mov r9d, ecx;"
        "syscall"
    )
    low, high, _, high2, low2, processor = x86.expect_syscall()
    assert 0 < (high << 32 | low) <= (high2 << 32 | low2)
    assert processor == 0


LIB = open_engine()
GO_ON, BLOCK_ENDS, AVX, ILLEGAL, PRIVILEGED = range(5)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mov rax, [rip + 0x12345678]", GO_ON),
        ("mov byte ptr [rax + rbx*2 + 0x1234], 0xc5", GO_ON),
        ("movabs rax, 0xc5c5c5c5c5c5c5c5", GO_ON),
        ("movabs al, [0xc4c4c4c4c4c4c4c4]", GO_ON),
        ("mov ax, 0xc5c5", GO_ON),
        ("test byte ptr [rax], 0xc5", GO_ON),
        ("test eax, 0xc4c4c4c4", GO_ON),
        ("not dword ptr [rax + 0x10]", GO_ON),
        ("enter 0xc5, 1", GO_ON),
        ("push 0x62626262", GO_ON),
        ("imul eax, [rsp + 8], 0xc4c4", GO_ON),
        ("palignr xmm0, xmm1, 5", GO_ON),
        ("pshufb xmm0, [rax]", GO_ON),
        ("pinsrw xmm0, eax, 3", GO_ON),
        ("bt eax, 0xc5", GO_ON),
        ("shld eax, ebx, 5", GO_ON),
        ("fld tbyte ptr [rax]", GO_ON),
        ("bswap rax", GO_ON),
        ("movaps xmm8, [r12]", GO_ON),
        ("cmpxchg16b [rdi]", GO_ON),
        ("syscall", BLOCK_ENDS),
        ("ret 0xc5", BLOCK_ENDS),
        ("call [rax + 8]", BLOCK_ENDS),
        ("jmp rax", BLOCK_ENDS),
        ("jnz .+0x200", BLOCK_ENDS),
        ("vaddpd ymm1, ymm2, [r8 + r9]", AVX),
        ("vpermq zmm0, zmm1, 3", AVX),
        ("rdseed rax", ILLEGAL),
        ("rdrand r9", ILLEGAL),
        ("in al, 0xc5", PRIVILEGED),
        ("outsd", PRIVILEGED),
        ("sysenter", PRIVILEGED),
    ],
)
def test_decoder_knows_lengths_and_forbidden_instructions(text: str, kind: int) -> None:
    code = assembled("x86_64", text.replace(".+0x200", "2f; .org 0x206; 2:"))
    if ".+0x200" in text:
        code = code[:6]
    length = ctypes.c_uint64()
    padded = code + bytes(8)
    assert LIB.x86_decode_bytes(padded, len(padded), ctypes.byref(length)) == kind
    if kind in (GO_ON, BLOCK_ENDS):
        assert length.value == len(code)
