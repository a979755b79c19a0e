"""Get what tests need, once, before they run offline: ``python -m tools.fetch``.

The list is ``fetch.toml``, nothing else names a download.  Wheels are pinned by version and
SHA-256 and fetched by pip; Debian packages are named and fetched by apt, which checks them, and
their versions are printed.  Everything lands in the cache directory.  What cannot be fetched
fails the run: a test suite that quietly does less is worse than one that stops.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tools.cache import cache_directory, install_directory, install_file, install_link
from tools.debian import (
    VERSION_FILE,
    FetchFailed,
    fetch_packages,
    fetch_source,
    package_directory,
    package_version,
)
from tools.npm import NpmEntry, fetch_package
from tools.scratch import scratch

LIST: Final = Path(__file__).with_name("fetch.toml")
CONFIGURATION: Final = {  # of a root: what Debian's installer writes into /etc
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
HOST_CPU: Final = {"arm64": "aarch64", "AMD64": "x86_64"}.get(
    platform.machine(), platform.machine()
)
LOADERS: Final = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}


@dataclass(frozen=True, slots=True)
class DebianEntry:
    """One package for one CPU; ``program`` names the oracle that may be on PATH already."""

    package: str
    arch: str
    tests: str
    program: str | None = None
    path: str = ""
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RootEntry:
    """Debian packages of one CPU, laid over each other: a root file system for ``--rootfs``.

    With a ``program`` it is for the host: that program and everything it needs.
    """

    name: str
    arch: str
    packages: tuple[str, ...]
    tests: str
    program: str | None = None  # an oracle to be run out of this root
    path: str = ""

    @property
    def place(self) -> Path:
        """Where it is laid out; other contents are another place."""
        content = repr((self.packages, CONFIGURATION))
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        return cache_directory() / "roots" / self.arch / f"{self.name}-{digest}"


@dataclass(frozen=True, slots=True)
class WheelEntry:
    """One wheel for one CPU."""

    name: str
    version: str
    arch: str
    platform: str
    sha256: str
    tests: str

    @property
    def place(self) -> Path:
        """Where it is unpacked."""
        return cache_directory() / "wheels" / self.arch / f"{self.name}-{self.version}"


def _table() -> dict[str, Any]:
    """The list as TOML gives it; Any, because its shape is checked by the two readers below."""
    return tomllib.loads(LIST.read_text(encoding="utf-8"))


def debian_entries() -> Iterator[DebianEntry]:
    """The packages of the list, one entry per CPU."""
    for row in _table()["debian"]:
        for cpu in row["cpus"]:
            arch = HOST_CPU if cpu == "host" else cpu
            yield DebianEntry(
                package=row["package"],
                arch=arch,
                tests=row["tests"],
                program=row.get("program", {}).get(arch),
                path=row.get("path", ""),
                libraries=tuple(row.get("libraries", ())),
            )


def root_entries() -> Iterator[RootEntry]:
    """The roots of the list, one entry per CPU."""
    for row in _table()["root"]:
        for cpu in row["cpus"]:
            arch = HOST_CPU if cpu == "host" else cpu
            packages = [name.format(gnu_cpu=arch.replace("_", "-")) for name in row["packages"]]
            program, path = row.get("program"), row.get("path", "")
            yield RootEntry(row["name"], arch, tuple(packages), row["tests"], program, path)


def wheel_entries() -> Iterator[WheelEntry]:
    """The wheels of the list."""
    for row in _table()["wheel"]:
        yield WheelEntry(**row)


def npm_entries() -> Iterator[NpmEntry]:
    """The npm packages of the list."""
    for row in _table()["npm"]:
        yield NpmEntry(**row)


def npm_directory(name: str, arch: str) -> Path | None:
    """Where the npm package of that name and CPU was unpacked, if it was."""
    for entry in npm_entries():
        if entry.name == name and entry.arch == arch and entry.place.is_dir():
            return entry.place
    return None


def wheel_directory(name: str, arch: str) -> Path | None:
    """Where the wheel of that name and CPU was unpacked, if it was."""
    for entry in wheel_entries():
        if entry.name == name and entry.arch == arch and entry.place.is_dir():
            return entry.place
    return None


def source_directory(package: str) -> Path | None:
    """The unpacked source of a Debian package on the list, or None if it was not fetched."""
    place = _source_place(package)
    return place if place.is_dir() else None


def _source_place(package: str) -> Path:
    row = next(row for row in _table()["source"] if row["package"] == package)
    return cache_directory() / "debian" / "source" / f"{package}-{row['release']}"


def package_root(package: str, arch: str) -> Path | None:
    """Where the Debian package of that name and CPU was unpacked, if it was."""
    place = package_directory(package, arch)
    return place if place.is_dir() else None


def root_directory(name: str, arch: str) -> Path | None:
    """Where the root of that name and CPU was laid out, if it was."""
    for entry in root_entries():
        if entry.name == name and entry.arch == arch and entry.place.is_dir():
            return entry.place
    return None


def find_oracle(program: str) -> Path | None:
    """An oracle from PATH, else from its fetched package, else None."""
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    wrapper = cache_directory() / "bin" / program
    return wrapper if wrapper.is_file() else None


def fetch_all() -> Iterator[str]:
    """Fetch everything on the list; yields a line for each thing with its version."""
    for entry in debian_entries():
        if entry.program is not None and shutil.which(entry.program) is not None:
            yield f"{entry.program}: from PATH ({shutil.which(entry.program)})"
            continue
        places = fetch_packages([entry.package, *entry.libraries], entry.arch)
        if entry.program is not None:
            wrap(entry, places)
        yield f"{entry.package} {package_version(places[entry.package])} ({entry.arch})"
    for root in root_entries():
        if root.program is not None and shutil.which(root.program) is not None:
            yield f"{root.program}: from PATH ({shutil.which(root.program)})"
            continue
        packages = fetch_packages(root.packages, root.arch)
        install_directory(root.place, partial(_lay_out, list(packages.values())))
        if root.program is not None:
            wrap_root(root)
        yield f"root {root.name}: {len(packages)} packages ({root.arch})"
    for row in _table()["install"]:
        yield _install(row["packages"], row["program"])
    for row in _table()["source"]:
        place = _source_place(row["package"])
        install_directory(place, partial(fetch_source, row["package"], row["release"]))
        yield f"source of {row['package']} {package_version(place)}"
    for wheel in wheel_entries():
        install_directory(wheel.place, partial(_fetch_wheel, wheel))
        yield f"{wheel.name} {wheel.version} ({wheel.arch})"
    for package in npm_entries():
        install_directory(package.place, partial(fetch_package, package))
        yield f"{package.package} {package.version} ({package.arch})"


def wrap(entry: DebianEntry, places: dict[str, Path]) -> None:
    """A script that starts an unpacked program with its own libraries; a link if it needs none.

    The loader is named explicitly, because LD_LIBRARY_PATH would be seen by the program's
    children as well: strace's are what the test is about.  For the same reason PWD, which the
    shell that reads the script sets, is taken away again.
    """
    program = places[entry.package] / entry.path / str(entry.program)
    wrapper = cache_directory() / "bin" / str(entry.program)
    if not entry.libraries:
        install_link(wrapper, program)
        return
    libraries = ":".join(
        str(directory)
        for place in places.values()
        for directory in sorted({file.parent for file in place.rglob("*.so.*")})
    )
    script = (
        "#!/bin/sh\n"
        f'exec env -u PWD /{LOADERS[entry.arch]} --library-path "{libraries}" "{program}" "$@"\n'
    )
    install_file(wrapper, script.encode(), 0o755)


def wrap_root(root: RootEntry) -> None:
    """A script that starts a program out of a root of its own, C library and all.

    gdb looks for its data and for Python's library where it was configured to find them; the
    variables and the option say where they are.
    """
    place = root.place
    libraries = ":".join(
        str(directory) for directory in sorted({file.parent for file in place.rglob("lib*.so.*")})
    )
    script = (
        "#!/bin/sh\n"
        f'PYTHONHOME="{place}/usr" PYTHONDONTWRITEBYTECODE=1 exec "{place}/{LOADERS[root.arch]}" '
        f'--library-path "{libraries}" "{place}/{root.path}/{root.program}" '
        f'--data-directory="{place}/usr/share/{root.name}" "$@"\n'
    )
    install_file(cache_directory() / "bin" / str(root.program), script.encode(), 0o755)


def _lay_out(packages: list[Path], into: Path) -> None:
    """Put the files of all packages into one tree, as hard links; what dpkg would add is little."""
    for package in packages:
        shutil.copytree(package, into, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    (into / VERSION_FILE).unlink()
    for name in ("dev", "etc", "proc", "root", "sys", "tmp", "usr/bin"):
        (into / name).mkdir(parents=True, exist_ok=True)
    for name, text in CONFIGURATION.items():
        (into / "etc" / name).write_text(text, encoding="utf-8")


def _link(source: str, target: str) -> str:
    """A hard link; of a file that several packages have, the last one's."""
    Path(target).unlink(missing_ok=True)
    os.link(source, target, follow_symlinks=False)
    return target


