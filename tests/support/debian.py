"""A root of Debian packages, unpacked without dpkg: what dynamic glibc programs run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import userland
from tests.support.guest import GuestResult, run_guest
from tests.support.oracles import cannot_run
from tools.config import TmpfsMount, Volume
from tools.fetch import root_directory

SCRIPTS = Path(userland.__file__).parent / "scripts"


def debian_root(name: str, arch: str) -> Path:
    """The root of that name and CPU; nobody writes to it, all tests share it."""
    root = root_directory(name, arch)
    if root is None:
        cannot_run(f"the root {name} of Debian packages is not fetched (make fetch)")
    return root


def in_debian(
    arch: str,
    program: str,
    *args: str,
    root: str = "debian",
    volumes: tuple[Volume, ...] = (),
    **options: Any,  # Any: the fields of RunConfig, which checks them
) -> GuestResult:
    """Run a program of the root, read-only, with an empty /tmp; our scripts are in /scripts."""
    return run_guest(
        program,
        *args,
        arch=arch,
        rootfs=str(debian_root(root, arch)),
        read_only=True,
        tmpfs=(TmpfsMount(b"/tmp"),),
        volumes=(Volume(str(SCRIPTS), b"/scripts", read_only=True), *volumes),
        workdir=b"/tmp",
        timeout=300.0,
        **options,
    )
