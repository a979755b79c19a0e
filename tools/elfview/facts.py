"""Headers, segments, notes and the dynamic section as plain values."""

from __future__ import annotations

from typing import Any

from tools.elfview.image import Image

Plain = dict[str, Any]  # Any: what JSON can hold
TAG_FIELDS = {
    "DT_NEEDED": "needed",
    "DT_SONAME": "soname",
    "DT_RPATH": "rpath",
    "DT_RUNPATH": "runpath",
}


def header(image: Image) -> Plain:
    """The ELF header."""
    fields = image.elf.header
    return {
        "class": image.bits,
        "endian": "little" if image.elf.little_endian else "big",
        "machine": image.machine,
        "type": str(fields["e_type"]).removeprefix("ET_"),
        "abi": str(fields["e_ident"]["EI_OSABI"]).removeprefix("ELFOSABI_"),
        "entry": fields["e_entry"],
    }


def segments(image: Image) -> list[Plain]:
    """The program headers."""
    return [
        {
            "type": str(s["p_type"]).removeprefix("PT_"),
            "offset": s["p_offset"],
            "address": s["p_vaddr"],
            "file_size": s["p_filesz"],
            "memory_size": s["p_memsz"],
            "flags": flag_letters(s["p_flags"]),
            "align": s["p_align"],
        }
        for s in image.segments
    ]


def flag_letters(flags: int) -> str:
    """``r-x``."""
    return "".join(letter if flags & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))


def sections(image: Image) -> list[Plain]:
    """The section headers."""
    return [
        {
            "name": s.name,
            "type": str(s["sh_type"]).removeprefix("SHT_"),
            "address": s["sh_addr"],
            "size": s["sh_size"],
        }
        for s in image.sections
        if s["sh_type"] != "SHT_NULL"
    ]


def interpreter(image: Image) -> str | None:
    """The dynamic linker's path."""
    for segment in image.segments:
        if segment["p_type"] == "PT_INTERP":
            data = image.data[segment["p_offset"] : segment["p_offset"] + segment["p_filesz"]]
            return data.split(b"\0")[0].decode(errors="replace")
    return None


def notes(image: Image) -> list[Plain]:
    """Every note, from segments, or from sections where no segment has any."""
    found = [
        _note(note)
        for segment in image.segments
        if segment["p_type"] == "PT_NOTE"
        for note in segment.iter_notes()
    ]
    return found or [
        _note(note)
        for section in image.sections
        if section["sh_type"] == "SHT_NOTE"
        for note in section.iter_notes()
    ]


def _note(note: Any) -> Plain:
    kind, value = str(note["n_type"]), note["n_desc"]
    if kind == "NT_GNU_PROPERTY_TYPE_0":
        text = "; ".join(f"{prop['pr_type']}={_property(prop['pr_data'])}" for prop in value)
    elif kind == "NT_GNU_ABI_TAG" and hasattr(value, "abi_major"):
        text = f"{value['abi_os']} {value['abi_major']}.{value['abi_minor']}.{value['abi_tiny']}"
    else:
        text = value.hex() if isinstance(value, bytes) else str(value)
    return {"owner": str(note["n_name"]).rstrip("\0"), "type": kind, "value": text}


def _property(value: object) -> str:
    if isinstance(value, int):
        return f"{value:#x}"
    return value.hex() if isinstance(value, bytes) else str(value)


def build_id(found: list[Plain]) -> str | None:
    """GNU's build id, or Go's."""
    for note in found:
        if note["type"] == "NT_GNU_BUILD_ID":
            return str(note["value"])
    return None


def dynamic(image: Image) -> Plain | None:
    """The dynamic section: libraries by name, other tags with their values; None if static."""
    segment = next((s for s in image.segments if s["p_type"] == "PT_DYNAMIC"), None)
    if segment is None:
        return None
    found: Plain = {"needed": [], "soname": [], "rpath": [], "runpath": [], "tags": []}
    for tag in segment.iter_tags():
        name = str(tag.entry.d_tag)
        if name in TAG_FIELDS:
            found[TAG_FIELDS[name]].append(str(getattr(tag, TAG_FIELDS[name])))
        elif name != "DT_NULL":
            found["tags"].append({"tag": name.removeprefix("DT_"), "value": tag.entry.d_val})
    return found
