"""All that is known about a file as one document, and the text for people.

The document's keys are in a fixed order and its shape has a version, so that scripts can rely on
it: ``format`` goes up when a key changes its meaning or goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kernel.abi.errors import ENOEXEC
from kernel.arch import ARCHES, get_arch
from loader.elf import parse
from syscalls import load_families
from syscalls.declare import DECLARATIONS
from syscalls.numbers import NUMBERS
from tools.elfview import facts, golang, guess
from tools.elfview.facts import Plain
from tools.elfview.image import Image, named_errors
from tools.elfview.instructions import Calls, Instruction, system_calls
from tools.elfview.newer import Newer, newer

FORMAT: Final = 1
MANY: Final = 40


def report(image: Image) -> Plain:
    """Everything but a listing.  DioramaError: the file contradicts itself."""
    load_families()
    with named_errors(image.name):
        notes = facts.notes(image)
        dynamic = facts.dynamic(image)
        calls = system_calls(image)
        unknown = newer(image)
        return {
            "format": FORMAT,
            "file": image.name,
            "size": len(image.data),
            "header": facts.header(image),
            "interpreter": facts.interpreter(image),
            "build_id": facts.build_id(notes) or golang.build_id(image),
            "language": guess.language(image),
            "hardening": guess.hardening(image, dynamic),
            "runs": _verdict(image, calls, unknown),
            "segments": facts.segments(image),
            "sections": facts.sections(image),
            "notes": notes,
            "dynamic": dynamic,
            "system_calls": _calls(image, calls),
            "avx": _newer(unknown, "AVX"),
            "newer": {found.kind: _newer(unknown, found.kind) for found in unknown},
        }


def _newer(found: Iterable[Newer], kind: str) -> Plain:
    """Instructions of one kind that this processor has not."""
    chosen = next((one for one in found if one.kind == kind), Newer(kind, 0, (), (), 0))
    return {
        "instructions": chosen.instructions,
        "first": list(chosen.examples),
        "functions": list(chosen.functions),
        "bytes_searched": chosen.searched,
    }


def _calls(image: Image, calls: Calls) -> Plain:
    """Grouped by number; ``through``: calls of functions that make a call with what they get."""
    names = {number: name for name, number in NUMBERS.get(image.machine, {}).items()}
    grouped: dict[int, tuple[list[int], list[int]]] = {}
    computed: list[int] = []
    for site in calls.sites:
        if site.number is None:
            computed.append(site.address)
        else:
            grouped.setdefault(site.number, ([], []))[0].append(site.address)
    for call in calls.through:
        grouped.setdefault(call.number, ([], []))[1].append(call.address)
    return {
        "known": [
            {
                "number": number,
                "name": names.get(number),
                "supported": _support(image.machine, names.get(number)),
                "sites": sorted(set().union(*grouped[number])),
                "through": grouped[number][1],
            }
            for number in sorted(grouped)
        ],
        "computed": computed,
        "wrappers": [
            {"address": address, "name": image.where(address) or None}
            for address in sorted({call.wrapper for call in calls.through})
        ],
    }


def _support(arch: str, name: str | None) -> str:
    declaration = DECLARATIONS.get(name or "")
    if declaration is None or arch not in declaration.arches:
        return "no"
    return "partial" if declaration.partial else "yes"


def _verdict(image: Image, calls: Calls, unknown: list[Newer]) -> Plain:
    """Whether the machine would start it, why not, and what may go wrong later."""
    refusal = _refusal(image)
    asks = "CPUID" if image.machine == "x86_64" else "HWCAP"
    warnings = []
    for found in unknown:
        if found.instructions:
            where = f" in {len(found.functions)} functions" if found.functions else ""
            first = f"{found.examples[0]:#x}"
            if function := image.where(found.examples[0]):
                first += f" ({function})"
            warnings.append(
                f"{found.instructions} {found.kind} instructions{where}, the first at {first}: "
                f"this processor has none ({asks} says so; a program that asks first is safe)"
            )
    known = _calls(image, calls)["known"]
    missing = [call["name"] or str(call["number"]) for call in known if call["supported"] == "no"]
    if missing:
        warnings.append(f"calls that are not implemented: {', '.join(missing)}")
    total = sum(len(region.data) for region in image.code)
    for searched in {found.searched for found in unknown if found.searched < total}:
        kinds = " and ".join(found.kind for found in unknown)
        warnings.append(f"only the first {searched} bytes of code were searched for {kinds}")
    return {"ok": refusal is None, "refusal": refusal, "warnings": warnings}


def _refusal(image: Image) -> str | None:
    """What the loader would say, on the CPU the file is for."""
    name = image.machine if image.machine in ARCHES else "x86_64"

    def read(offset: int, size: int) -> bytes:
        return image.data[offset : offset + size]

    try:
        parse(read, len(image.data), get_arch(name))
    except ENOEXEC as error:
        return error.reason or error.text
    return None


# -- text ----------------------------------------------------------------------------------------


def as_text(document: Plain) -> str:
    """The document for people."""
    return "\n".join(_lines(document)) + "\n"


def _lines(d: Plain) -> Iterator[str]:
    head, hard, lang = d["header"], d["hardening"], d["language"]
    yield f"{d['file']}: ELF{head['class']} {head['type']} for {head['machine']}, {d['size']} bytes"
    runs = d["runs"]
    yield "runs here     " + ("yes" if runs["ok"] else f"no: {runs['refusal']}")
    for warning in runs["warnings"]:
        yield f"  warning     {warning}"
    yield f"entry         {head['entry']:#x}"
    yield f"interpreter   {d['interpreter'] or 'none (static)'}"
    yield f"build id      {d['build_id'] or 'none'}"
    compiler = f"; {lang['compiler']}" if lang["compiler"] else ""
    yield f"language      {lang['name']} ({lang['because']}{compiler})"
    yield "hardening     " + ", ".join(_hardening(hard))
    yield from _segments(d["segments"])
    yield from _sections(d["sections"])
    yield from _notes(d["notes"])
    yield from _dynamic(d["dynamic"])
    yield from _system_calls(d)


def _hardening(hard: Plain) -> Iterator[str]:
    words = {True: "yes", False: "no", None: "not known"}
    for name in ("nx", "pie", "relro", "canary", "fortify", "stripped"):
        value = hard[name]
        count = (
            f" ({len(hard['fortified'])} functions)"
            if name == "fortify" and hard["fortified"]
            else ""
        )
        yield f"{name.upper() if len(name) < 4 else name} {words.get(value, value)}{count}"


def _segments(segments: list[Plain]) -> Iterator[str]:
    yield ""
    yield "segments          address             file     memory  flags"
    for s in segments:
        sizes = f"{s['file_size']:>10} {s['memory_size']:>10}"
        yield f"  {s['type']:<14}{s['address']:#018x} {sizes}  {s['flags']}"


def _sections(sections: list[Plain]) -> Iterator[str]:
    if sections:
        yield ""
        yield "sections               address             size  type"
    for s in sections[:MANY]:
        yield f"  {s['name']:<18} {s['address']:#018x} {s['size']:>10}  {s['type']}"
    if len(sections) > MANY:
        yield f"  ... and {len(sections) - MANY} more"


def _notes(notes: list[Plain]) -> Iterator[str]:
    if notes:
        yield ""
        yield "notes"
    for note in notes:
        yield f"  {note['owner']:<8} {note['type']:<24} {note['value'][:100]}"


def _dynamic(dynamic: Plain | None) -> Iterator[str]:
    if dynamic is None:
        return
    yield ""
    yield "dynamic"
    for field in ("needed", "soname", "rpath", "runpath"):
        for value in dynamic[field]:
            yield f"  {field.upper():<16} {value}"
    for tag in dynamic["tags"]:
        yield f"  {tag['tag']:<16} {tag['value']:#x}"


def _system_calls(d: Plain) -> Iterator[str]:
    calls = d["system_calls"]
    yield ""
    count = Counter(call["supported"] for call in calls["known"])
    known = len(calls["known"])
    yield f"system calls in the code: {known} by number, {count['no']} not implemented"
    for call in calls["known"]:
        sites = call["sites"]
        more = f" and {len(sites) - 1} more" if len(sites) > 1 else ""
        name = call["name"] or "unknown"
        note = {"no": "  not implemented", "partial": "  partial"}.get(call["supported"], "")
        if len(call["through"]) == len(sites):
            note = "  through a wrapper" + note
        yield f"  {call['number']:>5}  {name:<24} at {sites[0]:#x}{more}{note}"
    if calls["computed"]:
        first = ", ".join(f"{address:#x}" for address in calls["computed"][:3])
        yield f"         with a computed number: {len(calls['computed'])} places ({first} ...)"
    if calls["wrappers"]:
        named = [w["name"] or f"{w['address']:#x}" for w in calls["wrappers"]]
        more = " ..." if len(named) > MANY // 8 else ""
        yield f"         of them functions that get it: {', '.join(named[: MANY // 8])}{more}"
    if d["interpreter"]:
        yield "         and what its libraries make: inspect them, too"


def listing_text(image: Image, rows: Iterable[Instruction]) -> str:
    """``address  bytes  mnemonic operands``, functions headed by their names."""
    lines: list[str] = []
    for i in rows:
        name = image.where(i.address)
        if name and "+" not in name:
            lines.append(f"{name}:")
        lines.append(
            f"  {i.address:#10x}  {i.data.hex(' '):<30} {i.mnemonic} {i.operands}".rstrip()
        )
    return "\n".join(lines) + "\n"


def listing_plain(image: Image, rows: Iterable[Instruction]) -> list[dict[str, Any]]:
    """The same for JSON."""
    return [
        {
            "address": i.address,
            "bytes": i.data.hex(),
            "text": f"{i.mnemonic} {i.operands}".rstrip(),
            "where": image.where(i.address) or None,
        }
        for i in rows
    ]
