"""What the ELF parser accepts, and the words with which it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from kernel.abi.errors import ENOEXEC
from kernel.arch import get_arch
from loader.elf import ElfImage, parse
from tests.support.elf_files import (
    PT_GNU_PROPERTY,
    PT_GNU_STACK,
    PT_INTERP,
    PT_LOAD,
    ElfFile,
    Header,
    R,
    W,
    X,
    plain,
    property_note,
)

pytestmark = pytest.mark.row("K13")


def parse_bytes(data: bytes, arch: str = "x86_64") -> ElfImage:
    return parse(lambda offset, size: data[offset : offset + size], len(data), get_arch(arch))


def refusal(elf: ElfFile | bytes, arch: str = "x86_64") -> str:
    with pytest.raises(ENOEXEC) as caught:
        parse_bytes(bytes(elf), arch)
    return caught.value.reason


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_plain_program(arch: str) -> None:
    image = parse_bytes(bytes(plain(arch)), arch)
    assert image.entry == 0x401000
    assert [(s.vaddr, s.memsz, s.filesz) for s in image.segments] == [
        (0x400000, 288, 288),
        (0x401000, 100, 100),
        (0x402100, 0x3000, 32),
    ]
    assert (image.low, image.high) == (0x400000, 0x406000)
    assert image.phdr_address == 0x400040
    assert image.phdr_count == 4
    assert not image.position_independent
    assert image.interpreter is None
    assert not image.executable_stack
    assert not image.wants_write_and_execute


def test_interpreter_and_stack_flags() -> None:
    elf = plain(type=3)
    elf.headers += [
        Header(PT_INTERP, R, 0x2000, data=b"/lib/ld.so\0"),
    ]
    elf.headers[3].flags = R | W | X
    image = parse_bytes(bytes(elf))
    assert image.interpreter == b"/lib/ld.so"
    assert image.position_independent
    assert image.executable_stack
    assert image.wants_write_and_execute


def test_a_segment_both_writable_and_executable_turns_w_xor_x_off() -> None:
    elf = plain()
    elf.headers[1].flags = R | W | X
    assert parse_bytes(bytes(elf)).wants_write_and_execute


def test_segments_out_of_order_are_sorted() -> None:
    elf = plain()
    elf.headers.reverse()
    assert [s.vaddr for s in parse_bytes(bytes(elf)).segments] == [0x400000, 0x401000, 0x402100]


def _change(**changes: object) -> Callable[[ElfFile], None]:
    def apply(elf: ElfFile) -> None:
        for name, value in changes.items():
            setattr(elf, name, value)

    return apply


def _header(index: int, **changes: object) -> Callable[[ElfFile], None]:
    def apply(elf: ElfFile) -> None:
        for name, value in changes.items():
            setattr(elf.headers[index], name, value)

    return apply


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_change(ident=b"\x7fELF\x01\x01\x01" + bytes(9)), "32-bit"),
        (_change(ident=b"\x7fELF\x02\x02\x01" + bytes(9)), "big-endian"),
        (_change(ident=b"\x7fELF\x07\x01\x01" + bytes(9)), "class 7"),
        (_change(ident=b"\x7fELG\x02\x01\x01" + bytes(9)), "neither an ELF"),
        (_change(machine=183), "a program for aarch64, and this machine is x86_64"),
        (_change(machine=9999), "CPU number 9999"),
        (_change(type=1), "relocatable object"),
        (_change(type=4), "core dump"),
        (_change(type=77), "ELF type 77"),
        (_change(phentsize=32), "headers of 32 bytes"),
        (_change(phnum=0), "0 program headers"),
        (_change(phnum=2000), "2000 program headers"),
        (_change(phoff=1 << 40), "truncated"),
        (_change(phoff=(1 << 64) - 8), "truncated"),
        (_change(headers=[Header(PT_GNU_STACK)]), "no loadable segment"),
        (_header(1, filesz=200, memsz=100), "more bytes in the file"),
        (_header(1, vaddr=0x7FFFFFFFF000), "user half"),
        (_header(1, vaddr=(1 << 64) - 4096), "user half"),
        (_header(1, vaddr=0x401800), "disagree"),
        (_header(1, vaddr=0x1000, memsz=None), "below the lowest"),
        (_header(1, vaddr=0x402000, memsz=0x200), "overlapping segments"),
        (_header(2, filesz=0x2000), "truncated"),
        (_header(3, type=PT_INTERP, filesz=5000), "interpreter"),
        (_header(3, type=PT_INTERP, offset=0x1000, filesz=8), "does not end"),
        (_header(3, type=PT_GNU_PROPERTY, offset=1 << 60, filesz=100), "property note"),
    ],
)
def test_refusals(change: Callable[[ElfFile], None], words: str) -> None:
    elf = plain()
    change(elf)
    assert words in refusal(elf)


def test_a_file_cut_anywhere_in_its_headers_is_refused() -> None:
    whole = bytes(plain())
    for length in range(64 + 4 * 56):
        assert refusal(whole[:length])
    assert "truncated" in refusal(whole[: len(whole) - 1])


@pytest.mark.parametrize(("needed", "words"), [(4, "x86-64-v3"), (12, "x86-64-v4")])
def test_a_program_for_a_newer_processor_is_refused(needed: int, words: str) -> None:
    elf = plain()
    elf.headers.append(Header(PT_GNU_PROPERTY, R, 0x1200, data=property_note(0xC0008002, needed)))
    assert words in refusal(elf)


@pytest.mark.parametrize("note", [property_note(0xC0008002, 3), property_note(0xC0000002, 4), b"x"])
def test_other_property_notes_do_not_matter(note: bytes) -> None:
    elf = plain()
    elf.headers.append(Header(PT_GNU_PROPERTY, R, 0x1200, data=note))
    assert parse_bytes(bytes(elf)).entry


def test_the_address_of_the_program_headers_is_0_if_no_segment_has_them() -> None:
    elf = plain()
    del elf.headers[0]
    assert parse_bytes(bytes(elf)).phdr_address == 0


def test_the_largest_alignment_counts_and_nonsense_does_not() -> None:
    elf = plain()
    elf.headers[1].align = 0x10000
    elf.headers[2].align = 0x30000
    assert parse_bytes(bytes(elf)).alignment == 0x10000


def test_empty_segments_are_dropped() -> None:
    elf = plain()
    elf.headers.append(Header(PT_LOAD, R, 0, 0x400000, memsz=0))
    assert len(parse_bytes(bytes(elf)).segments) == 3


def test_agrees_with_pyelftools_on_a_real_program() -> None:
    program = Path("/proc/self/exe").resolve()
    data = program.read_bytes() if program.is_file() else b""
    arch = {62: "x86_64", 183: "aarch64"}.get(int.from_bytes(data[18:20], "little"))
    if data[:4] != b"\x7fELF" or arch is None:
        pytest.skip("the Python that runs this is no ELF of our CPUs")
    image = parse_bytes(data, arch)
    with program.open("rb") as stream:
        other = ELFFile(stream)
        loads = [s.header for s in other.iter_segments() if s.header.p_type == "PT_LOAD"]
        assert [s.vaddr for s in image.segments] == [header.p_vaddr for header in loads]
        assert [s.memsz for s in image.segments] == [header.p_memsz for header in loads]
        assert image.entry == other.header.e_entry
