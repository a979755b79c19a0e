"""How the memory room tells the CPU that cached translations are stale.

Only losses of rights are reported: unmap, protect, a copy-on-write break or an accessed/dirty clear
done by the kernel.  Gains need nothing, since the emulated MMU does not cache misses and a store
without the right asks again.  Linux analogue: ``flush_tlb_range``, ``flush_icache_page``.
"""

from __future__ import annotations

from typing import Protocol


class Tlb(Protocol):
    """Whoever caches translations; the CPU implements it."""

    def invalidate(self, root: int, address: int, pages: int) -> None:
        """Forget what is cached of ``pages`` pages from ``address`` of the space with this root.

        Does nothing if that root is not the loaded one: loading a root starts clean.
        """

    def invalidate_code(self, frame: int) -> None:
        """Drop the translated code of a physical page and clear its CODE flag."""


class NullTlb:
    """A TLB that caches nothing; counts the requests so that tests can look."""

    __slots__ = ("code_requests", "requests")

    def __init__(self) -> None:
        self.requests: list[tuple[int, int, int]] = []
        self.code_requests: list[int] = []

    def invalidate(self, root: int, address: int, pages: int) -> None:
        """Note the request."""
        self.requests.append((root, address, pages))

    def invalidate_code(self, frame: int) -> None:
        """Note the request."""
        self.code_requests.append(frame)
