"""Where a read puts its bytes and a write takes them from.

File systems never see user addresses: they get a ``Buffer``.  ``UserBuffer`` (usercopy) is one over
guest memory, ``KernelBuffer`` one over bytes inside the kernel (sendfile(2), exec, tests).

A buffer has a position.  ``put`` and ``take`` copy and advance; ``put_views`` and ``take_views``
lend slices of RAM for host calls such as preadv(2) and do not advance: the caller says with
``advance`` how much was really moved.  Lent views are never held across a ``yield``.

A buffer raises EFAULT only if it moved nothing so far; later it moves less than it was asked to,
which is how a partial read(2) looks.  Linux analogue: ``struct iov_iter``.
"""

from __future__ import annotations

from typing import Protocol


class Buffer(Protocol):
    """A place for ``remaining`` more bytes, or a source of them."""

    remaining: int
    done: int

    def put(self, data: bytes | bytearray | memoryview) -> int:
        """Copy kernel bytes into the buffer; returns how many fitted."""

    def take(self, n: int) -> bytes:
        """Copy up to n bytes out of the buffer."""

    def put_views(self, n: int) -> list[memoryview]:
        """Writable slices that stand for the next n bytes at most; not advanced."""

    def take_views(self, n: int) -> list[memoryview]:
        """Readable slices that stand for the next n bytes at most; not advanced."""

    def advance(self, n: int) -> None:
        """n bytes of the lent views were moved."""


class KernelBuffer:
    """A buffer over one bytearray, or over bytes (then it is a source only)."""

    __slots__ = ("_view", "done", "remaining")

    def __init__(self, storage: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(storage)
        self.remaining = len(self._view)
        self.done = 0

    @classmethod
    def empty(cls, size: int) -> KernelBuffer:
        """A buffer to read into; ``filled`` gives what arrived."""
        return cls(bytearray(size))

    def put(self, data: bytes | bytearray | memoryview) -> int:
        """Copy kernel bytes into the buffer; returns how many fitted."""
        n = min(len(data), self.remaining)
        done = self.done
        self._view[done : done + n] = memoryview(data)[:n]
        self.advance(n)
        return n

    def take(self, n: int) -> bytes:
        """Copy up to n bytes out of the buffer."""
        n = min(n, self.remaining)
        data = bytes(self._view[self.done : self.done + n])
        self.advance(n)
        return data

    def put_views(self, n: int) -> list[memoryview]:
        """Writable slices that stand for the next n bytes at most; not advanced."""
        n = min(n, self.remaining)
        return [self._view[self.done : self.done + n]] if n else []

    def take_views(self, n: int) -> list[memoryview]:
        """Readable slices that stand for the next n bytes at most; not advanced."""
        return self.put_views(n)

    def advance(self, n: int) -> None:
        """n bytes of the lent views were moved."""
        self.done += n
        self.remaining -= n

    def filled(self) -> bytes:
        """What was put so far."""
        return bytes(self._view[: self.done])
