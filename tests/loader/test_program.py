"""Whole programs into a real address space, with a processor that only pretends."""

from __future__ import annotations

import struct

import pytest

from kernel.abi.errors import E2BIG, EACCES, ELIBBAD, ELOOP, ENOENT, ENOEXEC, ENOMEM
from kernel.arch import ARCHES
from kernel.arch.base import USER_TOP
from loader.segments import PIE_BASE
from tests.support.elf_files import PT_INTERP, PT_LOAD, Header, R, W, X, plain
from tests.support.programs import ProgramWorld

pytestmark = pytest.mark.row("K1")

LD = b"/lib/ld.so"


@pytest.fixture(params=sorted(ARCHES))
def world(request: pytest.FixtureRequest) -> ProgramWorld:
    return ProgramWorld(request.param)


def elf(world: ProgramWorld, **changes: object) -> bytes:
    return bytes(plain(world.kernel.arch.name, **changes))


def vector(world: ProgramWorld) -> dict[int, int]:
    """The auxiliary vector as the program finds it above its environment."""
    mem, (_, sp) = world.program.mem, world.entry
    at = sp + 8 * (mem.read_u64(sp) + 2)
    while mem.read_u64(at):
        at += 8
    pairs = struct.iter_unpack("<QQ", mem.read(at + 8, 20 * 16))
    return dict(pairs)


