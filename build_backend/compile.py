"""Compile the C part of kernel/cpu into kernel/cpu/_engine.so.

    python -m build_backend.compile [OUTPUT]

The compiler is ``$CC``, else cc, gcc or clang, else zig from PyPI's ``ziglang``.  The result is a
plain shared library, without Python.h and not linked against libunicorn.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "kernel" / "cpu"
OUTPUT = SOURCES / "_engine.so"
FLAGS = [
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-D_GNU_SOURCE",
    "-D_DARWIN_C_SOURCE",
]


class BuildError(Exception):
    """The C part cannot be built here; the message is one line for the user."""


def check_host() -> None:
    """Raise BuildError on a host Unicorn and the C part do not run on."""
    machine = platform.machine().lower()
    if sys.platform not in ("linux", "darwin"):
        raise BuildError(f"Diorama runs on Linux and macOS hosts, not on {sys.platform}")
    if machine not in ("x86_64", "amd64", "aarch64", "arm64"):
        raise BuildError(f"Diorama runs on x86_64 and aarch64 hosts, not on {machine}")


def system_compiler() -> list[str] | None:
    """``$CC`` or the first of the usual names in PATH; None if there is none."""
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen and shutil.which(chosen[0]):
        return chosen
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    return None


def compiler() -> list[str]:
    """The command to compile with; raises BuildError if there is none."""
    found = system_compiler()
    if found:
        return found
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise BuildError("no C compiler: install gcc or clang, or `pip install ziglang`")


def build(output: Path = OUTPUT) -> Path:
    """Compile all C files of kernel/cpu into ``output``."""
    check_host()
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_suffix(f".{os.getpid()}.tmp")  # never a half-written library
    command = [*compiler(), *FLAGS, "-o", str(fresh), *sources, "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        fresh.unlink(missing_ok=True)
        raise BuildError(f"{command[0]} failed on kernel/cpu/*.c:\n{done.stderr.strip()}")
    fresh.replace(output)
    return output


def is_stale(output: Path = OUTPUT) -> bool:
    """Is the library missing or older than one of its sources?"""
    if not output.exists():
        return True
    built = output.stat().st_mtime_ns
    return any(path.stat().st_mtime_ns > built for path in SOURCES.glob("*.[ch]"))


def main() -> int:
    """Command line: compile, print where."""
    try:
        print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT))
    except BuildError as error:
        print(f"diorama: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
