"""Target descriptions: well-formed, and in the order and sizes gdb knows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from kernel.arch import get_arch
from tools.gdb.description import DESCRIPTIONS, FP, GENERAL, to_xml
from tools.gdb.registers import abridged_tags, full_tags


def test_the_xml_says_what_the_table_says(arch: str) -> None:
    description = DESCRIPTIONS[arch]
    root = ET.fromstring(to_xml(description))
    registers = [
        (reg.get("name"), int(reg.get("bitsize", "0")), int(reg.get("regnum", "-1")))
        for reg in root.iter("reg")
    ]
    slots = description.slots
    assert registers == [(slot.name, slot.bits, number) for number, slot in enumerate(slots)]


def test_every_type_is_declared_before_it_is_used(arch: str) -> None:
    known = {
        "int", "int8", "int16", "int32", "int64", "int128", "uint8", "uint16", "uint32", "uint64",
        "uint128", "code_ptr", "data_ptr", "ieee_half", "ieee_single", "ieee_double", "i387_ext",
    }  # fmt: skip
    for element in ET.fromstring(to_xml(DESCRIPTIONS[arch])).iter():
        kind = element.get("type")
        assert kind is None or kind in known, kind
        if element.tag in ("vector", "union", "flags"):
            known.add(element.attrib["id"])


def test_sources_are_registers_and_places_in_the_image(arch: str) -> None:
    cpu = get_arch(arch)
    general = {slot.key for slot in DESCRIPTIONS[arch].slots if slot.source == GENERAL}
    assert general == set(cpu.register_names)
    for slot in DESCRIPTIONS[arch].slots:
        if slot.source == FP:
            assert int(slot.key) + slot.size <= cpu.fp_image_size


@pytest.mark.parametrize(
    ("name", "number"),
    [("rip", 16), ("eflags", 17), ("st0", 24), ("fctrl", 32), ("xmm0", 40), ("mxcsr", 56)],
)
def test_gdbs_numbers_on_x86_64(name: str, number: int) -> None:
    """The same as in gdb's amd64-linux description."""
    assert [slot.name for slot in DESCRIPTIONS["x86_64"].slots].index(name) == number


@pytest.mark.parametrize(
    ("name", "number"),
    [("x30", 30), ("sp", 31), ("pc", 32), ("cpsr", 33), ("v0", 34), ("fpsr", 66)],
)
def test_gdbs_numbers_on_aarch64(name: str, number: int) -> None:
    assert [slot.name for slot in DESCRIPTIONS["aarch64"].slots].index(name) == number


def test_the_tag_word_that_fxsave_abridges() -> None:
    """Two registers in use, the stack's top at 6: 1.5 in st0 (valid), 0 in st1 (zero)."""
    image = bytearray(512)
    image[2:4] = (6 << 11).to_bytes(2, "little")
    image[4] = 1 << 6 | 1 << 7
    image[32:42] = (0xC0 << 56).to_bytes(8, "little") + b"\xff\x3f"
    tags = full_tags(bytes(image))
    assert tags == 0x4FFF  # 01 00 11 11 11 11 11 11
    assert abridged_tags(tags) == image[4]
    image[32:42] = bytes(8) + b"\xff\x7f"  # an infinity without its integer bit
    assert full_tags(bytes(image)) == 0x6FFF
