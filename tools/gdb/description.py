"""Target descriptions: which registers there are, in XML for gdb and as a table for us.

The order of the table is gdb's numbering.  Names, types and sizes are those of gdb's own
``features/i386/64bit-*.xml`` and ``features/aarch64-*.xml``: it knows a feature by its name and
refuses one whose registers are not what it expects.
"""

from __future__ import annotations

from typing import Final, NamedTuple

GENERAL: Final = "general"
"""A register of ``Arch.register_names``."""
FP: Final = "fp"
"""Bytes of the floating-point image."""
CONSTANT: Final = "constant"
"""Never changes; writing it is ignored."""
ORIGINAL: Final = "original"
"""The number of the system call the task is in, or -1."""
TAGS: Final = "tags"
"""x87's tag word, which FXSAVE abridges."""


class Slot(NamedTuple):
    """One register as gdb sees it.

    ``source``: where its value is, with ``key`` (a name; an offset in the image; the constant) and
    ``size``, the bytes it has there; ``bits`` may be more.
    """

    name: str
    bits: int
    type: str
    source: str
    key: str | int
    size: int = 0
    group: str = ""


class Feature(NamedTuple):
    """A group of registers with a name gdb knows."""

    name: str
    types: str
    slots: tuple[Slot, ...]


class Description(NamedTuple):
    """All of one CPU.  ``expedited``: sent with every stop: frame, stack, program counter.

    ``steps_off_watch``: gdb takes this CPU to report a watched access before it is made, and makes
    one step to see it done.
    """

    architecture: str
    features: tuple[Feature, ...]
    expedited: tuple[str, ...]
    steps_off_watch: bool

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every register, in gdb's order."""
        return tuple(slot for feature in self.features for slot in feature.slots)


def _general(names: str, kind: str = "int64", bits: int = 64) -> tuple[Slot, ...]:
    return tuple(Slot(name, bits, kind, GENERAL, name, 8) for name in names.split())


def _vector(name: str, element: str, count: int) -> str:
    return f'<vector id="{name}" type="{element}" count="{count}"/>'


def _union(name: str, fields: tuple[tuple[str, str], ...]) -> str:
    """A union of types that are there already: (field, type)."""
    inner = "".join(f'<field name="{field}" type="{kind}"/>' for field, kind in fields)
    return f'<union id="{name}">{inner}</union>'


def _x86_vector() -> str:
    """vec128: ``$xmm0.v4_float`` and so on."""
    parts = (
        ("v4_float", "v4f", "ieee_single", 4), ("v2_double", "v2d", "ieee_double", 2),
        ("v16_int8", "v16i8", "int8", 16), ("v8_int16", "v8i16", "int16", 8),
        ("v4_int32", "v4i32", "int32", 4), ("v2_int64", "v2i64", "int64", 2),
    )  # fmt: skip
    vectors = "".join(_vector(kind, element, count) for _, kind, element, count in parts)
    fields = (*((field, kind) for field, kind, _, _ in parts), ("uint128", "uint128"))
    return vectors + _union("vec128", fields)


def _arm_vector() -> str:
    """aarch64v: ``$v0.d.u``: by width, then as float, unsigned, signed."""
    widths = (
        ("d", 2, (("f", "ieee_double"), ("u", "uint64"), ("s", "int64"))),
        ("s", 4, (("f", "ieee_single"), ("u", "uint32"), ("s", "int32"))),
        ("h", 8, (("f", "ieee_half"), ("u", "uint16"), ("s", "int16"))),
        ("b", 16, (("u", "uint8"), ("s", "int8"))),
        ("q", 1, (("u", "uint128"), ("s", "int128"))),
    )
    text = ""
    for width, count, kinds in widths:
        text += "".join(_vector(f"v{width}{kind}", element, count) for kind, element in kinds)
        text += _union(f"vn{width}", tuple((kind, f"v{width}{kind}") for kind, _ in kinds))
    return text + _union("aarch64v", tuple((width, f"vn{width}") for width, _, _ in widths))


def _flags(name: str, bits: str) -> str:
    """``NAME:FIRST[-LAST]`` words as a flags type."""
    fields = []
    for word in bits.split():
        field, _, place = word.partition(":")
        first, _, last = place.partition("-")
        fields.append(f'<field name="{field}" start="{first}" end="{last or first}"/>')
    return f'<flags id="{name}" size="4">{"".join(fields)}</flags>'


