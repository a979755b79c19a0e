"""What the CPUID instruction answers on the emulated x86_64.

These are the answers of Unicorn's default model (Haswell-like), less what must not be seen:

* AVX is not emulated (VEX-encoded code would compute garbage), so leaf 0xD offers x87 and SSE state
  only, as leaf 1 and 7 already do.
* RDRAND and RDSEED would bring randomness past the machine's one generator.

A table, not a filter, because a hook cannot ask for Unicorn's own answer.  ``/proc/cpuinfo`` and
AT_HWCAP say the same in other words (kernel.arch.x86_64).
"""

from __future__ import annotations

from array import array
from typing import Final

ANY: Final = 0xFFFFFFFF
"""Sub-leaf column: the leaf ignores ecx."""

RDRAND: Final = 1 << 30  # leaf 1, ecx
AVX: Final = 1 << 28  # leaf 1, ecx
AVX2: Final = 1 << 5  # leaf 7, ebx
RDSEED: Final = 1 << 18  # leaf 7, ebx
XSTATE_X87_SSE: Final = 0b11
XSAVE_BYTES: Final = 0x240

_VENDOR: Final = (0x756E6547, 0x6C65746E, 0x49656E69)  # ebx, ecx, edx of "GenuineIntel"

ROWS: Final[tuple[tuple[int, int, int, int, int, int], ...]] = (
    # leaf, sub-leaf, eax, ebx, ecx, edx
    (0x0, ANY, 0xD, *_VENDOR),
    (0x1, ANY, 0x306C4, 0x800, 0xCED82203 & ~RDRAND, 0x078BFBFD),
    (0x2, ANY, 0x1, 0, 0, 0x2C307D),
    (0x4, 0, 0x121, 0x1C0003F, 0x3F, 1),
    (0x4, 1, 0x122, 0x1C0003F, 0x3F, 1),
    (0x4, 2, 0x143, 0x3C0003F, 0xFFF, 1),
    (0x5, ANY, 0, 0, 3, 0),
    (0x6, ANY, 4, 0, 0, 0),
    (0x7, 0, 0, 0x389, 0, 0),  # fsgsbase, bmi1, smep, bmi2, erms
    (0xD, 0, XSTATE_X87_SSE, XSAVE_BYTES, XSAVE_BYTES, 0),
    (0xD, 1, 1, 0, 0, 0),  # xsaveopt
    (0x80000000, ANY, 0x80000008, *_VENDOR),
    (0x80000001, ANY, 0x306C4, 0, 0x21, 0x28100800),
    (0x80000002, ANY, 0x65746E49, 0x6F43206C, 0x50206572, 0x65636F72),
    (0x80000003, ANY, 0x726F7373, 0x61482820, 0x6C657773, 0x296C),
    (0x80000005, ANY, 0x1FF01FF, 0x1FF01FF, 0x40020140, 0x40020140),
    (0x80000006, ANY, 0, 0x42004200, 0x2008140, 0),
    (0x80000008, ANY, 0x3028, 0, 0, 0),
)


def table() -> array[int]:
    """The rows as the u32 the C part reads, one after the other."""
    return array("I", [word for row in ROWS for word in row])
