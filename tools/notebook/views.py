"""Descriptions that show themselves: as text in a terminal, as a picture in a notebook.

Each is the plain data it was made of, a list or a description, with ``_repr_html_`` for notebooks,
``html()`` for a page of its own, and ``save(path)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tools.notebook.descriptors import descriptor_table
from tools.notebook.memory import memory_picture
from tools.notebook.svg import document
from tools.notebook.tree import process_tree, tree_lines
from tools.notebook.waits import wait_picture
from tools.notebook.walk import walk_picture

if TYPE_CHECKING:
    from kernel.machine.describe.files import Descriptor
    from kernel.machine.describe.graph import WaitGraph
    from kernel.machine.describe.memory import Area, PageWalk
    from kernel.machine.describe.processes import TaskView
    from kernel.mm.address_space import MapEntry
    from tools.library.process import OpenDescriptor

T = TypeVar("T")


class Shown:
    """What every view can do."""

    title = "Diorama"

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def html(self) -> str:
        """A page of its own."""
        return document(self.title, self._repr_html_())

    def save(self, path: str | Path) -> None:
        """Write the page to a file of the host."""
        Path(path).write_text(self.html(), encoding="utf-8")


class DescriptorTable(list["OpenDescriptor"], Shown):
    """The descriptors of a process; ``described`` has them as plain data."""

    title = "Descriptors"

    def __init__(
        self, files: Iterable[OpenDescriptor], described: Sequence[Descriptor], pid: int
    ) -> None:
        super().__init__(files)
        self.described = described
        self.pid = pid

    def _repr_html_(self) -> str:
        return descriptor_table(self.described, self.pid)

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


class MemoryMap(list["MapEntry"], Shown):
    """The areas of an address space; ``described`` has them with what is present."""

    title = "Memory map"

    def __init__(self, lines: Iterable[MapEntry], described: Sequence[Area], pid: int) -> None:
        super().__init__(lines)
        self.described = described
        self.pid = pid

    def _repr_html_(self) -> str:
        return memory_picture(self.described, self.pid)

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


class ProcessTree(list["TaskView"], Shown):
    """Every task of a machine."""

    title = "Processes"

    def _repr_html_(self) -> str:
        return process_tree(self)

    def __repr__(self) -> str:
        return "\n".join(tree_lines(self))


class PageWalkView(Shown):
    """The walk of one address; ``described`` has it as plain data, and so have the attributes."""

    title = "Page walk"

    def __init__(self, described: PageWalk) -> None:
        self.described = described

    @property
    def frame(self) -> int:
        """The frame the address leads to; 0: none."""
        return self.described.frame

    @property
    def physical(self) -> int | None:
        """The address in RAM."""
        return self.described.physical

    def _repr_html_(self) -> str:
        return walk_picture(self.described)

    def __repr__(self) -> str:
        walk = self.described
        steps = "".join(f" {entry.level}[{entry.slot}]" for entry in walk.levels)
        where = f" -> {walk.physical:#x} {walk.flags}" if walk.physical is not None else ""
        return f"<PageWalk {walk.address:#x}:{steps}{where}; {walk.verdict}>"


class WaitGraphView(Shown):
    """Who waits for whom; ``described`` has it as plain data."""

    title = "Wait-for graph"

    def __init__(self, described: WaitGraph) -> None:
        self.described = described

    @property
    def cycles(self) -> tuple[tuple[int, ...], ...]:
        """The circles among those who are stuck, each as tids in order."""
        return self.described.cycles

    def _repr_html_(self) -> str:
        return wait_picture(self.described)

    def __repr__(self) -> str:
        waits = self.described.waits
        stuck = sum(1 for wait in waits if wait.stuck)
        return f"<WaitGraph {len(waits)} wait, {stuck} are stuck, circles: {list(self.cycles)}>"
