"""Packages of the npm registry: the npm client gets them where there is one, else HTTPS does.

Only packed files that hold a finished program are wanted; no script of a package is ever run.
What comes is checked against the SHA-256 of the list before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.cache import cache_directory
from tools.debian import FetchFailed
from tools.scratch import scratch

REGISTRY: Final = "https://registry.npmjs.org"
TIMEOUT: Final = 120


@dataclass(frozen=True, slots=True)
class NpmEntry:
    """One package for one CPU; ``name`` as tests call it, ``package`` as the registry does."""

    name: str
    package: str
    version: str
    arch: str
    sha256: str
    tests: str

    @property
    def place(self) -> Path:
        """Where it is unpacked."""
        return cache_directory() / "npm" / self.arch / f"{self.name}-{self.version}"


def fetch_package(entry: NpmEntry, into: Path) -> None:
    """Download, check, unpack."""
    with scratch("npm") as place:
        file = _with_npm(entry, place) if shutil.which("npm") else _with_https(entry)
    found = hashlib.sha256(file).hexdigest()
    if found != entry.sha256:
        raise FetchFailed(f"{entry.package} {entry.version}: sha256 is {found}")
    _unpack(file, into)


def _with_npm(entry: NpmEntry, scratch: Path) -> bytes:
    command = ["npm", "pack", "--silent", "--ignore-scripts", f"{entry.package}@{entry.version}"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    packed = sorted(scratch.glob("*.tgz"))
    if done.returncode or len(packed) != 1:
        said = done.stderr.strip().splitlines() or ["npm failed"]
        raise FetchFailed(f"cannot fetch {entry.package} {entry.version}: {said[-1]}")
    return packed[0].read_bytes()


def _with_https(entry: NpmEntry) -> bytes:
    base = entry.package.rpartition("/")[2]
    url = f"{REGISTRY}/{entry.package}/-/{base}-{entry.version}.tgz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            data: bytes = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise FetchFailed(f"cannot fetch {url}: {error}") from None
    return data


def _unpack(file: bytes, into: Path) -> None:
    with tempfile.TemporaryFile() as packed:
        packed.write(file)
        packed.seek(0)
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            archive.extractall(into, filter="data")
