"""What a file does not say in a header: its language, and how it was hardened.

A language shows in what its runtime cannot do without: Go's tables, Rust's mangled names and panic
messages, the C++ runtime's symbols, the notes compilers leave in ``.comment``.
"""

from __future__ import annotations

import re

from tools.elfview import golang
from tools.elfview.facts import Plain
from tools.elfview.image import Image

DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 0x8, 0x1, 0x0800_0000
GO_SECTIONS = (".gopclntab", ".go.buildinfo", ".note.go.buildid", ".data.rel.ro.gopclntab")
RUST_SYMBOL = re.compile(r"^_R[A-Z]|17h[0-9a-f]{16}E$|^rust_")
RUST_TEXT = (b"/rustc/", b"library/std/src/", b"RUST_BACKTRACE")
FORTIFIED = re.compile(r"__\w+_chk$")
"""glibc's checked twins of functions, which -D_FORTIFY_SOURCE puts in their places."""
CXX_TEXT = (b"libstdc++.so", b"libc++.so", b"N10__cxxabiv1")


def language(image: Image) -> Plain:
    """``{"name", "because", "compiler"}``."""
    comment = image.section(".comment")
    compiler = ""
    if comment is not None:
        texts = [t.decode(errors="replace") for t in comment.data().split(b"\0") if t]
        compiler = "; ".join(dict.fromkeys(texts))
    name, because = _language(image, compiler)
    if name == "Go":
        compiler = "; ".join(filter(None, (golang.compiler(image), compiler)))
    return {"name": name, "because": because, "compiler": compiler or None}


def _language(image: Image, compiler: str) -> tuple[str, str]:
    for wanted in GO_SECTIONS:
        if image.section(wanted) is not None:
            return "Go", f"section {wanted}"
    if b"\xff Go buildinf:" in image.data or b"Go build ID:" in image.data:
        return "Go", "Go's build information"
    for name in image.symbol_names:
        if RUST_SYMBOL.search(name):
            return "Rust", "Rust's names of functions"
    if "rustc" in compiler:
        return "Rust", "the compiler's note"
    if sum(text in image.data for text in RUST_TEXT) >= 2:
        return "Rust", "strings of its standard library"
    if any(name.startswith(("_ZNSt", "_ZSt", "__cxa_throw")) for name in image.symbol_names):
        return "C++", "symbols of its standard library"
    if any(text in image.data for text in CXX_TEXT):
        return "C++", "strings of its runtime"
    if {"main", "__libc_start_main"} & image.symbol_names:
        return "C", "a C library's start"
    if compiler:
        return "C", "the compiler's note"
    if b"GLIBC_" in image.data or b"libc.so" in image.data or b"musl" in image.data:
        return "C", "strings of a C library"
    return "unknown", "nothing tells"


def hardening(image: Image, dynamic: Plain | None) -> Plain:
    """NX, PIE, RELRO, stack canaries and FORTIFY, as checksec names them."""
    stack = next((s for s in image.segments if s["p_type"] == "PT_GNU_STACK"), None)
    wx = any(s["p_type"] == "PT_LOAD" and s["p_flags"] & 3 == 3 for s in image.segments)
    canary = {"__stack_chk_fail", "__stack_chk_guard", "__intel_security_cookie"}
    stripped = not any(s["sh_type"] == "SHT_SYMTAB" for s in image.sections)
    has_canary = bool(canary & image.symbol_names) or b"stack smashing detected" in image.data
    checked = sorted(name for name in image.symbol_names if FORTIFIED.match(name))
    has_fortify = bool(checked) or b"buffer overflow detected" in image.data
    return {
        "nx": not (stack is not None and stack["p_flags"] & 1) and not wx,
        "pie": image.elf.header["e_type"] == "ET_DYN" and _is_program(image, dynamic),
        "relro": _relro(image, dynamic),
        # Without symbols a canary leaves no trace that is sure.
        "canary": True if has_canary else None if stripped else False,
        "fortify": True if has_fortify else None if stripped and dynamic is None else False,
        "fortified": [name.removeprefix("__").removesuffix("_chk") for name in checked],
        "stripped": stripped,
    }


def _tag(dynamic: Plain | None, name: str) -> int | None:
    tags = dynamic["tags"] if dynamic is not None else []
    return next((int(t["value"]) for t in tags if t["tag"] == name), None)


def _relro(image: Image, dynamic: Plain | None) -> str:
    if not any(s["p_type"] == "PT_GNU_RELRO" for s in image.segments):
        return "none"
    now = (
        dynamic is None
        or _tag(dynamic, "BIND_NOW") is not None
        or (_tag(dynamic, "FLAGS") or 0) & DF_BIND_NOW
        or (_tag(dynamic, "FLAGS_1") or 0) & DF_1_NOW
        # A static PIE relocates itself before main; nothing is bound later.
        or not dynamic["needed"]
    )
    return "full" if now else "partial"


def _is_program(image: Image, dynamic: Plain | None) -> bool:
    """A shared library is ET_DYN too; a PIE has an interpreter or says so."""
    interpreter = any(s["p_type"] == "PT_INTERP" for s in image.segments)
    return (
        interpreter
        or bool((_tag(dynamic, "FLAGS_1") or 0) & DF_1_PIE)
        or (dynamic is not None and not dynamic["soname"] and bool(image.elf.header["e_entry"]))
    )
