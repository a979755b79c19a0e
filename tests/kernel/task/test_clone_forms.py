"""Which clone flags may be combined: the forms in use, and every single step away from them."""

from __future__ import annotations

import pytest

from kernel.abi import process
from kernel.abi.errors import EINVAL
from kernel.abi.process import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
)
from kernel.task.clone_forms import form_of

ALL = {name: bit for name, bit in vars(process).items() if name.startswith("CLONE_")}
GO = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD
GLIBC = GO | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID
USED = {
    "fork": 0,
    "glibc fork": CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
    "go fork with a pidfd": CLONE_VFORK | CLONE_VM | CLONE_PIDFD,
    "vfork": CLONE_VM | CLONE_VFORK,
    "glibc posix_spawn": CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND,
    "go thread": GO,
    "go thread with tls": GO | CLONE_SETTLS,
    "glibc thread": GLIBC,
    "musl thread": GLIBC | CLONE_DETACHED,
}
SHARED_BY_THREADS = ("VM", "FS", "FILES", "SIGHAND", "THREAD")
OPTIONAL = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS
WITH_PROCESSES = OPTIONAL | CLONE_CLEAR_SIGHAND | CLONE_VFORK | CLONE_PIDFD | CLONE_PIDFD
WITH_THREADS = OPTIONAL | CLONE_SYSVSEM | CLONE_DETACHED


@pytest.mark.row("X3")
@pytest.mark.parametrize("name", USED)
def test_what_c_libraries_rust_and_go_use(name: str) -> None:
    assert form_of(USED[name]).name in ("fork", "vfork", "thread")


@pytest.mark.parametrize("missing", SHARED_BY_THREADS)
def test_a_thread_shares_everything_or_is_none(missing: str) -> None:
    with pytest.raises(EINVAL):
        form_of(GLIBC & ~ALL[f"CLONE_{missing}"])


@pytest.mark.parametrize("name", [n for n, bit in ALL.items() if not bit & WITH_PROCESSES])
def test_no_other_flag_goes_with_fork(name: str) -> None:
    with pytest.raises(EINVAL):
        form_of(ALL[name])


@pytest.mark.parametrize("name", [n for n, bit in ALL.items() if not bit & (WITH_THREADS | GO)])
def test_no_other_flag_goes_with_a_thread(name: str) -> None:
    with pytest.raises(EINVAL):
        form_of(GLIBC | ALL[name])


@pytest.mark.parametrize(
    "name", [n for n, bit in ALL.items() if not bit & (WITH_PROCESSES | CLONE_VM)]
)
def test_no_other_flag_goes_with_vfork(name: str) -> None:
    with pytest.raises(EINVAL):
        form_of(CLONE_VM | CLONE_VFORK | ALL[name])


@pytest.mark.parametrize("bit", [b for b in range(64) if 1 << b not in ALL.values()])
def test_unknown_bits(bit: int) -> None:
    with pytest.raises(EINVAL):
        form_of(1 << bit)
    with pytest.raises(EINVAL):
        form_of(GLIBC | 1 << bit)
