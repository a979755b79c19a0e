"""Reading .deb archives, and the cache that receives them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tools.cache import cache_directory, install_directory, install_file
from tools.debian import FetchFailed, _unpack, ar_members, package_version


def ar(*members: tuple[str, bytes]) -> bytes:
    """An ar(5) archive as dpkg-deb writes it."""
    archive = b"!<arch>\n"
    for name, data in members:
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) & 1)
    return archive


def tar_xz(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./bin/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("./bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/bin/tool"
        tar.addfile(link)
    return stream.getvalue()


def test_ar_members_begin_on_even_offsets() -> None:
    members = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", b"x" * 9)]
    assert list(ar_members(ar(*members))) == members


def test_something_else_is_refused() -> None:
    with pytest.raises(FetchFailed, match="no ar archive"):
        list(ar_members(b"PK\x03\x04"))


def test_a_package_is_unpacked_with_its_version(tmp_path: Path) -> None:
    deb = tmp_path / "tool_1%3a2.0-3_arm64.deb"
    deb.write_bytes(ar(("debian-binary", b"2.0\n"), ("data.tar.xz", tar_xz(tool=b"#!/bin/sh\n"))))
    place = tmp_path / "root"
    place.mkdir()
    _unpack(deb, place)
    assert (place / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (place / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (place / "bin/link").readlink() == Path("/bin/tool")
    assert package_version(place) == "1:2.0-3"


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "diorama"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache/diorama"


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "thing"

    def half(into: Path) -> None:
        (into / "first").touch()
        raise FetchFailed("the line was cut")

    with pytest.raises(FetchFailed):
        install_directory(place, half)
    assert list(tmp_path.iterdir()) == []

    def faster(into: Path) -> None:
        """Somebody else finishes first."""
        place.mkdir()
        (place / "theirs").touch()
        (into / "ours").touch()

    assert install_directory(place, faster) == place
    assert [path.name for path in place.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_appears_with_its_mode(tmp_path: Path) -> None:
    file = install_file(tmp_path / "a/b", b"x", 0o755)
    assert file.read_bytes() == b"x"
    assert file.stat().st_mode & 0o777 == 0o755
    assert list(file.parent.iterdir()) == [file]
