"""``-e read=SET`` and ``-e write=SET``: the bytes that went through a descriptor, in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from kernel.abi.structs import IOVEC
from tools.tracer.filters import DescriptorSet

if TYPE_CHECKING:
    from tools.tracer.view import Call

READS: Final = frozenset({"read", "pread64", "recvfrom"})
WRITES: Final = frozenset({"write", "pwrite64", "sendto"})
VECTOR_READS: Final = frozenset({"readv", "preadv", "preadv2"})
VECTOR_WRITES: Final = frozenset({"writev", "pwritev", "pwritev2"})
MOST_VECTORS: Final = 1024


NOBODY: Final = DescriptorSet("none")


def parse_dumps(expressions: Iterable[str]) -> tuple[DescriptorSet, DescriptorSet]:
    """(read, write) from the values of ``-e``.  FilterError: no such set."""
    reads = writes = NOBODY
    for expression in expressions:
        qualifier, equals, text = expression.partition("=")
        if not equals:  # a bare set of calls
            continue
        if qualifier in ("read", "reads", "r"):
            reads = DescriptorSet(text)
        elif qualifier in ("write", "writes", "w"):
            writes = DescriptorSet(text)
    return reads, writes


def dump_lines(call: Call, reads: DescriptorSet, writes: DescriptorSet) -> Iterator[str]:
    """The lines below a call that moved bytes; none for others."""
    result = call.result
    if result is None or result <= 0 or call.declaration is None:
        return
    fd = call.value(0)
    if (call.name in READS and fd in reads) or (call.name in WRITES and fd in writes):
        yield from _hexdump(call.read(call.values[1], result) or b"")
    elif (call.name in VECTOR_READS and fd in reads) or (
        call.name in VECTOR_WRITES and fd in writes
    ):
        yield from _vectors(call, result)


def _vectors(call: Call, left: int) -> Iterator[str]:
    """Each buffer of an iovec, as far as bytes went through it."""
    for index in range(min(call.value(2), MOST_VECTORS)):
        found = call.unpack(IOVEC, call.values[1] + index * IOVEC.size)
        if found is None or not left:
            return
        size = min(left, found[1])
        left -= size
        yield f" * {size} bytes in buffer {index}"
        yield from _hexdump(call.read(found[0], size) or b"")


def _hexdump(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        left, right = (part.hex(" ") for part in (row[:8], row[8:]))
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f" | {start:05x}  {left:<23}  {right:<23}  {text:<16} |"
