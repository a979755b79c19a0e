"""Temporary directories that do not stay.

``tempfile`` removes its directories at the end of a block; whoever is killed before (a test that
hung, a build that took too long) leaves them in /tmp.  Ours have a lock beside what is put there,
which goes with its process, and whoever makes one removes those that nobody locks any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = ".in-use-by-diorama"
"""Without this file a directory is none of ours, whatever its name."""


@contextmanager
def scratch(what: str) -> Iterator[Path]:
    """An empty directory below ``$TMPDIR/diorama-WHAT-...``, for the time of the block."""
    remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=f"diorama-{what}-") as name:
        place = Path(name)
        lock = _locked(place / LOCK)
        try:
            (place / "here").mkdir()
            yield place / "here"
        finally:
            os.close(lock)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock.  Somebody may sweep the place until it does."""
    while True:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return lock
        os.close(lock)


def remove_abandoned() -> None:
    """Remove the directories of processes that are no more."""
    for path in Path(tempfile.gettempdir()).glob(f"diorama-*/{LOCK}"):
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # somebody else's, or gone meanwhile
            continue
        try:
            ours = os.fstat(lock).st_uid == os.getuid() == path.parent.lstat().st_uid
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if ours:
                shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:  # in use
            pass
        finally:
            os.close(lock)
