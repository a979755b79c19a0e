"""redis from Debian's source package, static, by zig cc: ``python -m userland.redis_build``.

A large C program that is not ours, for both CPUs: an event loop over epoll, threads of its own, a
Lua interpreter, fork for saving.  Its own Makefile builds it, with the allocator of the C library;
the tree is copied first, so the fetched source stays as it is.  What is built is cached.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.cache import cache_directory, install_directory
from tools.fetch import source_directory
from tools.scratch import scratch
from userland.build import ARCHES, CPU_FLAGS, BuildFailed, zig

PROGRAMS: Final = ("redis-server", "redis-cli", "redis-benchmark")
OPTIONS: Final = ("MALLOC=libc", "USE_SYSTEMD=no", "OPTIMIZATION=-O1", "LDFLAGS=-static -s")
ENOUGH: Final = 2  # compilers at once


def build_redis(arch: str) -> Path | None:
    """The directory with the programs; None where the source was not fetched."""
    source = source_directory("redis")
    if source is None:
        return None
    digest = hashlib.sha256(repr((source.name, OPTIONS, CPU_FLAGS[arch])).encode()).hexdigest()
    place = cache_directory() / "guest" / arch / f"redis-{digest[:16]}"
    return install_directory(place, lambda into: _build(source, arch, into))


def _build(source: Path, arch: str, into: Path) -> None:
    with scratch("redis") as place:
        tree = place / "redis"
        shutil.copytree(source, tree, symlinks=True)
        tools = place / "bin"
        tools.mkdir()
        target = ["-target", f"{arch}-linux-musl", *CPU_FLAGS[arch], "-fno-sanitize=all"]
        words = {"cc": [*zig(), "cc", *target], "ar": [*zig(), "ar"], "ranlib": [*zig(), "ranlib"]}
        for name, command in words.items():
            script = tools / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        _make(tree, tools, arch, place)
        for name in PROGRAMS:
            shutil.copy2(tree / "src" / name, into / name)


def _make(tree: Path, tools: Path, arch: str, scratch: Path) -> None:
    command = [
        "make", "-C", str(tree / "src"), f"-j{ENOUGH}", *OPTIONS, "uname_S=Linux",
        f"uname_M={arch}", f"CC={tools / 'cc'}", f"AR={tools / 'ar'}",
        f"RANLIB={tools / 'ranlib'}", *PROGRAMS,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise BuildFailed(f"{shlex.join(command)}\n{done.stderr[-4000:]}")


def main() -> int:
    """Build for both CPUs; prints where."""
    for arch in ARCHES:
        place = build_redis(arch)
        if place is None:
            print("the source of redis is not fetched: python -m tools.fetch", file=sys.stderr)
            return 1
        print(place, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
