"""Signal numbers: gdb has its own, the same for every system.

See ``include/gdb/signals.def`` in gdb's source.
"""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = 143
TRAP: Final = 5
INT: Final = 2

_ORDINARY: Final = {
    # Linux: gdb
    1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 10, 8: 8, 9: 9, 10: 30, 11: 11, 12: 31, 13: 13, 14: 14,
    15: 15, 17: 20, 18: 19, 19: 17, 20: 18, 21: 21, 22: 22, 23: 16, 24: 24, 25: 25, 26: 26, 27: 27,
    28: 28, 29: 23, 30: 32, 31: 12,
}  # fmt: skip
_REALTIME: Final = {32: 77, **{signo: 45 + signo - 33 for signo in range(33, 64)}, 64: 78}

TO_GDB: Final = {**_ORDINARY, **_REALTIME}
FROM_GDB: Final = {theirs: ours for ours, theirs in TO_GDB.items()}


def to_gdb(signo: int) -> int:
    """gdb's number for a signal of Linux's (SIGSTKFLT has none)."""
    return TO_GDB.get(signo, UNKNOWN)


def from_gdb(number: int) -> int:
    """Linux's number for one of gdb's; 0 for those Linux does not have."""
    return FROM_GDB.get(number, 0)
