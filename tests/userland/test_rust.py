"""Rust: a program of ours on the standard library, and static programs from PyPI's wheels."""

from __future__ import annotations

import subprocess
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
    assert (outside.stdout, outside.returncode) == ("ok\n", 0)
    inside = run_guest(path, arch=arch)
    assert (inside.text, inside.status) == ("ok\n", 0)


def ruff(arch: str) -> Path:
    """The wheel's program."""
    place = wheel_directory("ruff", arch)
    if place is None:
        cannot_run("the ruff wheel is not fetched (make fetch)")
    (program,) = place.glob("*.data/scripts/ruff")
    return program


def run_ruff(
    arch: str, work: Path, *args: str
) -> tuple[GuestResult, subprocess.CompletedProcess[bytes]]:
    """The same command inside and outside.

    The source comes from stdin: for files that it has to find, ruff starts threads.
    """
    environment = {"RAYON_NUM_THREADS": "1", "HOME": "/root", "RUFF_NO_CACHE": "true"}
    inside = run_guest(
        ruff(arch),
        *args,
        arch=arch,
        stdin=SOURCE.encode(),
        volumes=(Volume(str(work), b"/work"),),
        workdir=b"/work",
        environment={k.encode(): v.encode() for k, v in environment.items()},
        timeout=120.0,
    )
    outside = subprocess.run(
        [*native_prefix(arch), str(ruff(arch)), *args],
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
    inside, outside = run_ruff(arch, tmp_path, *args)
    assert inside.stdout == outside.stdout
    assert inside.status == outside.returncode
