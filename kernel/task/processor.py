"""What tasks need of a processor: contexts and their registers.

kernel.cpu lies above this room, so its part is named here as a protocol; kernel.cpu.base.Cpu fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kernel.arch.base import Registers

Context = Any  # opaque: made, copied and freed by the processor only


class Processor(Protocol):
    """The contexts of one processor; see kernel.cpu.base.Cpu for the whole of it."""

    def new_context(self) -> Context:
        """Clean user registers."""

    def clone_context(self, context: Context) -> Context:
        """A copy of the registers (fork)."""

    def reset_context(self, context: Context) -> None:
        """Make the registers clean again (execve)."""

    def free_context(self, context: Context) -> None:
        """Give back the memory of a context."""

    def set_result(self, context: Context, value: int) -> None:
        """Set the system-call result register."""

    def registers(self, context: Context) -> Registers:
        """The registers of a context, loaded or not."""

    def system_ns(self, context: Context) -> int:
        """Nanoseconds the kernel has worked for the context."""

    def user_ns(self, context: Context) -> int:
        """Nanoseconds the context has spent in user code."""
