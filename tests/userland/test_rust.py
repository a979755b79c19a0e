"""Rust: a program of ours on the standard library, and static programs from PyPI's wheels."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.guest import GuestResult, run_guest
from tests.support.oracles import cannot_run, native_prefix
from tools.config import Volume
from tools.fetch import wheel_directory
from userland.rust_build import build_rust, rust_programs

SOURCE = """import os, sys
def f( x ):
  return  x+1
"""


def built(name: str, arch: str) -> Path:
    path = build_rust(name, arch)
    if path is None:
        pytest.skip(f"no rustc with a library for {arch} here")
    return path


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.row("K7", "X1", "X2")
@pytest.mark.parametrize("name", rust_programs())
def test_our_program_passes_outside_and_inside(name: str, arch: str, tmp_path: Path) -> None:
    path = built(name, arch)
    command = [*native_prefix(arch), str(path)]
    outside = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (outside.stdout, outside.returncode) == ("ok\n", 0), outside.stderr
    inside = run_guest(path, arch=arch)
    assert (inside.text, inside.status) == ("ok\n", 0)


def of_wheel(name: str, arch: str) -> Path:
    """The program of a wheel."""
    place = wheel_directory(name, arch)
    if place is None:
        cannot_run(f"the {name} wheel is not fetched (make fetch)")
    (program,) = place.glob(f"*.data/scripts/{name}")
    return program


def run_both(
    name: str, arch: str, work: Path, *args: str, environment: Mapping[str, str] | None = None
) -> tuple[GuestResult, subprocess.CompletedProcess[bytes]]:
    """The same command inside and outside, with as many threads as it likes."""
    environment = {"HOME": "/root", "RUFF_NO_CACHE": "true", **(environment or {})}
    inside = run_guest(
        of_wheel(name, arch),
        *args,
        arch=arch,
        stdin=SOURCE.encode(),
        volumes=(Volume(str(work), b"/work"),),
        workdir=b"/work",
        environment={k.encode(): v.encode() for k, v in environment.items()},
        timeout=120.0,
    )
    outside = subprocess.run(
        [*native_prefix(arch), str(of_wheel(name, arch)), *args],
        cwd=work,
        env=environment,
        input=SOURCE.encode(),
        capture_output=True,
        check=False,
    )
    return inside, outside


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.slow
@pytest.mark.row("K7", "X1", "X2")
@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["check", "--isolated", "--output-format=concise", "--stdin-filename=small.py", "-"],
        ["format", "--isolated", "--diff", "--stdin-filename=small.py", "-"],
    ],
    ids=["version", "check", "format"],
)
def test_ruff_does_its_work(arch: str, tmp_path: Path, args: list[str]) -> None:
    inside, outside = run_both("ruff", arch, tmp_path, *args)
    assert inside.stdout == outside.stdout
    assert inside.status == outside.returncode


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.slow
@pytest.mark.row("K7", "X3", "X4", "X5")
@pytest.mark.parametrize("threads", ["", "6"], ids=["as-it-likes", "six-threads"])
@pytest.mark.parametrize("command", ["check --statistics", "format --diff", "format"])
def test_ruff_on_300_files(arch: str, tmp_path: Path, command: str, threads: str) -> None:
    """The files are its own to find; ``format`` writes them through the volume."""
    for i in range(300):
        (tmp_path / f"module{i}.py").write_text(SOURCE.replace("1", str(i)), encoding="utf-8")
    environment = {"RAYON_NUM_THREADS": threads} if threads else {}
    inside, outside = run_both(
        "ruff", arch, tmp_path, *command.split(), "--isolated", ".", environment=environment
    )
    assert inside.status == outside.returncode == (command != "format")
    if command == "format":  # who comes second finds the work done
        assert inside.text == "300 files reformatted\n"
        assert outside.stdout == b"300 files left unchanged\n"
    else:
        assert inside.stdout == outside.stdout
    if threads:
        assert inside.calls.get("clone", 0) + inside.calls.get("clone3", 0) >= int(threads)


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.row("K7", "X5")
@pytest.mark.parametrize("args", [["--version"], ["venv", "--help"]], ids=["version", "venv-help"])
def test_uv_says_what_it_says_outside(arch: str, tmp_path: Path, args: list[str]) -> None:
    inside, outside = run_both("uv", arch, tmp_path, *args)
    assert inside.stdout == outside.stdout
    assert inside.status == outside.returncode == 0
