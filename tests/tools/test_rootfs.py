"""Opening root archives: compression, and one clear line when it cannot be done."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.kernel.fs.test_tarball import archive, entry, new_root
from tools import rootfs
from tools.errors import DioramaError
from tools.rootfs import unpack_root


def test_a_tar_on_the_host(tmp_path: Path) -> None:
    path = tmp_path / "root.tar.gz"
    path.write_bytes(archive((entry("etc/motd"), b"hi"), mode="w:gz"))
    root = new_root()
    assert unpack_root(str(path), root) == 1
    assert root.lookup(b"etc") is not None


def test_zstd_needs_something_that_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "root.tar.zst"
    path.write_bytes(rootfs.ZSTD_MAGIC + b"rest")
    monkeypatch.setattr(rootfs, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DioramaError, match="or the zstd program"):
        unpack_root(str(path), new_root())


def test_zstd_through_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("no zstd on this host")
    monkeypatch.setattr(rootfs, "find_spec", lambda name: None)
    plain = tmp_path / "root.tar"
    plain.write_bytes(archive((entry("x"), b"hi"), entry("d", tarfile.DIRTYPE)))
    subprocess.run([program, "-q", str(plain)], check=True)
    assert unpack_root(f"{plain}.zst", new_root()) == 2


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(DioramaError, match="--rootfs"):
        unpack_root(str(tmp_path / name), new_root())


def test_the_line_names_the_archive_and_the_member(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    path.write_bytes(archive(entry("../evil")))
    with pytest.raises(DioramaError, match=r"evil\.tar: '\.\./evil'"):
        unpack_root(str(path), new_root())
