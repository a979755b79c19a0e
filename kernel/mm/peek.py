"""Another process's memory, whatever its rights: what a debugger and /proc/PID/mem need.

The pages are those the process itself would get, so what is written is seen by it at once; code
that was translated from an old content is dropped.  See ptrace(2), proc(5) on /proc/PID/mem, and
Linux's ``access_process_vm``.
"""

from __future__ import annotations

from kernel.mm.fault import force_page
from kernel.mm.physical import PAGE_MASK, PAGE_SIZE
from kernel.mm.space import USER_TOP, Space


def peek(space: Space, address: int, n: int) -> bytes:
    """Up to n bytes; fewer, perhaps none, where nothing is mapped."""
    parts = []
    while n > 0 and 0 <= address < USER_TOP:
        frame = force_page(space, address, False)
        if not frame:
            break
        offset = address & PAGE_MASK
        length = min(PAGE_SIZE - offset, n)
        parts.append(bytes(space.frames.view(frame)[offset : offset + length]))
        address += length
        n -= length
    return b"".join(parts)


def poke(space: Space, address: int, data: bytes) -> int:
    """Write bytes, also where the process itself may not; returns how many were written."""
    done = 0
    while done < len(data) and 0 <= address < USER_TOP:
        frame = force_page(space, address, True)
        if not frame:
            break
        offset = address & PAGE_MASK
        length = min(PAGE_SIZE - offset, len(data) - done)
        space.frames.writable(frame)[offset : offset + length] = data[done : done + length]
        address += length
        done += length
    return done
