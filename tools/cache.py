"""The cache directory, and how things appear in it: whole or not at all.

``${XDG_CACHE_HOME:-~/.cache}/diorama`` holds what was fetched and what was built.  Two processes
may fill it at once (two test workers, two shells), so a thing is made beside its place and
renamed into it; who comes second finds it there and throws its own away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_directory() -> Path:
    """Where fetched and built things live; the XDG base directory specification's place."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "diorama"


def install_directory(place: Path, fill: Callable[[Path], None]) -> Path:
    """Make the directory ``place`` by ``fill(temporary directory)``, unless it is there."""
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        fill(making)
        making.chmod(0o755)  # mkdtemp's 0700 would shut out a cache shared by a group
        try:
            making.rename(place)
        except OSError:
            if not place.is_dir():  # anything else than somebody having been faster
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return place


def install_file(place: Path, data: bytes, mode: int = 0o644) -> Path:
    """Write ``data`` to ``place`` so that no reader ever sees half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.rename(name, place)
    except BaseException:
        os.unlink(name)
        raise
    return place


def install_link(place: Path, target: Path) -> Path:
    """Make ``place`` a symbolic link to ``target``, whatever was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        link = Path(scratch, place.name)
        link.symlink_to(target)
        link.rename(place)
    return place
