"""What a program finds on its stack.  From high to low addresses:

    top      8 zero bytes
             the path that was executed (AT_EXECFN)
             environment strings, argument strings (each ending in a zero byte)
             the platform's name, 16 random bytes, alignment
             auxiliary vector, environment pointers, 0, argument pointers, 0
    sp ->    argument count          (16-aligned)

The picture is made as one byte string and written with one copy.  Linux analogue:
``copy_strings`` in fs/exec.c and ``create_elf_tables``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from loader.auxv import pack_auxv, with_pointers

RANDOM_BYTES: Final = 16


class StackImage(NamedTuple):
    """The bytes to write at ``sp``, up to the stack's top, and what mm fields follow from them."""

    sp: int
    data: bytes
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int
    auxv: bytes


def _addresses(start: int, strings: Sequence[bytes]) -> list[int]:
    """Where each of the strings is, laid one behind the other from ``start``."""
    addresses = []
    for string in strings:
        addresses.append(start)
        start += len(string) + 1
    return addresses


def stack_image(
    top: int,
    argv: Sequence[bytes],
    envp: Sequence[bytes],
    execfn: bytes,
    platform: bytes,
    random: bytes,
    auxv: list[tuple[int, int]],
) -> StackImage:
    """The stack of a new program that ends at ``top``; an empty argv becomes one empty argument."""
    argv = argv or (b"",)
    strings = b"".join(string + b"\0" for string in (*argv, *envp))
    tail = strings + execfn + b"\0" + bytes(8)
    arg_start = top - len(tail)
    args = _addresses(arg_start, argv)
    env_start = args[-1] + len(argv[-1]) + 1
    env = _addresses(env_start, envp)
    execfn_at = arg_start + len(strings)

    platform_at = (arg_start & -16) - len(platform) - 1
    random_at = platform_at - RANDOM_BYTES
    vector = pack_auxv(with_pointers(auxv, random_at, execfn_at, platform_at))
    words = (len(argv), *args, 0, *env, 0)
    sp = (random_at - len(vector) - 8 * len(words)) & -16
    low = struct.pack(f"<{len(words)}Q", *words) + vector
    data = low + bytes(random_at - sp - len(low)) + random + platform + b"\0"
    data += bytes(arg_start - sp - len(data)) + tail
    return StackImage(sp, data, arg_start, env_start, env_start, execfn_at, vector)
