"""Memory as gdb reads, writes and searches it: ``m``, ``x``, ``M``, ``X``, ``qSearch:memory``.

It is that of the selected process, whatever its protections; breakpoints are not seen in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.gdb import words
from tools.gdb.packets import PACKET_SIZE, escape, unescape

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.mm.address_space import AddressSpace
    from tools.gdb.stub import Stub

_EFAULT: Final = 14
_ESRCH: Final = 3
_CHUNK: Final = 1 << 16
_LONGEST_SEARCH: Final = 1 << 32


def _space(stub: Stub) -> AddressSpace | None:
    task = stub.thread
    return task.mm if task is not None else None


def read(stub: Stub, packet: bytes) -> bytes:
    """``m ADDRESS,LENGTH``: hexadecimal; fewer bytes where memory ends."""
    return _read(stub, packet, words.tohex)


def read_binary(stub: Stub, packet: bytes) -> bytes:
    """``x ADDRESS,LENGTH``: ``b`` and the bytes; newer gdbs and LLDB ask so."""
    return _read(stub, packet, lambda data: b"b" + escape(data))


def _read(stub: Stub, packet: bytes, form: Callable[[bytes], bytes]) -> bytes:
    address, length = words.numbers(packet[1:], 2)
    space = _space(stub)
    if space is None:
        return words.error(_ESRCH)
    if not length:
        return form(b"") or words.OK
    data = stub.debugger.read(space, address, min(length, PACKET_SIZE // 2 - 8))
    return form(data) if data else words.error(_EFAULT)


def write(stub: Stub, packet: bytes) -> bytes:
    """``M ADDRESS,LENGTH:HEX``."""
    head, _, data = packet[1:].partition(b":")
    return _write(stub, head, words.unhex(data))


def write_binary(stub: Stub, packet: bytes) -> bytes:
    """``X ADDRESS,LENGTH:BYTES``; gdb tries it with no bytes first."""
    head, _, data = packet[1:].partition(b":")
    return _write(stub, head, unescape(data))


def _write(stub: Stub, head: bytes, data: bytes) -> bytes:
    address, length = words.numbers(head, 2)
    if length != len(data):
        raise words.Malformed(f"{length} bytes announced, {len(data)} sent")
    space = _space(stub)
    if space is None:
        return words.error(_ESRCH)
    done = stub.debugger.write(space, address, data) if data else 0
    return words.OK if done == length else words.error(_EFAULT)


def search(stub: Stub, packet: bytes) -> bytes:
    """``qSearch:memory:ADDRESS;LENGTH;PATTERN``: ``1,ADDRESS`` or ``0``."""
    parts = packet.removeprefix(b"qSearch:memory:").split(b";", 2)
    if len(parts) != 3:
        raise words.Malformed("qSearch:memory needs three parts")
    address, length = words.number(parts[0]), words.number(parts[1])
    pattern = unescape(parts[2])
    space = _space(stub)
    if space is None or not pattern or length > _LONGEST_SEARCH:
        return words.error(_ESRCH if space is None else 22)  # EINVAL
    found = _find(stub, space, address, address + length, pattern)
    return b"0" if found is None else b"1,%x" % found


def _find(stub: Stub, space: AddressSpace, at: int, end: int, pattern: bytes) -> int | None:
    """The first place of ``pattern`` in [at, end), where memory is there without a gap."""
    kept = b""
    while at < end:
        wanted = min(_CHUNK, end - at)
        data = stub.debugger.read(space, at, wanted)
        window = kept + data
        place = window.find(pattern)
        if place >= 0:
            return at - len(kept) + place
        if len(data) < wanted:
            return None
        kept = window[len(window) - len(pattern) + 1 :] if len(pattern) > 1 else b""
        at += wanted
    return None
