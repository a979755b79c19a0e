"""Printers of the newer calls about scheduling and futexes: sched_attr, futex_waitv."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from tools.tracer.names import CONSTANTS, Flags
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

_FIRST_SIZE: Final = 48
_PAGE: Final = 4096
_ATTR: Final = Struct("<IIQiIQQQ")
_CLAMPS: Final = Struct("<II")
_ATTR_FLAGS: Final = Flags(
    {
        "SCHED_FLAG_RESET_ON_FORK": 1,
        "SCHED_FLAG_RECLAIM": 2,
        "SCHED_FLAG_DL_OVERRUN": 4,
        "SCHED_FLAG_KEEP_POLICY": 8,
        "SCHED_FLAG_KEEP_PARAMS": 0x10,
        "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
        "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
    },
    "SCHED_FLAG_???",
    width=0xFFFFFFFFFFFFFFFF,
)
_NAMES: Final = (
    "sched_policy", "sched_flags", "sched_nice", "sched_priority", "sched_runtime",
    "sched_deadline", "sched_period",
)  # fmt: skip
_WAITV: Final = Struct("<QQII")
_WAITV_FLAGS: Final = Flags({"FUTEX_32": 2, "FUTEX_PRIVATE_FLAG": 128}, "FUTEX_???")
_LONGEST: Final = 32


@shows("*sched_attr")
def sched_attr(call: Call, i: int) -> str:
    """``{size=48, sched_policy=SCHED_OTHER, ...}``, as far as its size goes."""
    where = call.values[i]
    head = call.read(where, 4)
    if head is None:
        return address(where)
    size = int.from_bytes(head, "little")
    told = size or _FIRST_SIZE
    if not _FIRST_SIZE <= told <= _PAGE:
        return fields((("size", str(size)),))
    found = call.unpack(_ATTR, where)
    if found is None:
        return address(where)
    texts = [CONSTANTS["sched"].text(found[1]), _ATTR_FLAGS.text(found[2]), *map(str, found[3:])]
    pairs = [("size", str(size)), *zip(_NAMES, texts, strict=True)]
    clamps = call.unpack(_CLAMPS, where + _ATTR.size) if told >= _ATTR.size + 8 else None
    if clamps is not None:
        pairs += [("sched_util_min", f"{clamps[0]:#x}"), ("sched_util_max", f"{clamps[1]:#x}")]
    return fields(pairs, more=told > _ATTR.size + 8)


@shows("*futex_waitv")
def futex_waitv(call: Call, i: int) -> str:
    """``[{val=0, uaddr=0x7f.., flags=FUTEX_32|FUTEX_PRIVATE_FLAG}]``."""
    where, count = call.values[i], call.values[i + 1]
    if not where:
        return address(where)
    words: list[str] = []
    for index in range(min(count, _LONGEST)):
        found = call.unpack(_WAITV, where + index * _WAITV.size)
        if found is None:
            return address(where) if not index else sequence([*words, "..."])
        words.append(_word(*found))
    return sequence([*words, "..."] if count > _LONGEST else words)


def _word(value: int, where: int, flags: int, reserved: int) -> str:
    pairs = [("val", hexadecimal(value)), ("uaddr", address(where))]
    pairs.append(("flags", _WAITV_FLAGS.text(flags)))
    if reserved:
        pairs.append(("__reserved", f"{reserved:#x}"))
    return fields(pairs)
