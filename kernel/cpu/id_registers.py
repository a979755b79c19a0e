"""What ``mrs`` of an identification register answers on the emulated aarch64.

The hardware lets only the kernel read these; Linux emulates the read for user code and shows a
filtered view (Documentation/arch/arm64/cpu-feature-registers.rst).  So do we, in C, from this
table.  It shows what the Cortex-A72 model has and nothing of the rest.
"""

from __future__ import annotations

from array import array
from typing import Final

MIDR: Final = (0, 0)
MPIDR: Final = (0, 5)
ID_AA64PFR0: Final = (4, 0)
ID_AA64DFR0: Final = (5, 0)
ID_AA64ISAR0: Final = (6, 0)

CORTEX_A72: Final[dict[tuple[int, int], int]] = {
    MIDR: 0x410FD083,
    MPIDR: 0x80000000,
    ID_AA64PFR0: 0x11,  # 64-bit only at EL0 and EL1; FP and AdvSIMD are there (0)
    ID_AA64DFR0: 0x6,  # debug architecture v8, the value Linux always shows
    ID_AA64ISAR0: 0x11120,  # AES with PMULL, SHA1, SHA2, CRC32
}
"""(CRm, op2) of S3_0_C0_CRm_op2 to value; all others read as zero."""

MAX: Final[dict[tuple[int, int], int]] = {
    **CORTEX_A72,
    MIDR: 0x000F0510,
    ID_AA64PFR0: 0x110011,  # half precision
    ID_AA64ISAR0: 0x0021111110212120 & ~(0xF << 52),
}


def table(values: dict[tuple[int, int], int]) -> array[int]:
    """The 64 words the C part indexes with ``CRm << 3 | op2``."""
    words = array("Q", bytes(64 * 8))
    for (crm, op2), value in values.items():
        words[crm << 3 | op2] = value
    return words
