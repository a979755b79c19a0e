"""The list of what tests need: complete, pinned, for both CPUs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.debian import FetchFailed
from tools.fetch import (
    HOST_CPU,
    LOADERS,
    DebianEntry,
    _install,
    debian_entries,
    npm_entries,
    root_entries,
    wheel_entries,
    wrap,
    wrap_root,
)
from tools.npm import fetch_package


def test_wheels_are_pinned_by_version_and_hash() -> None:
    wheels = list(wheel_entries())
    assert {(wheel.name, wheel.arch) for wheel in wheels} >= {
        ("ruff", "x86_64"),
        ("ruff", "aarch64"),
    }
    for wheel in wheels:
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", wheel.version)
        assert wheel.tests


def test_packages_come_for_both_cpus_and_oracles_for_the_host() -> None:
    entries = list(debian_entries())
    assert {e.arch for e in entries if e.package == "busybox-static"} == {"x86_64", "aarch64"}
    assert all(e.arch == HOST_CPU for e in entries if e.program)
    assert all(e.tests for e in entries)


def test_roots_name_each_package_once_and_come_for_both_cpus() -> None:
    roots = list(root_entries())
    assert {root.arch for root in roots if root.name == "debian"} == {"x86_64", "aarch64"}
    for root in roots:
        assert len(set(root.packages)) == len(root.packages)
        assert root.tests
    assert len({root.place for root in roots}) == len(roots)


def test_a_program_with_a_root_of_its_own_is_the_hosts() -> None:
    programs = {root.program: root for root in root_entries() if root.program}
    assert programs["gdb-multiarch"].arch == HOST_CPU
    assert "gdb-multiarch" in programs["gdb-multiarch"].packages


def _unpacked(cache: Path, package: str, program: bytes) -> DebianEntry:
    """The entry of an oracle whose package is laid out in a cache."""
    entry = next(e for e in debian_entries() if e.package == package)
    file = cache / package / entry.path / str(entry.program)
    file.parent.mkdir(parents=True)
    file.write_bytes(program)
    file.chmod(0o755)
    return entry


def test_a_program_without_libraries_is_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """qemu is copied into roots that have no shell to read a script."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    entry = _unpacked(tmp_path, "qemu-user-static", b"ELF")
    found = tmp_path / "diorama" / "bin" / str(entry.program)
    found.parent.mkdir(parents=True)
    found.write_text("what an older list left here")
    wrap(entry, {entry.package: tmp_path / entry.package})
    assert found.resolve().read_bytes() == b"ELF"


def test_a_program_with_libraries_sees_its_callers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shells with PWD look where they are: more calls than a trace without it has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    entry = _unpacked(tmp_path, "strace", Path("/usr/bin/env").read_bytes())
    wrap(entry, {entry.package: tmp_path / entry.package})
    said = subprocess.run(
        [tmp_path / "diorama" / "bin" / "strace"],
        env={"PATH": "/usr/bin:/bin", "A": "b c"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(said.stdout.splitlines()) == ["A=b c", "PATH=/usr/bin:/bin"]


def test_such_a_program_is_started_with_its_own_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root whose loader shows what it is asked to load."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = next(root for root in root_entries() if root.program == "gdb-multiarch")
    loader = root.place / LOADERS[root.arch]
    library = root.place / "usr" / "lib" / "libsome.so.1"
    for file in (loader, library):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('#!/bin/sh\necho "$PYTHONHOME"; printf "%s\\n" "$@"\n')
        file.chmod(0o755)
    wrap_root(root)
    wrapper = tmp_path / "diorama" / "bin" / "gdb-multiarch"
    said = subprocess.run([wrapper, "-nx", "a b"], capture_output=True, text=True, check=True)
    place = root.place
    assert said.stdout.splitlines() == [
        f"{place}/usr",
        "--library-path",
        f"{place}/usr/lib",
        f"{place}/usr/bin/gdb-multiarch",
        f"--data-directory={place}/usr/share/gdb",
        "-nx",
        "a b",
    ]


def test_npm_packages_are_pinned_and_come_for_both_cpus() -> None:
    packages = list(npm_entries())
    assert {(package.name, package.arch) for package in packages} >= {
        ("esbuild", "x86_64"),
        ("esbuild", "aarch64"),
    }
    for package in packages:
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
        assert package.tests


def test_a_package_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.npm.shutil.which", lambda name: None)
    monkeypatch.setattr("tools.npm._with_https", lambda entry: b"something else")
    with pytest.raises(FetchFailed, match="sha256"):
        fetch_package(next(npm_entries()), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_must_be_installed_is_installed_by_root_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get is a script here that writes down how it was called and makes the program."""
    program = tmp_path / "surfer"
    apt = tmp_path / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n'
        f'[ "$2" = install ] || exit 0\n'
        f'[ -e {tmp_path}/fail ] && {{ echo "E: no such package" >&2; exit 100; }}\n'
        f"echo > {program}; chmod +x {program}\n"
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "its tests skip" in _install(["surfer-package", "font"], "surfer")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "fail").touch()
    with pytest.raises(FetchFailed, match=r"cannot install surfer: E: no such package"):
        _install(["surfer-package", "font"], "surfer")
    (tmp_path / "fail").unlink()
    (tmp_path / "called").unlink()
    assert _install(["surfer-package", "font"], "surfer") == f"surfer: installed ({program})"
    assert (tmp_path / "called").read_text().splitlines() == [
        "-q update", "-q install -y --no-install-recommends surfer-package font",
    ]  # fmt: skip
    assert _install(["surfer-package", "font"], "surfer") == f"surfer: from PATH ({program})"
