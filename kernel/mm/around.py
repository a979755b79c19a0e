"""What lies at an address and beside it: the facts of a memory error, for its reason.

A fact is made when an error is raised, which may be often, and read only if somebody explains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from kernel.mm.vm_flags import VM_EXEC, VM_READ, VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from kernel.mm.vma import Vma, VmaList

_WANTED: Final = ("reading", "writing", "executing")
_NEEDED: Final = (VM_READ, VM_WRITE, VM_EXEC)
_LETTERS: Final = ((VM_READ, "r"), (VM_WRITE, "w"), (VM_EXEC, "x"))


class Places(Protocol):
    """What is looked at of an address space."""

    vmas: VmaList
    start_brk: int
    brk_end: int


class Around(NamedTuple):
    """An address that may not be accessed, and what is mapped there or nearest to it.

    ``access``: 0 to read, 1 to write, 2 to execute (kernel.mm.fault's ACCESS_*); ``full``: the
    access is allowed, but no page frame is left.
    """

    space: Places
    address: int
    access: int = 0
    full: bool = False

    def __str__(self) -> str:
        if self.full:
            return f"no page frame is left for {self.address:#x} (--memory)"
        area = self.space.vmas.find(self.address)
        if area is None:
            return f"nothing is mapped at {self.address:#x}{self._neighbours()}"
        shown = area_text(self.space, area)
        if not area.flags & _NEEDED[self.access]:
            return f"{self.address:#x} lies in {shown}, which does not allow {_WANTED[self.access]}"
        return f"{self.address:#x} lies in {shown}, beyond the end of the file"

    def _neighbours(self) -> str:
        below = self.space.vmas.before(self.address)
        above = self.space.vmas.next_from(self.address)
        parts = []
        if below is not None:
            gap = self.address - below.end
            parts.append(f"{area_text(self.space, below)} ends {gap:#x} bytes below")
        if above is not None:
            gap = above.start - self.address
            parts.append(f"{area_text(self.space, above)} begins {gap:#x} bytes above")
        return f": {', '.join(parts)}" if parts else ""


class Mapped(NamedTuple):
    """The first area of a range, which should have been free."""

    space: Places
    start: int
    end: int

    def __str__(self) -> str:
        found = self.space.vmas.overlapping(self.start, self.end)
        return area_text(self.space, found[0]) if found else "nothing"


def area_text(space: Places, area: Vma) -> str:
    """``[heap] 0x5000-0x7000 rw-p``, as a line of /proc/PID/maps."""
    if area.file is not None:
        name = area.file.mapping_identity()[0].decode("utf-8", "backslashreplace")
    elif area.label:
        name = area.label.decode("utf-8", "backslashreplace")
    elif space.start_brk <= area.start < space.brk_end:
        name = "[heap]"
    else:
        name = "anonymous memory"
    rights = "".join(letter if area.flags & bit else "-" for bit, letter in _LETTERS)
    return f"{name} {area.start:#x}-{area.end:#x} {rights}{'s' if area.flags & VM_SHARED else 'p'}"
