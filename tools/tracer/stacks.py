"""The user's call stack at a system call: ``-k`` and ``--folded``.

Each level is found as the file's ``.eh_frame`` describes it (``unwind``).  Where that says nothing
(Go, assembly, code made at run time) frames are found by the frame pointer (rbp, x29).  The
innermost caller needs care then: a C library's wrapper has no frame of its own, so its return
address is still where the call left it (at the stack pointer, or in the link register), and the
chain alone would miss it.

Names come from the symbol tables of the mapped files.  A stripped program gives addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kernel.abi.errors import KernelError
from kernel.machine.explain.who import one_line
from kernel.mm.buffer import KernelBuffer
from kernel.mm.vm_flags import VM_EXEC
from tools.errors import DioramaError
from tools.tracer.unwind import NAMES, STACK_POINTER, FrameTable, Step, caller

if TYPE_CHECKING:
    from kernel.mm.pager import MappedFile
    from kernel.mm.vma import Vma
    from kernel.task.task import Task
    from tools.elfview.image import Image

POINTER: Final = {"x86_64": 6, "aarch64": 29}
"""The frame pointer, by its number in DWARF."""
LINKS: Final = {"x86_64": False, "aarch64": True}
"""Is there a link register?"""
LINK: Final = 30
DEPTH: Final = 64
FURTHEST: Final = 8 << 20
"""How far apart two frames may be: no more than a stack."""
PAIR: Final = Struct("<QQ")
WORD: Final = Struct("<Q")
LARGEST_FILE: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a stack.

    ``offset``: from the symbol.  ``in_file``: the place in the file, as strace shows it;
    ``linked``: the address that the file's own tables use for it.
    """

    address: int
    file: str
    symbol: str
    offset: int
    in_file: int
    linked: int

    def __str__(self) -> str:
        """As ``strace -k`` has it."""
        name = f"{self.symbol}+{self.offset:#x}" if self.symbol else ""
        return one_line(f"{self.file}({name}) [{self.in_file:#x}]")

    @property
    def label(self) -> str:
        """As a flame graph has it: no spaces, no semicolons."""
        return folded(self.symbol or f"{self.file.rpartition('/')[2]}@{self.linked:#x}")


class _Mapped(NamedTuple):
    """A mapped file as /proc/PID/maps names it; no image if it is no ELF file that can be read."""

    name: str
    image: Image | None


def folded(name: str) -> str:
    """A guest's name within a folded stack: it cannot part it, nor end its line."""
    return one_line(name).replace(";", ":").replace(" ", "_")


class Stacks:
    """Reads stacks; keeps the symbols of each file it has seen."""

    def __init__(self, depth: int = DEPTH) -> None:
        self._depth = depth
        self._tables: dict[int, FrameTable] = {}  # by the identity of images that are kept below
        self._images: dict[tuple[bytes, int, int], Image | None] = {}
        self._met: dict[MappedFile, _Mapped] | None = None  # while one stack is read

    def of(self, task: Task) -> list[Frame]:
        """The frames of a task that is in a system call, innermost first."""
        self._met = {}
        try:
            found = self.addresses(task)
            return [self.frame(task, address) for address in found]
        finally:
            self._met = None

    def addresses(self, task: Task) -> list[int]:
        """The program counter and the return addresses, innermost first."""
        arch = task.kernel.arch.name
        saved = task.kernel.cpu.registers(task.context)
        values = dict(zip(task.kernel.arch.register_names, saved.general(), strict=True))
        registers = {number: values[name] for number, name in enumerate(NAMES[arch])}
        found = [saved.pc]
        while len(found) < self._depth:
            step = self._step(task, arch, found, registers)
            if step is None or not _is_code(task, step.address):
                break
            if step.registers[STACK_POINTER[arch]] < registers[STACK_POINTER[arch]]:
                break
            found.append(step.address)
            registers = step.registers
        return found

    def _step(
        self, task: Task, arch: str, found: list[int], registers: dict[int, int]
    ) -> Step | None:
        """One level up: as the file describes it; without that, by what the code usually does."""
        innermost = len(found) == 1
        rules = self._rules(task, found[-1] - (not innermost))
        if rules is not None:
            return caller(arch, rules, registers, lambda where: _word(task, where))
        if innermost:
            step = _step_without_frame(task, arch, registers)
            if step is not None:
                return step
        return _step_by_pointer(task, arch, registers)

    def _rules(self, task: Task, address: int) -> dict[Any, Any] | None:
        """What .eh_frame says of an address; None if it says nothing."""
        area = _area(task, address)
        image = self.image(task, area) if area is not None else None
        if area is None or image is None:
            return None
        table = self._tables.get(id(image))
        if table is None:
            table = self._tables[id(image)] = FrameTable(image)
        return table.rules(_linked_address(image, address - area.start + area.offset))

    def frame(self, task: Task, address: int) -> Frame:
        """An address of the task's as a level of a stack: its file, its function."""
        area = _area(task, address)
        if area is None or area.file is None:
            return Frame(address, "[unknown]", "", 0, address, address)
        name, image = self._mapped(task, area.file)
        in_file = address - area.start + area.offset
        if image is None:
            return Frame(address, name, "", 0, in_file, in_file)
        linked = _linked_address(image, in_file)
        symbol, _, offset = image.where(linked).partition("+")
        return Frame(address, name, symbol, int(offset or "0", 16), in_file, linked)

    def image(self, task: Task, area: Vma) -> Image | None:
        """The file an area maps, read once; None if it is no ELF file that can be read."""
        return self._mapped(task, area.file).image if area.file is not None else None

    def _mapped(self, task: Task, file: MappedFile) -> _Mapped:
        """A file's name and image; its path is looked for once in a stack."""
        found = self._met.get(file) if self._met is not None else None
        if found is None:
            key = file.mapping_identity()
            if key not in self._images:
                self._images[key] = _image(task, file)
            found = _Mapped(key[0].decode(errors="replace"), self._images[key])
            if self._met is not None:
                self._met[file] = found
        return found


