"""Copying between the memories of two processes.  See process_vm_readv(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EFAULT

if TYPE_CHECKING:
    from kernel.mm.usercopy import UserMemory

Pieces = list[tuple[int, int]]
CHUNK: Final = 65536


def copy_memory(source: UserMemory, taken: Pieces, target: UserMemory, put: Pieces) -> int:
    """Copy the bytes of ``taken`` to where ``put`` says, in order.

    What was copied before an address was found to be bad counts; EFAULT if that is nothing.
    """
    done = 0
    places = [piece for piece in put if piece[1]]
    for address, length in taken:
        at = 0
        while at < length and places:
            where, room = places[0]
            count = min(length - at, room, CHUNK)
            try:
                target.write(where, source.read(address + at, count))
            except EFAULT:
                rest = _page_by_page(source, address + at, target, where, count)
                if done + rest:
                    return done + rest
                raise
            at += count
            done += count
            if count == room:
                places.pop(0)
            else:
                places[0] = (where + count, room - count)
    return done


def _page_by_page(
    source: UserMemory, address: int, target: UserMemory, where: int, count: int
) -> int:
    """How much of a piece can be copied before the bad page."""
    done = 0
    while done < count:
        step = min(4096 - (address + done) % 4096, 4096 - (where + done) % 4096, count - done)
        try:
            target.write(where + done, source.read(address + done, step))
        except EFAULT:
            break
        done += step
    return done
