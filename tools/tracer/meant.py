"""What may have been meant by a name that is none: for the words of a refusal."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

NEWER: Final = {
    "fork": "clone", "vfork": "clone", "stat": "newfstatat", "lstat": "newfstatat",
    "select": "pselect6", "poll": "ppoll", "pipe": "pipe2", "dup2": "dup3", "creat": "openat",
    "epoll_wait": "epoll_pwait", "access": "faccessat", "rename": "renameat2",
    "getdents": "getdents64", "inotify_init": "inotify_init1", "eventfd": "eventfd2",
    "rmdir": "unlinkat",
}  # fmt: skip
"""What CPUs that came to Linux late have for calls that they never had."""


def like(name: str, names: Collection[str]) -> str:
    """`` (NAME?)`` for the one that looks most like it, or nothing."""
    found = difflib.get_close_matches(name, names, 1)
    return f" ({found[0]}?)" if found else ""


def call_like(name: str, names: Collection[str]) -> str:
    """The same for a system call; one that this CPU never had has a successor."""
    at, newer = f"{name}at", NEWER.get(name)
    if at in names or newer in names:
        return f" (it has {at if at in names else newer})"
    return like(name, names)
