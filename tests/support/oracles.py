"""What tests ask for the truth: the real kernel, qemu-user, strace.

A test whose oracle cannot run here is skipped with a reason that begins with ``oracle: ``; the end
of the run names each.  Under ``DIORAMA_REQUIRE=all`` it fails instead.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tools.fetch import HOST_CPU, find_oracle

PREFIX = "oracle: "


def cannot_run(reason: str) -> NoReturn:
    """This test's oracle cannot run here."""
    if os.environ.get("DIORAMA_REQUIRE") == "all":
        pytest.fail(f"{PREFIX}{reason}", pytrace=False)
    pytest.skip(f"{PREFIX}{reason}")


def program(name: str) -> Path:
    """An oracle program from PATH or from its fetched package."""
    found = find_oracle(name)
    if found is None:
        cannot_run(f"{name} is neither on PATH nor fetched (make fetch)")
    return found


def native_prefix(arch: str) -> list[str]:
    """What to put before a program of that CPU to run it outside: qemu-user, if it is another CPU.

    Where that may be, the program has mounts, message queues and semaphores of its own: nothing of
    them is left on the host, also if it hangs and is killed.
    """
    if sys.platform != "linux":
        cannot_run("there is no Linux kernel here to compare with")
    emulator = [] if arch == HOST_CPU else [str(program(f"qemu-{arch}-static"))]
    return [*_apart(), *emulator]


@functools.cache
def _apart() -> tuple[str, ...]:
    command = ("unshare", "--mount", "--ipc")
    if shutil.which("unshare") is None:
        return ()
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return () if done.returncode else command


def can_chroot() -> bool:
    """Whether a native run may have a root of its own."""
    return sys.platform == "linux" and os.geteuid() == 0 and not _confined()


def _confined() -> bool:
    """CAP_SYS_CHROOT (bit 18) is missing in some containers, whatever the uid."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return not int(line.split()[1], 16) >> 18 & 1
    return True
