"""Build guest programs for both CPUs: ``python -m userland.build``.

One compiler does it, ``zig cc`` from PyPI's ziglang: it carries musl and the kernel headers for
both CPUs, so no cross toolchain is needed.  (The first C++ program builds libc++ as well: a minute
per CPU, once.)  A result is cached under a hash of everything that goes into it (sources, headers,
command, compiler version), so a second build takes no time, and a changed source can never run as
its old self.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.cache import cache_directory, install_file
from tools.scratch import scratch

HERE: Final = Path(__file__).parent
ARCHES: Final = ("x86_64", "aarch64")
C_FLAGS: Final = ("-O2", "-g0", "-std=gnu11", "-Wall", "-Wextra", "-fno-sanitize=all", "-static")
CPP_FLAGS: Final = tuple("-std=c++20" if flag == "-std=gnu11" else flag for flag in C_FLAGS)
LIBRARY_FLAGS: Final = ("-O2", "-g0", "-fno-sanitize=all", "-fPIC", "-shared", "-nostdlib")
# zig's default CPU for a foreign target is the baseline; for the host it would be "native", whose
# AVX the emulated CPU does not have.
CPU_FLAGS: Final = {"x86_64": ("-mcpu=x86_64",), "aarch64": ("-mcpu=generic",)}


class BuildFailed(Exception):
    """A guest program could not be built; the message is the compiler's."""


def programs() -> list[str]:
    """Names of every program that builds for both CPUs, sorted."""
    c = {path.stem for path in (HERE / "c").glob("*.c")}
    cpp = {path.stem for path in (HERE / "cpp").glob("*.cpp")}
    asm = {path.name.split(".")[0] for path in (HERE / "asm").glob("*.s")}
    return sorted(c | cpp | asm)


def build(name: str, arch: str) -> Path:
    """The executable of program ``name`` for ``arch``."""
    assembly = HERE / "asm" / f"{name}.{arch}.s"
    if assembly.exists():
        return compile_program(name, arch, [assembly], ("-nostdlib", "-static"))
    if (HERE / "cpp" / f"{name}.cpp").exists():
        return compile_program(name, arch, [HERE / "cpp" / f"{name}.cpp"], CPP_FLAGS)
    return compile_program(name, arch, [HERE / "c" / f"{name}.c"], C_FLAGS)


def build_source(name: str, arch: str, source: str, flags: Sequence[str] = C_FLAGS) -> Path:
    """The executable of a C program given as text: for a test that needs just these lines."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    file = install_file(cache_directory() / "source" / f"{name}-{digest}.c", source.encode())
    return compile_program(name, arch, [file], flags)


def build_shared_library(name: str, arch: str, source: str) -> Path:
    """A shared library linked with nothing: what it needs is there where it is loaded."""
    return build_source(name, arch, source, LIBRARY_FLAGS)


def compile_program(name: str, arch: str, sources: Sequence[Path], flags: Sequence[str]) -> Path:
    """Compile and link ``sources``, unless the same was built before."""
    options = ["-target", f"{arch}-linux-musl", *CPU_FLAGS[arch], *flags, f"-I{HERE / 'c'}"]
    place = cache_directory() / "guest" / arch / f"{name}-{_digest(sources, options)}"
    if not place.exists():
        install_file(place, _compile(sources, options), 0o755)
    return place


def _digest(sources: Sequence[Path], options: Sequence[str]) -> str:
    """A hash of everything that decides what comes out."""
    hashed = hashlib.sha256(repr([_zig_version(), *options[:-1]]).encode())
    for file in [*sources, *sorted((HERE / "c").glob("*.h"))]:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()[:20]


def _compile(sources: Sequence[Path], options: Sequence[str]) -> bytes:
    """Run the compiler; returns the executable."""
    with scratch("build") as place:
        output = place / "program"
        compiler = "c++" if sources[0].suffix == ".cpp" else "cc"
        strip = () if "-g" in options else ("-s",)  # -g: a test wants the symbols
        command = [*zig(), compiler, *options, *strip, "-o", str(output), *map(str, sources)]
        # zig keeps what it built of musl; one place for all programs makes the second one quick.
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig")}
        environment["ZIG_LOCAL_CACHE_DIR"] = str(place)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise BuildFailed(f"{' '.join(command)}\n{done.stderr}")
        return output.read_bytes()


@functools.cache
def _zig_version() -> str:
    """The compiler's version; part of every hash."""
    try:
        return "ziglang " + importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        done = subprocess.run([*zig(), "version"], capture_output=True, text=True, check=True)
        return "zig " + done.stdout.strip()


def zig() -> list[str]:
    """The command that starts zig."""
    try:
        importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        found = shutil.which("zig")
        if found is None:
            raise BuildFailed("no zig: install the dev extra (pip install -e '.[dev]')") from None
        return [found]
    return [sys.executable, "-m", "ziglang"]


def main() -> int:
    """Build everything; prints what it made."""
    for arch in ARCHES:
        for name in programs():
            try:
                print(build(name, arch), flush=True)
            except BuildFailed as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