def test_segments_are_mapped_with_their_rights(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    space = world.execute(b"/bin/p")
    perms = {entry.start: entry.perms for entry in space.maps()}
    assert perms[0x400000] == "r--p"
    assert perms[0x401000] == "r-xp"
    assert perms[0x402000] == "rw-p"
    assert world.area(0x401000).name == b"/bin/p"
    assert world.area(0x401000).offset == 0x1000
    assert world.area(0x403000).name == b""
    assert world.entry[0] == 0x401000
    space.check_invariants()


def test_contents_and_bss(world: ProgramWorld) -> None:
    tail = plain(world.kernel.arch.name)
    tail.headers[2].data = b"data" * 8
    world.add(b"/bin/p", bytes(tail) + b"junk behind the segment" * 300)
    world.execute(b"/bin/p")
    mem = world.program.mem
    assert mem.read(0x401000, 100) == b"\x90" * 100
    assert mem.read(0x402100, 32) == b"data" * 8
    assert mem.read(0x402120, 0x2FE0) == bytes(0x2FE0)


def test_layout_fields(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    space = world.execute(b"/bin/p", (b"p", b"one"), (b"A=1",))
    assert (space.start_code, space.end_code) == (0x401000, 0x401064)
    assert (space.start_data, space.end_data) == (0x402100, 0x402120)
    assert space.start_brk == space.brk_end == 0x406000
    assert space.start_stack == world.entry[1]
    assert space.user.read(space.arg_start, space.arg_end - space.arg_start) == b"p\0one\0"
    assert space.user.read(space.env_start, space.env_end - space.env_start) == b"A=1\0"
    assert space.brk(0x407000) == 0x407000


def test_the_stack_is_at_the_top_and_grows(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    space = world.execute(b"/bin/p")
    stack = world.area(world.entry[1])
    assert stack.name == b"[stack]"
    assert stack.end == USER_TOP
    assert stack.perms == "rw-p"
    space.user.write(stack.start - 0x10000, b"x")
    assert world.area(world.entry[1]).start <= stack.start - 0x10000


def test_auxiliary_vector(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    world.execute(b"/bin/p")
    arch = world.kernel.arch
    aux = vector(world)
    assert aux[3] == 0x400040
    assert (aux[4], aux[5], aux[6], aux[7], aux[8], aux[9]) == (56, 4, 4096, 0, 0, 0x401000)
    assert (aux[11], aux[12], aux[13], aux[14], aux[17], aux[23]) == (0, 0, 0, 0, 100, 0)
    assert (aux[16], aux[26], aux[51]) == (arch.hwcap, arch.hwcap2, arch.minsigstksz)
    assert world.program.mem.read_cstring(aux[31], 100) == b"/bin/p"
    assert world.program.mem.read_cstring(aux[15], 100) == arch.platform
    assert world.program.mem.read(aux[25], 16) != bytes(16)
    assert 33 not in aux
    assert world.space.auxv[:16] == struct.pack("<QQ", 51, arch.minsigstksz)


def test_a_static_pie_is_moved_to_its_base(world: ProgramWorld) -> None:
    pie = plain(world.kernel.arch.name, type=3, entry=0x1000)
    for header in pie.headers:
        header.vaddr = max(header.vaddr - 0x400000, 0)
    world.add(b"/bin/p", bytes(pie))
    space = world.execute(b"/bin/p")
    assert world.entry[0] == PIE_BASE + 0x1000
    assert vector(world)[3] == PIE_BASE + 0x40
    assert vector(world)[9] == PIE_BASE + 0x1000
    assert space.start_brk == PIE_BASE + 0x6000


def test_an_aligned_pie_is_moved_to_a_multiple(world: ProgramWorld) -> None:
    pie = plain(world.kernel.arch.name, type=3, entry=0x401000)
    pie.headers[0].align = 0x200000
    world.add(b"/bin/p", bytes(pie))
    world.execute(b"/bin/p")
    assert (world.entry[0] - 0x401000) % 0x200000 == 0


def dynamic(world: ProgramWorld, path: bytes = LD) -> bytes:
    program = plain(world.kernel.arch.name)
    program.headers.append(Header(PT_INTERP, R, 0x1800, data=path + b"\0"))
    return bytes(program)


def loader_file(world: ProgramWorld) -> bytes:
    pie = plain(world.kernel.arch.name, type=3, entry=0x1010)
    for header in pie.headers:
        header.vaddr = max(header.vaddr - 0x400000, 0)
    return bytes(pie)


def test_a_dynamic_program_starts_in_its_interpreter(world: ProgramWorld) -> None:
    world.add(b"/bin/p", dynamic(world))
    world.add(LD, loader_file(world))
    world.execute(b"/bin/p")
    base = vector(world)[7]
    assert base % 4096 == 0
    assert world.entry[0] == base + 0x1010
    assert world.area(base).name == LD
    assert vector(world)[9] == 0x401000
    assert base > 0x7F0000000000


def test_addresses_repeat(world: ProgramWorld) -> None:
    world.add(b"/bin/p", dynamic(world))
    world.add(LD, loader_file(world))
    world.execute(b"/bin/p")
    first = [entry[:3] for entry in world.space.maps()]
    world.execute(b"/bin/p")
    assert [entry[:3] for entry in world.space.maps()] == first


def test_interpreters_that_are_no_good(world: ProgramWorld) -> None:
    world.add(b"/bin/p", dynamic(world))
    assert "its interpreter /lib/ld.so does not exist" in world.refusal(b"/bin/p").reason
    world.add(LD, b"no ELF at all", 0o755)
    error = world.refusal(b"/bin/p")
    assert isinstance(error, ELIBBAD)
    assert "interpreter" in error.reason
    world.add(LD, loader_file(world), 0o644)
    assert isinstance(world.refusal(b"/bin/p"), EACCES)


def test_sigreturn_page_where_the_cpu_needs_one(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    space = world.execute(b"/bin/p")
    code = world.kernel.arch.sigreturn_code
    if not code:
        assert space.vdso_sigreturn == 0
        return
    assert space.user.read(space.vdso_sigreturn, len(code)) == code
    assert world.area(space.vdso_sigreturn).perms == "r-xp"
    assert world.area(space.vdso_sigreturn).name == b"[sigpage]"


def test_a_second_exec_parses_nothing(world: ProgramWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    inode = world.add(b"/bin/p", elf(world))
    world.execute(b"/bin/p")
    kept = inode.exec_cache
    assert kept is not None
    monkeypatch.setattr("loader.program.parse", None)
    world.execute(b"/bin/p")
    assert inode.exec_cache is kept


def test_a_changed_file_is_parsed_again(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    world.execute(b"/bin/p")
    world.clock.advance(1)
    world.add(b"/bin/p", elf(world, entry=0x401004))
    world.execute(b"/bin/p")
    assert world.entry[0] == 0x401004


def test_an_executable_stack_only_where_the_file_wants_one(world: ProgramWorld) -> None:
    program = plain(world.kernel.arch.name)
    program.headers[3].flags = R | W | X
    world.add(b"/bin/p", bytes(program))
    assert world.execute(b"/bin/p").allow_wx
    assert world.area(world.entry[1]).perms == "rwxp"
    world.add(b"/bin/q", elf(world))
    assert not world.execute(b"/bin/q").allow_wx


def test_a_program_in_the_place_of_the_stack_is_refused(world: ProgramWorld) -> None:
    program = plain(world.kernel.arch.name)
    program.headers.append(Header(PT_LOAD, R | W, 0, USER_TOP - 0x3000, memsz=0x1000, filesz=0))
    world.add(b"/bin/p", bytes(program))
    assert isinstance(world.refusal(b"/bin/p"), ENOEXEC)


def test_a_huge_bss_is_no_memory(world: ProgramWorld) -> None:
    program = plain(world.kernel.arch.name)
    program.headers[2].memsz = 1 << 44
    world.add(b"/bin/p", bytes(program))
    assert isinstance(world.refusal(b"/bin/p"), ENOMEM)


def test_scripts(world: ProgramWorld) -> None:
    world.add(b"/bin/sh", elf(world))
    world.add(b"/bin/s", b"#!/bin/sh -x\necho")
    space = world.execute(b"/bin/s", (b"s", b"arg"))
    assert space.user.read(space.arg_start, space.arg_end - space.arg_start) == (
        b"/bin/sh\0-x\0/bin/s\0arg\0"
    )
    assert world.program.mem.read_cstring(vector(world)[31], 100) == b"/bin/s"


def test_scripts_of_scripts(world: ProgramWorld) -> None:
    world.add(b"/bin/s0", elf(world))
    for level in range(1, 7):
        world.add(b"/bin/s%d" % level, b"#!/bin/s%d %d\n" % (level - 1, level))
    space = world.execute(b"/bin/s5", (b"x", b"last"))
    assert space.user.read(space.arg_start, space.arg_end - space.arg_start) == (
        b"/bin/s0\x001\0/bin/s1\x002\0/bin/s2\x003\0/bin/s3\x004\0/bin/s4\x005\0/bin/s5\0last\0"
    )
    assert isinstance(world.refusal(b"/bin/s6"), ELOOP)


def test_a_script_without_its_interpreter_names_it(world: ProgramWorld) -> None:
    world.add(b"/bin/s", b"#!/usr/bin/perl\n")
    error = world.refusal(b"/bin/s")
    assert isinstance(error, ENOENT)
    assert "interpreter /usr/bin/perl" in error.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "neither an ELF"), (b"echo hi\n", "neither an ELF"), (b"#!\n", "nothing after #!")],
)
def test_files_that_are_no_programs(world: ProgramWorld, content: bytes, words: str) -> None:
    world.add(b"/bin/p", content)
    error = world.refusal(b"/bin/p")
    assert isinstance(error, ENOEXEC)
    assert words in error.reason


def test_arguments_that_do_not_fit_on_the_stack(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    world.program.limits.values[3] = (64 << 10, 64 << 10)
    error = world.refusal(b"/bin/p", (b"p", b"x" * 100_000))
    assert isinstance(error, E2BIG | ENOMEM)


def test_exec_gives_back_what_the_old_program_had(world: ProgramWorld) -> None:
    world.add(b"/bin/p", elf(world))
    world.execute(b"/bin/p")
    used = world.kernel.frames.used_count
    for _ in range(5):
        world.execute(b"/bin/p")
    assert world.kernel.frames.used_count == used
