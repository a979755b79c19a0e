"""Machine code for the processor's tests, from assembly text, without an assembler at test time.

``assembled`` looks a text up in ``assembled.json``, which is committed.  After adding a text, run
the tests once with ``DIORAMA_ASSEMBLE=1``: what is missing is then assembled with zig and added.  A
test checks that the file still says what zig says.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

TABLE = Path(__file__).with_name("assembled.json")
_TARGETS = {
    "x86_64": ["-target", "x86_64-linux-musl", "-mcpu=skylake_avx512"],
    "aarch64": ["-target", "aarch64-linux-musl", "-mcpu=cortex_a76"],
}


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    return loaded


def assembled(arch: str, text: str) -> bytes:
    """The machine code of ``text``, instructions separated by semicolons (x86: Intel syntax)."""
    found = _table().get(arch, {}).get(text)
    if found is None:
        if "DIORAMA_ASSEMBLE" not in os.environ:
            raise LookupError(f"not in assembled.json, see assemble.py: {arch}: {text}")
        found = assemble(arch, [text])[0].hex()
        table = _table()
        table.setdefault(arch, {})[text] = found
        TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    return bytes.fromhex(found)


def assemble(arch: str, texts: list[str]) -> list[bytes]:
    """Assemble with zig, each text in a section of its own."""
    lines = [".intel_syntax noprefix"] if arch == "x86_64" else []
    for index, text in enumerate(texts):
        lines += [f'.section .t{index},"ax"', *text.split(";")]
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "a.s"), Path(place, "a.o")
        source.write_text("\n".join(lines) + "\n")
        zig = [sys.executable, "-m", "ziglang", "cc", *_TARGETS[arch], "-c"]
        subprocess.run([*zig, "-o", str(target), str(source)], check=True, cwd=place)
        with target.open("rb") as file:
            elf = ELFFile(file)
            codes = [elf.get_section_by_name(f".t{i}") for i in range(len(texts))]
            return [bytes(code.data()) for code in codes if code is not None]
