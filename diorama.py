"""Diorama: a working model of the Linux kernel, in Python, that real programs run on.

::

    import diorama

    machine = diorama.boot()  # a kernel, with BusyBox in /bin
    machine.mount(".", "/work", read_only=True)  # a host directory
    machine.on("openat", lambda call: print("open", call.path(1)))
    shell = machine.spawn("sh", "-c", "ls /work | wc -l")
    print([str(file) for file in shell.files()], shell.maps()[0])
    machine.run()
    print(shell.status, shell.stdout)

``python -m diorama`` is the command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.errors import DioramaError
    from tools.library import (
        OPEN,
        Call,
        Deadlock,
        Event,
        Hook,
        Machine,
        Memory,
        Point,
        Pointer,
        Process,
        Stop,
        Thread,
        Trace,
        boot,
    )  # fmt: skip

__all__ = [
    "OPEN",
    "Call",
    "Deadlock",
    "DioramaError",
    "Event",
    "Hook",
    "Machine",
    "Memory",
    "Point",
    "Pointer",
    "Process",
    "Stop",
    "Thread",
    "Trace",
    "__version__",  # noqa: F822  # __getattr__ has it
    "boot",
    "main",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # a module's attributes have any type
    """Load the library only when it is used: the command line starts without it."""
    if name == "__version__":
        from tools.version import __version__

        return __version__
    if name == "DioramaError":
        from tools.errors import DioramaError

        return DioramaError
    if name in __all__:
        import tools.library

        return getattr(tools.library, name)
    raise AttributeError(f"module 'diorama' has no attribute {name!r}")


def main() -> int:
    """The ``diorama`` command."""
    from tools.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