def _fetch_wheel(wheel: WheelEntry, into: Path) -> None:
    """Download one wheel with pip, which checks its hash, and unpack it."""
    with scratch("wheel") as place:
        requirement = place / "requirement.txt"
        requirement.write_text(
            f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
        )
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--platform", wheel.platform, "-d", str(place)]
        done = subprocess.run(
            [*command, "-r", str(requirement)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["pip failed"]
            raise FetchFailed(f"cannot fetch {wheel.name} {wheel.version}: {said[-1]}")
        for file in sorted(place.glob("*.whl")):
            with zipfile.ZipFile(file) as archive:
                archive.extractall(into)
    for program in into.glob("*.data/scripts/*"):
        program.chmod(0o755)  # zip files carry no x bit that zipfile would restore


def _install(packages: Sequence[str], program: str) -> str:
    """Have apt install a program that is not on PATH; returns the line to print."""
    if shutil.which(program) is not None:
        return f"{program}: from PATH ({shutil.which(program)})"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"{program}: not here, and only root on Debian can install it; its tests skip"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        command = ["apt-get", "-q", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            why = said[-1] if said else f"status {done.returncode}"
            raise FetchFailed(f"cannot install {program}: {why}")
    return f"{program}: installed ({shutil.which(program)})"


def main() -> int:
    """Fetch, printing one line per thing."""
    try:
        for line in fetch_all():
            print(f"fetched: {line}", flush=True)
    except FetchFailed as error:
        print(f"diorama: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
