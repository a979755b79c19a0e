"""The host's errors as the kernel's: by name, because numbers differ between host systems."""

from __future__ import annotations

import errno

from kernel.abi.errors import BY_NAME, EIO, EPIPE, KernelError
from kernel.abi.signals import SIGPIPE

_ALIASES = {
    "EWOULDBLOCK": "EAGAIN",
    "ENOTSUP": "EOPNOTSUPP",
    "EDEADLOCK": "EDEADLK",
    "EMFILE": "ENFILE",  # our table is full: for the guest that is the whole system's
}


def from_host(error: OSError) -> KernelError:
    """The error a guest gets for what the host said.  EPIPE brings the guest's own SIGPIPE."""
    name = errno.errorcode.get(error.errno or 0, "EIO")
    kind = BY_NAME.get(_ALIASES.get(name, name), EIO)
    reason = f"the host says: {error.strerror}"
    if kind is EPIPE:
        return EPIPE(reason, signal=SIGPIPE)
    return kind(reason)
