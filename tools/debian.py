"""Debian packages as an ordinary user: downloaded by apt, unpacked by Python.

apt-get is given directories of its own for everything it writes, an empty list of installed
packages, and the wanted CPU as its only one.  So it needs neither root nor a prior ``apt-get
update``, leaves the host's package system alone, and fetches for a foreign CPU as well.  What it
checks (signatures, checksums) stays checked.

A ``.deb`` is an ar(5) archive of three members (see deb(5)): ``debian-binary``, ``control.tar.*``
and ``data.tar.*``.  Owners and set-id bits need root and are dropped; nothing here runs a
package's scripts.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tools.cache import cache_directory, install_directory
from tools.errors import DioramaError
from tools.scratch import scratch

DEBIAN_CPU: Final = {"x86_64": "amd64", "aarch64": "arm64"}
AR_MAGIC: Final = b"!<arch>\n"
AR_HEADER_SIZE: Final = 60
VERSION_FILE: Final = ".version"
SOURCES: Final = (
    "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    "http://deb.debian.org/debian {release} main\n"
)


class FetchFailed(DioramaError):
    """Something could not be had; the message says what and why."""


def package_directory(package: str, arch: str) -> Path:
    """Where a package of that CPU is, or will be, unpacked."""
    return cache_directory() / "debian" / arch / package


def package_version(place: Path) -> str:
    """The version of an unpacked package, as Debian writes it."""
    return (place / VERSION_FILE).read_text(encoding="utf-8").strip()


def fetch_packages(packages: Sequence[str], arch: str) -> dict[str, Path]:
    """Directories of the named packages, downloading those that are missing."""
    places = {package: package_directory(package, arch) for package in packages}
    missing = [package for package, place in places.items() if not place.is_dir()]
    if missing:
        with scratch("apt") as place:
            _download(missing, arch, place)
            for package in missing:
                deb = _downloaded(package, place)
                install_directory(places[package], partial(_unpack, deb))
    return places


def _download(packages: Sequence[str], arch: str, scratch: Path) -> None:
    """Put the ``.deb`` files of the packages into ``scratch``."""
    apt = shutil.which("apt-get")
    if apt is None:
        names = " ".join(packages)
        raise FetchFailed(f"cannot fetch {names} for {arch}: there is no apt-get on this host")
    command = [apt, *_private_apt(scratch, DEBIAN_CPU[arch]), "-qq"]
    # An unreachable third-party source fails the update but need not matter: what counts is
    # whether the download works afterwards.
    update = _run([*command, "update"], scratch)
    download = _run([*command, "download", *packages], scratch)
    if download.returncode:
        why = "; ".join(filter(None, map(_last_error, (download, update)))) or "apt-get failed"
        raise FetchFailed(f"cannot fetch {' '.join(packages)} for {arch}: {why}")


def fetch_source(package: str, release: str, into: Path) -> None:
    """Unpack the upstream source of a Debian source package (without Debian's patches).

    Few hosts list ``deb-src``, so apt gets a list of its own; Debian's keyring checks it.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise FetchFailed(f"cannot fetch the source of {package}: there is no apt-get on this host")
    with scratch("apt") as place:
        sources = place / "sources.list"
        sources.write_text(SOURCES.format(release=release), encoding="utf-8")
        command = [apt, *_private_apt(place, "amd64"), "-qq"]
        command += [
            "-o",
            f"Dir::Etc::sourcelist={sources}",
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
        ]
        update = _run([*command, "update"], place)
        download = _run([*command, "source", "--download-only", package], place)
        found = sorted(place.glob(f"{package}_*.orig.tar.*"))
        if download.returncode or not found:
            why = "; ".join(filter(None, map(_last_error, (download, update)))) or "nothing came"
            raise FetchFailed(f"cannot fetch the source of {package}: {why}")
        with tarfile.open(found[0]) as tar:
            extract(tar, place / "tree")
        (top,) = (place / "tree").iterdir()
        shutil.copytree(top, into, symlinks=True, dirs_exist_ok=True)
        version = found[0].name.split("_")[1].partition(".orig")[0]
        (into / VERSION_FILE).write_text(version + "\n", encoding="utf-8")


def _last_error(done: subprocess.CompletedProcess[str]) -> str:
    """What apt-get complained about last, if it did."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return errors[-1] if errors else ""


def _private_apt(scratch: Path, cpu: str) -> list[str]:
    """Options that give apt-get its own world in ``scratch``."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "status").touch()
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Architecture": cpu,
        "APT::Architectures": cpu,
        "APT::Sandbox::User": "",  # stay the caller: `_apt` may not read these directories
        "Acquire::Languages": "none",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _run(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run apt-get, in English, and keep what it says."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _downloaded(package: str, scratch: Path) -> Path:
    """The ``.deb`` of a package; its name is NAME_VERSION_CPU.deb with ``:`` as ``%3a``."""
    found = sorted(scratch.glob(f"{package}_*.deb"))
    if not found:
        raise FetchFailed(f"apt-get said it downloaded {package}, but there is no such file")
    return found[0]


def _unpack(deb: Path, into: Path) -> None:
    """Unpack the files of a package, and note its version."""
    members = dict(ar_members(deb.read_bytes()))
    data = next((name for name in members if name.startswith("data.tar")), None)
    if data is None:
        raise FetchFailed(f"{deb.name}: no data.tar in it")
    archive = io.BytesIO(_decompressed(data, members[data]))
    with tarfile.open(fileobj=archive) as tar:
        extract(tar, into)
    version = deb.name.split("_")[1].replace("%3a", ":")
    (into / VERSION_FILE).write_text(version + "\n", encoding="utf-8")


def _decompressed(name: str, data: bytes) -> bytes:
    """Python's tarfile knows gz, bz2 and xz by itself; zst (Ubuntu's choice) needs zstd(1)."""
    if not name.endswith(".zst"):
        return data
    zstd = shutil.which("zstd")
    if zstd is None:
        raise FetchFailed(f"cannot unpack {name}: there is no zstd on this host")
    return subprocess.run([zstd, "-dcq"], input=data, capture_output=True, check=True).stdout


def extract(tar: tarfile.TarFile, into: Path) -> None:
    """Extract everything inside ``into`` and nothing outside it."""
    if hasattr(tarfile, "tar_filter"):
        tar.extractall(into, filter="tar")
    else:  # Python before 3.11.4
        tar.extractall(into)


def ar_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an ar(5) archive, in order."""
    if not data.startswith(AR_MAGIC):
        raise FetchFailed("not a Debian package: no ar archive")
    at = len(AR_MAGIC)
    while at + AR_HEADER_SIZE <= len(data):
        header = data[at : at + AR_HEADER_SIZE]
        name = header[:16].decode("ascii").strip().rstrip("/")
        size = int(header[48:58])
        at += AR_HEADER_SIZE
        yield name, data[at : at + size]
        at += size + (size & 1)  # members begin on even offsets
