"""Build the Rust programs with the host's rustc, for the CPUs it has a standard library for.

Statically: against musl where that target is installed, else against the host's glibc with
``crt-static``.  Where there is no rustc (or no library for the CPU) there is no program, and the
test that wanted it says so.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tools.cache import cache_directory, install_file
from tools.scratch import scratch
from userland.build import HERE, BuildFailed

LIBRARIES: Final = ("musl", "gnu")
CPU: Final = {"x86_64": "x86-64", "aarch64": "generic"}


def rust_programs() -> list[str]:
    """Names of the Rust programs, sorted."""
    return sorted(path.stem for path in (HERE / "rust").glob("*.rs"))


@functools.cache
def target(arch: str) -> str | None:
    """The best installed target for a CPU; None without rustc or without one."""
    rustc = shutil.which("rustc")
    if rustc is None:
        return None
    done = subprocess.run(
        [rustc, "--print", "sysroot"], capture_output=True, text=True, check=False
    )
    installed = Path(done.stdout.strip()) / "lib" / "rustlib"
    names = [f"{arch}-unknown-linux-{library}" for library in LIBRARIES]
    return next((name for name in names if (installed / name / "lib").is_dir()), None)


@functools.cache
def _version() -> str:
    done = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True)
    return done.stdout


def build_rust(name: str, arch: str) -> Path | None:
    """The executable of a Rust program, or None where it cannot be built."""
    chosen = target(arch)
    if chosen is None:
        return None
    source = HERE / "rust" / f"{name}.rs"
    options = ["--edition=2021", "-O", "--target", chosen, "-Ctarget-feature=+crt-static"]
    options += [f"-Ctarget-cpu={CPU[arch]}", "-Cstrip=symbols"]
    hashed = hashlib.sha256(repr([_version(), *options]).encode() + source.read_bytes())
    place = cache_directory() / "guest" / arch / f"{name}-rust-{hashed.hexdigest()[:20]}"
    if not place.exists():
        install_file(place, _compile(source, options), 0o755)
    return place


def _compile(source: Path, options: list[str]) -> bytes:
    with scratch("rust") as place:
        output = place / "program"
        command = ["rustc", *options, "-o", str(output), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(f"{' '.join(command)}\n{done.stderr}")
        return output.read_bytes()
