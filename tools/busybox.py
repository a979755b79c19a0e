"""Finding a BusyBox for a CPU.

The order is: ``$BUSYBOX`` if it is set (one that cannot be used is an error, not a reason to look
further); the cached one; the host's, if it is static and for the wanted CPU; Debian's package,
after a line that says what is fetched.  ``DIORAMA_OFFLINE=1`` stops before the last step.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tools.cache import cache_directory
from tools.debian import FetchFailed, fetch_packages, package_directory

PACKAGE: Final = "busybox-static"
PATH_IN_PACKAGE: Final = "bin/busybox"
MACHINES: Final = {62: "x86_64", 183: "aarch64"}  # e_machine, elf(5)
PT_INTERP: Final = 3
CACHE_HINT: Final = " (set XDG_CACHE_HOME to a directory of yours, or BUSYBOX to a static one)"


class Binary(NamedTuple):
    """What matters about an executable before it is loaded."""

    arch: str  # '' for a CPU that is not ours
    static: bool  # no PT_INTERP: it needs no file but itself


def identify(path: str | os.PathLike[str]) -> Binary | None:
    """Look at a file's ELF header; None if it is no 64-bit little-endian ELF, or unreadable."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
            if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
                return None
            (machine,) = struct.unpack_from("<H", header, 18)
            (offset,) = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            file.seek(offset)
            table = file.read(size * count)
    except OSError:
        return None
    types = {
        struct.unpack_from("<I", table, at)[0]
        for at in range(0, len(table) - 3, size or len(table) + 1)
    }
    return Binary(MACHINES.get(machine, ""), PT_INTERP not in types)


def find_busybox(arch: str) -> Path:
    """The path of a static BusyBox for ``arch``, fetched if need be."""
    chosen = os.environ.get("BUSYBOX")
    if chosen:
        return _usable(chosen, arch)
    cached = package_directory(PACKAGE, arch) / PATH_IN_PACKAGE
    try:
        if cached.is_file():
            return cached
    except OSError as error:  # a HOME that is somebody else's
        where = cache_directory()
        raise FetchFailed(f"cannot look into {where}: {error.strerror}{CACHE_HINT}") from None
    host = shutil.which("busybox")
    if host is not None and identify(host) == Binary(arch, static=True):
        return Path(host)
    if os.environ.get("DIORAMA_OFFLINE") == "1":
        raise FetchFailed(
            f"no BusyBox for {arch} here, and DIORAMA_OFFLINE=1 forbids fetching one; "
            "set $BUSYBOX to a static one"
        )
    try:
        cached.parents[2].mkdir(parents=True, exist_ok=True)  # or it would be fetched for nothing
        print(f"diorama: fetching Debian's {PACKAGE} for {arch}", file=sys.stderr, flush=True)
        return fetch_packages([PACKAGE], arch)[PACKAGE] / PATH_IN_PACKAGE
    except FetchFailed as error:
        raise FetchFailed(f"{error} (BUSYBOX=FILE names a static one)") from None
    except OSError as error:
        where = error.filename or cache_directory()
        reason = f"{error.strerror}{CACHE_HINT}"
        raise FetchFailed(f"cannot keep {PACKAGE} in {where}: {reason}") from None


def _usable(chosen: str, arch: str) -> Path:
    """``$BUSYBOX``, or the reason why it cannot be used."""
    binary = identify(chosen)
    if binary is None:
        problem = "is no ELF executable" if os.path.isfile(chosen) else "is no readable file"
    elif binary.arch != arch:
        problem = f"is for {binary.arch or 'another CPU'}, not {arch}"
    elif not binary.static:
        problem = "is dynamically linked; a static one is needed"
    else:
        return Path(chosen)
    raise FetchFailed(f"BUSYBOX={chosen}: {problem}")