_X86_CONTROL: Final = (
    ("fctrl", FP, 0, 2), ("fstat", FP, 2, 2), ("ftag", TAGS, 4, 1), ("fiseg", FP, 12, 2),
    ("fioff", FP, 8, 4), ("foseg", FP, 20, 2), ("fooff", FP, 16, 4), ("fop", FP, 6, 2),
)  # fmt: skip
_SEGMENTS: Final = {"cs": 0x33, "ss": 0x2B, "ds": 0, "es": 0, "fs": 0, "gs": 0}

X86_64: Final = Description(
    "i386:x86-64",
    (
        Feature(
            "org.gnu.gdb.i386.core",
            _flags(
                "i386_eflags",
                "CF:0 PF:2 AF:4 ZF:6 SF:7 TF:8 IF:9 DF:10 OF:11 NT:14 RF:16 VM:17 AC:18 VIF:19 "
                "VIP:20 ID:21",
            ),
            (
                *_general("rax rbx rcx rdx rsi rdi"),
                *_general("rbp rsp", "data_ptr"),
                *_general("r8 r9 r10 r11 r12 r13 r14 r15"),
                *_general("rip", "code_ptr"),
                *_general("eflags", "i386_eflags", 32),
                *(Slot(name, 32, "int32", CONSTANT, at) for name, at in _SEGMENTS.items()),
                *(Slot(f"st{n}", 80, "i387_ext", FP, 32 + 16 * n, 10) for n in range(8)),
                *(
                    Slot(name, 32, "int", source, at, size, "float")
                    for name, source, at, size in _X86_CONTROL
                ),
            ),
        ),
        Feature(
            "org.gnu.gdb.i386.sse",
            _x86_vector()
            + _flags(
                "i386_mxcsr",
                "IE:0 DE:1 ZE:2 OE:3 UE:4 PE:5 DAZ:6 IM:7 DM:8 ZM:9 OM:10 UM:11 PM:12 FZ:15",
            ),
            (
                *(Slot(f"xmm{n}", 128, "vec128", FP, 160 + 16 * n, 16) for n in range(16)),
                Slot("mxcsr", 32, "i386_mxcsr", FP, 24, 4, "vector"),
            ),
        ),
        Feature(
            "org.gnu.gdb.i386.linux",
            "",
            (Slot("orig_rax", 64, "int", ORIGINAL, 0, 8, "system"),),
        ),
        Feature("org.gnu.gdb.i386.segments", "", _general("fs_base gs_base", "int")),
    ),
    ("rbp", "rsp", "rip"),
    steps_off_watch=False,
)

AARCH64: Final = Description(
    "aarch64",
    (
        Feature(
            "org.gnu.gdb.aarch64.core",
            _flags(
                "cpsr_flags",
                "SP:0 EL:2-3 nRW:4 F:6 I:7 A:8 D:9 BTYPE:10-11 SSBS:12 IL:20 SS:21 V:28 C:29 Z:30 "
                "N:31",
            ),
            (
                *_general(" ".join(f"x{n}" for n in range(31)), "int"),
                *_general("sp", "data_ptr"),
                *_general("pc", "code_ptr"),
                Slot("cpsr", 32, "cpsr_flags", GENERAL, "pstate", 8),
            ),
        ),
        Feature(
            "org.gnu.gdb.aarch64.fpu",
            _arm_vector(),
            (
                *(Slot(f"v{n}", 128, "aarch64v", FP, 8 + 16 * n, 16) for n in range(32)),
                Slot("fpsr", 32, "int", FP, 0, 4),
                Slot("fpcr", 32, "int", FP, 4, 4),
            ),
        ),
        Feature(
            "org.gnu.gdb.aarch64.tls",
            "",
            (Slot("tpidr", 64, "data_ptr", GENERAL, "tpidr", 8),),
        ),
    ),
    ("x29", "sp", "pc"),
    steps_off_watch=True,
)

DESCRIPTIONS: Final = {"x86_64": X86_64, "aarch64": AARCH64}


def to_xml(description: Description) -> bytes:
    """``target.xml``.  See "Target Description Format" in gdb's manual."""
    lines = [
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">',
        f"<architecture>{description.architecture}</architecture><osabi>GNU/Linux</osabi>",
    ]
    number = 0
    for feature in description.features:
        lines.append(f'<feature name="{feature.name}">{feature.types}')
        for slot in feature.slots:
            group = f' group="{slot.group}"' if slot.group else ""
            lines.append(
                f'<reg name="{slot.name}" bitsize="{slot.bits}" type="{slot.type}"'
                f' regnum="{number}"{group}/>'
            )
            number += 1
        lines.append("</feature>")
    lines.append("</target>")
    return "\n".join(lines).encode()
