"""Which flags of clone(2) may be combined: a whitelist of the forms that programs really use.

Each form is a set of things shared, and a set of options that may be added to it.  Everything else
is EINVAL: the combinations nobody uses would each need a decision about who owns what, and a wrong
answer there looks like success.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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


class Form(NamedTuple):
    """A way to make a task: what it shares, and what may be said beside it."""

    name: str
    shared: int
    options: int


_NUMBERS: Final = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS
_PROCESS: Final = _NUMBERS | CLONE_CLEAR_SIGHAND | CLONE_PIDFD
_THREAD: Final = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD
FORMS: Final = (
    # fork(3) of every C library; glibc and musl add the numbers.
    Form("fork", 0, _PROCESS),
    # vfork(2), posix_spawn(3) of musl and glibc (which clears handlers), Go's exec.
    Form("vfork", CLONE_VM | CLONE_VFORK, _PROCESS),
    # fork that waits: the memory is copied, the parent sleeps all the same.
    Form("waiting fork", CLONE_VFORK, _PROCESS),
    # pthread_create of musl (with the old DETACHED) and glibc, Rust's and Go's threads.  SYSVSEM
    # shares semaphore undo lists, of which a process has only one here.
    Form("thread", _THREAD, _NUMBERS | CLONE_SYSVSEM | CLONE_DETACHED),
)


def form_of(flags: int) -> Form:
    """The form these flags belong to, without the exit signal.  EINVAL: none."""
    for form in FORMS:
        if flags & ~form.options == form.shared:
            return form
    raise EINVAL("clone flags %#x are no form of a process or thread", flags)
