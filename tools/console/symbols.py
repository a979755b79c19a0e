"""Names of addresses and addresses of names, from the files a task has mapped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tools.tracer.stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernel.mm.vma import Vma
    from kernel.task.task import Task
    from tools.elfview.image import Image


class Symbols:
    """Looks into the mapped files; each is read once."""

    def __init__(self) -> None:
        self.stacks = Stacks()

    def __repr__(self) -> str:
        return "<Symbols of the mapped files: address(task, name), named(task, address)>"

    def named(self, task: Task, address: int) -> str:
        """``0x401136 main+0x10``; the bare address where nothing is known."""
        frame = self.stacks.frame(task, address)
        if not frame.symbol:
            return f"{address:#x}"
        return f"{address:#x} {frame.symbol}" + (f"+{frame.offset:#x}" if frame.offset else "")

    def address(self, task: Task, name: str) -> int | None:
        """Where a function or variable is."""
        return next((address for address, _ in self._places(task, name)), None)

    def size(self, task: Task, name: str) -> int:
        """How many bytes it has; 0 if it is unknown, or its file does not say."""
        return next((size for _, size in self._places(task, name)), 0)

    def _places(self, task: Task, name: str) -> Iterator[tuple[int, int]]:
        """Address and size in each mapped file that has the name."""
        for area, image in self._images(task):
            found = _named(image).get(name)
            if found is not None:
                yield found[0] + _bias(area, image), found[1]

    def names(self, task: Task) -> list[str]:
        """Every function and variable that is known, for completion."""
        return sorted({name for _, image in self._images(task) for name in _named(image)})

    def _images(self, task: Task) -> Iterator[tuple[Vma, Image]]:
        """The mapped ELF files, each with its first area."""
        seen: dict[str, None] = {}
        for area in task.mm.vmas if task.mm is not None else ():
            if area.file is None:
                continue
            name = os.fsdecode(area.file.mapping_identity()[0])
            if name in seen:
                continue
            seen[name] = None
            image = self.stacks.image(task, area)
            if image is not None:
                yield area, image


def _named(image: Image) -> dict[str, tuple[int, int]]:
    """By name; functions that no symbol table has (stripped Go) come from elsewhere."""
    return image.named or {name: (address, size) for address, size, name in image.functions}


def _bias(area: Vma, image: Image) -> int:
    """How far the file was moved from the addresses in its own tables."""
    for segment in image.segments:
        start = segment["p_offset"] & ~0xFFF
        if segment["p_type"] == "PT_LOAD" and start <= area.offset <= start + segment["p_filesz"]:
            return int(area.start - area.offset - (segment["p_vaddr"] - segment["p_offset"]))
    return 0
