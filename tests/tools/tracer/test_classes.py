"""``-e trace=%class``: the classes have the calls that strace puts into them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from syscalls.table import SyscallTable
from tests.support import oracles
from tests.support.differential import namespaces_missing
from tools.fetch import HOST_CPU
from tools.tracer.filters import class_members
from userland.build import build_source

pytestmark = [pytest.mark.native, pytest.mark.row("K10")]

CLASSES: Final = (
    "%clock %creds %desc %file %fstat %fstatfs %ipc %lstat %memory %net %network %process %pure "
    "%signal %stat %%stat %statfs %%statfs"
).split()  # fmt: skip
# Calls that would end or stop the program, or change the host; they are asked of nobody.
AVOIDED: Final = (
    "rt_sigreturn select pause clone fork vfork exit vhangup sync acct reboot sethostname "
    "setdomainname restart_syscall exit_group pselect6 ppoll seccomp clone3 msgrcv semop"
).split()  # fmt: skip
NEWER: Final = frozenset({"fchmodat2"})
"""Calls that Debian 12's strace does not know."""
SOURCE: Final = """
#define _GNU_SOURCE
#include <unistd.h>
int main(void)
{
    static const short avoided[] = {AVOIDED, 335, 336};  /* uretprobe, uprobe: SIGILL */
    for (int number = 0; number < 460; number++) {
        int fine = 1;
        for (unsigned i = 0; i < sizeof avoided / sizeof *avoided; i++)
            fine &= avoided[i] != number;
        if (fine)
            syscall(number, 0, 0, 0, 0, 0, 0);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program() -> Path:
    if HOST_CPU != "x86_64" or not oracles.can_chroot() or namespaces_missing():
        oracles.cannot_run("every system call is made: only in namespaces of its own")
    numbers = SyscallTable("x86_64").numbers
    avoided = ", ".join(str(numbers[name]) for name in AVOIDED)
    return build_source("every-call", "x86_64", SOURCE.replace("AVOIDED", avoided))


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_straces_calls(name: str, program: Path, tmp_path: Path) -> None:
    table = SyscallTable("x86_64")
    declared = {n for number, n in enumerate(table.names) if n and table.declaration(number)}
    output = tmp_path / "trace"
    subprocess.run(
        ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", str(oracles.program("strace")),
         "-o", str(output), "-e", f"trace={name}", str(program)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    theirs = set(re.findall(r"^(\w+)\(", output.read_text(), re.MULTILINE)) & declared
    ours = (class_members(name[1:]) & declared) - NEWER - set(AVOIDED)
    assert ours == theirs - set(AVOIDED)
