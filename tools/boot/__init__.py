"""From a RunConfig to a running machine.

``hardware``  memory, processor, clock, dispatch table: a machine without files.
``root``      the tree the first process finds, and the mount points.
``program``   which file PROGRAM means; BusyBox by name.
``stdio``     descriptors 0, 1, 2: the caller's terminal, pipes and files.
``session``   the first program, the time limit, the end.
``host_signals``  what the host's signals do meanwhile.

The command line, the tests and the library all come through ``boot``.
"""

from __future__ import annotations

from tools.boot.session import Session, boot

__all__ = ["Session", "boot"]
