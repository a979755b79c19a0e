"""System calls: one declaration each, one module per family.

A handler does five things and no more: decode (done for it, from the kinds in its signature),
validate, copy from user memory, call **one** kernel operation, return or copy back.  The work is in
the kernel's rooms; what stands here is the ABI: which flag is refused with which errno, and in
which order things are checked, because programs can see that order.

- ``declare``: the ``@syscall`` decorator and the registry;
- ``kinds``: what an argument can be;
- ``numbers``: numbers of each CPU, generated from the kernel's headers;
- ``table``: the dispatch table of a CPU, with stubs generated from the declarations;
- everything else: the families.  Importing this package imports them all.

A number without a declaration is ENOSYS and an event.  No call pretends: one that returns success
has done the work.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

FAMILIES = (
    "attributes",
    "capability",
    "clocks",
    "clone",
    "contents",
    "descriptors",
    "dirs",
    "epoll",
    "files",
    "futex",
    "identity",
    "inotify",
    "itimers",
    "jobs",
    "limits",
    "links",
    "locks",
    "memory",
    "messages",
    "mounts",
    "mqueue",
    "ownership",
    "pidfd",
    "pipes",
    "poll",
    "posix_timers",
    "prctl",
    "process",
    "process_vm",
    "rseq",
    "rw",
    "sched",
    "sched_attr",
    "signals",
    "sockets",
    "splice",
    "system",
    "sysv_msg",
    "sysv_sem",
    "sysv_shm",
    "timerfd",
    "transfer",
    "xattr",
)
"""Every family module, in alphabetical order; add yours here."""


def load_families() -> None:
    """Import every family module, which files its declarations."""
    for family in FAMILIES:
        if find_spec(f"{__name__}.{family}") is not None:
            import_module(f"{__name__}.{family}")