def addresses(task: Task) -> list[int]:
    """The program counter and the return addresses, innermost first, for who asks only once."""
    return Stacks().addresses(task)


def _step_by_pointer(task: Task, arch: str, registers: dict[int, int]) -> Step | None:
    """The caller by the frame pointer; None where there is none."""
    number, stack = POINTER[arch], STACK_POINTER[arch]
    frame = registers.get(number, 0)
    # Go keeps the pair just below the stack pointer on aarch64.
    lowest = registers[stack] - PAIR.size
    head = _read(task, PAIR, frame) if _plausible(frame, lowest) else None
    if head is None:
        return None
    return Step(head[1], {**registers, number: head[0], stack: frame + PAIR.size})


def _step_without_frame(task: Task, arch: str, registers: dict[int, int]) -> Step | None:
    """The caller of a function that made no frame and says nothing: a C library's wrapper."""
    stack = STACK_POINTER[arch]
    caller = _frameless_caller(task, registers[stack], registers.get(LINK) if LINKS[arch] else None)
    head = _step_by_pointer(task, arch, registers)
    if not caller or (head is not None and caller == head.address):
        return None
    left = registers[stack] if LINKS[arch] else registers[stack] + WORD.size
    return Step(caller, {**registers, stack: left})


def _frameless_caller(task: Task, stack: int, link: int | None) -> int:
    """Who called a function that made no frame; 0 if nothing says so."""
    if link is not None:
        address = link
    else:
        word = _read(task, WORD, stack)
        address = word[0] if word is not None else 0
    return address if _is_code(task, address) and _follows_call(task, address, link) else 0


def _follows_call(task: Task, address: int, link: int | None) -> bool:
    """Is the instruction before this address a call?  In x86 code: ``e8`` or ``ff /2``."""
    try:
        before = task.mem.read(address - 5, 5)
    except KernelError:
        return False
    if link is not None:  # bl or blr
        word = int.from_bytes(before[1:5], "little")
        return word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000
    return before[0] == 0xE8 or (before[3] == 0xFF and before[4] & 0x38 == 0x10)


def _plausible(frame: int, above: int) -> bool:
    return not frame % 8 and above <= frame < above + FURTHEST


def _read(task: Task, layout: Struct, address: int) -> tuple[int, ...] | None:
    try:
        return layout.unpack(task.mem.read(address, layout.size))
    except KernelError:
        return None


def _word(task: Task, where: int) -> int | None:
    found = _read(task, WORD, where & (1 << 64) - 1)
    return found[0] if found is not None else None


def _area(task: Task, address: int) -> Vma | None:
    return task.mm.vmas.find(address) if task.mm is not None else None


def _is_code(task: Task, address: int) -> bool:
    area = _area(task, address)
    return area is not None and bool(area.flags & VM_EXEC)


def _image(task: Task, mapped: MappedFile) -> Image | None:
    """The mapped file, opened for its symbols; None if it is no ELF file that can be read."""
    # Here and not above: only these options need pyelftools.
    from tools.elfview.image import BROKEN, Image

    file: Any = mapped  # Any: a MappedFile is an OpenFile wherever it has symbols
    try:
        size = file.inode.size
        if not 0 < size <= LARGEST_FILE:
            return None
        content = bytearray(size)
        file.read(task, KernelBuffer(content), 0)
        image = Image(bytes(content), "")
        _ = image.functions, image.loads
    except (KernelError, DioramaError, *BROKEN):
        return None
    return image


def _linked_address(image: Image, in_file: int) -> int:
    """The address a symbol table uses for a place in the file."""
    for start, end, distance in image.loads:
        if start <= in_file < end:
            return in_file + distance
    return in_file
