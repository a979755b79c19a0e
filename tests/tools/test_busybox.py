"""The order in which a BusyBox is looked for, without fetching anything."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import busybox
from tools.busybox import Binary, find_busybox, identify
from tools.debian import FetchFailed


def elf(machine: int, *types: int) -> bytes:
    """A file that is nothing but an ELF header and program headers of these types."""
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(types), 0, 0, 0)
    return header + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in types)


STATIC_X86 = elf(62, 1)
DYNAMIC_X86 = elf(62, 1, 3)
STATIC_ARM = elf(183, 1)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, an empty PATH, and nobody to fetch from."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DIORAMA_OFFLINE", "1")
    monkeypatch.delenv("BUSYBOX", raising=False)
    return tmp_path


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_identify(tmp_path: Path) -> None:
    assert identify(put(tmp_path / "a", STATIC_X86)) == Binary("x86_64", static=True)
    assert identify(put(tmp_path / "b", DYNAMIC_X86)) == Binary("x86_64", static=False)
    assert identify(put(tmp_path / "c", STATIC_ARM)) == Binary("aarch64", static=True)
    assert identify(put(tmp_path / "d", elf(8, 1))) == Binary("", static=True)
    assert identify(put(tmp_path / "e", b"#!/bin/sh\n")) is None
    assert identify(put(tmp_path / "f", STATIC_X86[:50])) is None
    assert identify(tmp_path / "nowhere") is None


def test_the_variable_comes_first(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world / "cache/diorama/debian/x86_64/busybox-static/bin/busybox", STATIC_X86)
    chosen = put(world / "mine", STATIC_X86)
    monkeypatch.setenv("BUSYBOX", str(chosen))
    assert find_busybox("x86_64") == chosen


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (DYNAMIC_X86, "dynamically linked"),
        (STATIC_ARM, "is for aarch64"),
        (b"text", "is no ELF"),
        (None, "no readable file"),
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error(
    world: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, problem: str
) -> None:
    put(world / "cache/diorama/debian/x86_64/busybox-static/bin/busybox", STATIC_X86)
    if content is not None:
        put(world / "mine", content)
    monkeypatch.setenv("BUSYBOX", str(world / "mine"))
    with pytest.raises(FetchFailed, match=problem):
        find_busybox("x86_64")


def test_the_cached_one_comes_before_the_hosts(world: Path) -> None:
    cached = put(world / "cache/diorama/debian/x86_64/busybox-static/bin/busybox", STATIC_X86)
    put(world / "bin/busybox", STATIC_X86)
    assert find_busybox("x86_64") == cached


def test_the_hosts_if_it_is_static_and_for_the_cpu(world: Path) -> None:
    host = put(world / "bin/busybox", STATIC_X86)
    assert find_busybox("x86_64") == host
    with pytest.raises(FetchFailed, match="DIORAMA_OFFLINE"):
        find_busybox("aarch64")
    put(host, DYNAMIC_X86)
    with pytest.raises(FetchFailed, match="DIORAMA_OFFLINE"):
        find_busybox("x86_64")


def test_fetching_is_announced(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DIORAMA_OFFLINE")
    monkeypatch.setattr(busybox, "fetch_packages", lambda names, arch: {names[0]: world / arch})
    assert find_busybox("aarch64") == world / "aarch64" / "bin/busybox"
    assert capsys.readouterr().err == "diorama: fetching Debian's busybox-static for aarch64\n"


def test_no_apt_is_one_line(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIORAMA_OFFLINE")
    with pytest.raises(FetchFailed, match=r"there is no apt-get on this host \(BUSYBOX=FILE names"):
        find_busybox("aarch64")


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_cache_of_somebody_elses(
    mode: int, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """HOME is root's for who comes by `sudo -u`: it was an internal error, or known too late."""
    monkeypatch.delenv("DIORAMA_OFFLINE")
    with tempfile.TemporaryDirectory() as place:  # tmp_path is closed to others as a whole
        os.chmod(place, 0o755)
        os.mkdir(f"{place}/cache")
        os.chmod(f"{place}/cache", mode)
        monkeypatch.setenv("XDG_CACHE_HOME", f"{place}/cache")
        assert _as_ordinary_user(_refused_for_the_cache) == 0
        os.chmod(f"{place}/cache", 0o755)
    assert capsys.readouterr().err == "", "nothing was fetched for nothing"


def _refused_for_the_cache() -> int:
    with pytest.raises(
        FetchFailed, match=r"diorama: Permission denied \(set XDG_CACHE_HOME"
    ) as why:
        find_busybox("x86_64")
    return str(why.value).count("\n")


def _as_ordinary_user(act: Callable[[], int]) -> int:
    """In a process of its own: root may do everything.  99: it raised something."""
    if (child := os.fork()) == 0:
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            os._exit(act())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
