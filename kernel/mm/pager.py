"""Where the pages of a mapped file come from: the protocol between a file system and this room.

An inode that can be mapped has one pager.  The pager owns the frames of the file's pages (one
reference each); mapping them adds references.  Linux analogue: ``struct address_space`` with its
``i_mmap`` tree and ``a_ops``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kernel.mm.vma import Vma


class Pager(Protocol):
    """The pages of one file."""

    needs_write_back: bool
    """Do dirty pages have to be carried somewhere (a host file), or is the frame the file (tmpfs)?
    If False, nobody collects dirty bits for this pager."""

    @property
    def size(self) -> int:
        """The file's size in bytes; pages wholly beyond it give SIGBUS."""

    def get_page(self, index: int) -> int:
        """The frame of page ``index`` (offset >> 12), read in if need be; not counted for you.

        Bytes of the last page beyond the end of the file are zero.  Raises EIO if the host fails,
        ENOMEM (or ENOSPC for a full tmpfs) if there is no frame.  The caller checks ``size``.
        """

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """The frames of pages [index, index+count) that are there already, 0 for the others.

        Used to map neighbours of a fault and by mincore(2): never reads, never allocates.  May be
        shorter than ``count``.
        """

    def mark_dirty(self, index: int) -> None:
        """Page ``index`` was written to through a shared mapping."""

    def write_back(self, first: int, last: int) -> None:
        """Carry dirty pages ``first``..``last`` (inclusive) to where the file lives; raises EIO."""

    def mapped(self, vma: Vma) -> None:
        """``vma`` maps this file from now on (it is then in the inode's list of areas)."""

    def unmapped(self, vma: Vma) -> None:
        """``vma`` is gone."""


class MappedFile(Protocol):
    """The open file behind a mapping (``vm_file``): a name for /proc/PID/maps, and a reference.

    An area holds one reference, so a mapping outlives close(2) of its descriptor.
    """

    def hold(self) -> None:
        """One more reference (``get_file``)."""

    def drop(self) -> None:
        """One reference less (``fput``); the last one closes the file."""

    def mapping_identity(self) -> tuple[bytes, int, int]:
        """(path as /proc/PID/maps shows it, device number, inode number)."""
