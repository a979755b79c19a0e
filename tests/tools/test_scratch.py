"""Temporary directories: gone with the block, and those of killed processes with the next one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tools.scratch import LOCK, scratch

HOLDER = """\
from tools.scratch import scratch
with scratch("test") as place:
    (place / "large").mkdir()
    (place / "large" / "file").write_text("x")
    print(place, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def _temporary(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(work))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_it_is_empty_and_gone_afterwards(work: Path) -> None:
    with scratch("test") as place:
        assert list(place.iterdir()) == []
        (place / "file").write_text("x")
        assert work in place.parents
    assert list(work.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next(work: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        with scratch("other"):
            assert (held / "large" / "file").exists(), "it is in use"
        holder.kill()
    assert (held / "large" / "file").exists()
    with scratch("other"):
        assert not held.parent.exists()
    assert list(work.iterdir()) == []


def test_what_is_not_ours_stays(work: Path) -> None:
    (work / "diorama-apt-abcdefgh").mkdir()
    (work / "diorama-apt-abcdefgh" / "precious").write_text("x")
    (work / "elsewhere").mkdir()
    (work / "elsewhere" / LOCK).write_text("")
    (work / "diorama-link").mkdir()
    (work / "diorama-link" / LOCK).symlink_to(work / "elsewhere" / LOCK)
    with scratch("test"):
        pass
    assert {path.name for path in work.iterdir()} == {
        "diorama-apt-abcdefgh", "diorama-link", "elsewhere",
    }  # fmt: skip
    assert (work / "diorama-apt-abcdefgh" / "precious").exists()
