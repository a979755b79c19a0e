"""Registers as gdb reads and writes them: ``g``, ``G``, ``p``, ``P``.

A task that sleeps in a system call has its program counter behind the instruction and no result
yet.  gdb is shown what the call's start looks like: the counter on the instruction, the number in
its register.  Before anything is written, the core brings the task there.

gdb saves registers and puts them back around a function call of its own.  A ``Home`` says what it
means when it puts back the program counter of a task that was in a system call: the call is made
anew, or goes on waiting for what was left of its time, or has its result already.  Linux has the
same in ``orig_rax`` and the restart codes, on x86 only.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.gdb.description import CONSTANT, DESCRIPTIONS, FP, GENERAL, ORIGINAL, TAGS
from tools.gdb.words import Malformed

if TYPE_CHECKING:
    from kernel.arch.base import Arch, Registers
    from kernel.machine.debugger import Debugger
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from tools.gdb.description import Slot

_MASK64: Final = (1 << 64) - 1
_STATUS_AT: Final = 2  # FXSAVE: the x87 status word
_TAGS_AT: Final = 4
_ST_AT: Final = 32
_VALID, _ZERO, _SPECIAL, _EMPTY = range(4)


class Home(NamedTuple):
    """Where a task belongs that gdb has led away from a system call.

    ``shown``: the program counter gdb was told.  ``registers``: what to set when it puts that back.
    """

    shown: int
    registers: dict[str, int]


class RegisterView:
    """The registers of one machine's tasks, in gdb's order and sizes, little endian.

    ``calls``: the number of the system call a task stands at the door of, by tid; the stub fills
    it in at a catchpoint.  ``homes``: of the tasks that were led away from a call, by tid.
    """

    def __init__(self, machine: Machine, debugger: Debugger) -> None:
        self._cpu = machine.cpu
        self._debugger = debugger
        self._arch: Arch = machine.system.arch
        self.description = DESCRIPTIONS[self._arch.name]
        self._slots = self.description.slots
        self._index = {slot.name: number for number, slot in enumerate(self._slots)}
        self._pc = self.description.expedited[-1]
        self.calls: dict[int, int] = {}
        self.homes: dict[int, Home] = {}

    def read_all(self, task: Task) -> bytes:
        """``g``."""
        values = self._general(task)
        image = self._registers(task).fp_image()
        return b"".join(self._read(task, slot, values, image) for slot in self._slots)

    def read(self, task: Task, number: int) -> bytes | None:
        """``p``; None for a number that is none."""
        if number >= len(self._slots):
            return None
        slot = self._slots[number]
        image = self._registers(task).fp_image() if slot.source in (FP, TAGS) else b""
        return self._read(task, slot, self._general(task), image)

    def expedited(self, task: Task) -> list[tuple[int, bytes]]:
        """The registers gdb always asks for after a stop, with their numbers."""
        values = self._general(task)
        numbers = [self._index[name] for name in self.description.expedited]
        return [(number, self._read(task, self._slots[number], values, b"")) for number in numbers]

    def write_all(self, task: Task, data: bytes) -> None:
        """``G``; registers that ``data`` ends before are left alone.  Malformed: a part of one."""
        self._settle(task)
        registers = self._registers(task)
        values = dict(zip(self._arch.register_names, registers.general(), strict=True))
        image = bytearray(registers.fp_image())
        at = 0
        for slot in self._slots:
            part = data[at : at + slot.bits // 8]
            at += slot.bits // 8
            if not part:
                break
            if len(part) * 8 != slot.bits:
                raise Malformed(f"{slot.name} is cut short")
            if slot.source == GENERAL:
                values[str(slot.key)] = int.from_bytes(part, "little")
            else:
                self._write_other(task, slot, part, image)
        registers.set_general(tuple(values[name] for name in self._arch.register_names))
        registers.set_fp_image(bytes(image))
        self._come_home(task)

    def write(self, task: Task, number: int, data: bytes) -> bool:
        """``P``; false for a number that is none.  Malformed: not the register's size."""
        if number >= len(self._slots):
            return False
        slot = self._slots[number]
        if len(data) * 8 != slot.bits:
            raise Malformed(f"{slot.name} has {slot.bits} bits")
        self._settle(task)
        registers = self._registers(task)
        if slot.source == GENERAL:
            registers.set(str(slot.key), int.from_bytes(data, "little"))
            if slot.key == self._pc:
                self._come_home(task)
        else:
            image = bytearray(registers.fp_image())
            self._write_other(task, slot, data, image)
            registers.set_fp_image(bytes(image))
        return True

    # -- calls that gdb leads away from ----------------------------------------------------------

    def _settle(self, task: Task) -> None:
        """A sleeper comes back to the start of its call; what that really is may be another
        number (restart_syscall), or the call is over."""
        if task.generator is None or task.call is None:
            return
        shown = self._general(task)[self._pc]
        self._debugger.settle(task)
        registers = self._registers(task)
        self.homes[task.tid] = Home(shown, {name: registers.get(name) for name in self._involved})

    def lead_away(self, task: Task, number: int, pc: int) -> None:
        """A call that was reported on its way in will not be made now: gdb goes elsewhere."""
        registers = {self._pc: pc - self._arch.syscall_insn_size}
        registers[self._arch.syscall_number_register] = number
        self.homes[task.tid] = Home(pc, registers)

    def stay(self, task: Task) -> None:
        """The task goes on from where it is; if that is its home, it was never away."""
        home = self.homes.get(task.tid)
        if home is not None and self._registers(task).pc == home.registers[self._pc]:
            del self.homes[task.tid]

    def _come_home(self, task: Task) -> None:
        """gdb has written the program counter."""
        home = self.homes.get(task.tid)
        registers = self._registers(task)
        if home is not None and registers.pc == home.shown:
            del self.homes[task.tid]
            for name, value in home.registers.items():
                registers.set(name, value)

    @property
    def _involved(self) -> tuple[str, ...]:
        arch = self._arch
        return (self._pc, arch.syscall_number_register, arch.syscall_argument_registers[0])

    # -- inside ----------------------------------------------------------------------------------

    def _registers(self, task: Task) -> Registers:
        return self._cpu.registers(task.context)

    def _general(self, task: Task) -> dict[str, int]:
        """The general registers; those of a sleeper as at the start of its call."""
        arch = self._arch
        values = dict(zip(arch.register_names, self._registers(task).general(), strict=True))
        if task.generator is not None and task.call is not None:
            values[self._pc] -= arch.syscall_insn_size
            values[arch.syscall_number_register] = task.call[0]
            values[arch.syscall_argument_registers[0]] = task.call[1]
        return values

    def _read(self, task: Task, slot: Slot, values: dict[str, int], image: bytes) -> bytes:
        size = slot.bits // 8
        if slot.source == GENERAL:
            value = values[str(slot.key)] & ((1 << slot.bits) - 1)
        elif slot.source == FP:
            return image[int(slot.key) : int(slot.key) + slot.size].ljust(size, b"\0")
        elif slot.source == CONSTANT:
            value = int(slot.key)
        elif slot.source == TAGS:
            value = full_tags(image)
        else:
            value = self.calls.get(task.tid, -1) & _MASK64
        return value.to_bytes(size, "little")

    def _write_other(self, task: Task, slot: Slot, data: bytes, image: bytearray) -> None:
        """Everything but general registers; constants stay what they are."""
        if slot.source == FP:
            image[int(slot.key) : int(slot.key) + slot.size] = data[: slot.size]
        elif slot.source == TAGS:
            image[_TAGS_AT] = abridged_tags(int.from_bytes(data, "little"))
        elif slot.source == ORIGINAL and task.tid in self.calls:
            self.calls[task.tid] = int.from_bytes(data, "little", signed=True)


def full_tags(image: bytes) -> int:
    """The tag word, two bits for each physical register, from an FXSAVE image, which has one."""
    top = struct.unpack_from("<H", image, _STATUS_AT)[0] >> 11 & 7
    tags = 0
    for physical in range(8):
        tag = _EMPTY
        if image[_TAGS_AT] >> physical & 1:
            at = _ST_AT + 16 * ((physical - top) & 7)
            tag = _tag(image[at : at + 10])
        tags |= tag << 2 * physical
    return tags


def _tag(value: bytes) -> int:
    """What kind of number an 80-bit register holds."""
    exponent = int.from_bytes(value[8:], "little") & 0x7FFF
    mantissa = int.from_bytes(value[:8], "little")
    if not exponent and not mantissa:
        return _ZERO
    if exponent in (0, 0x7FFF) or not mantissa >> 63:
        return _SPECIAL
    return _VALID


def abridged_tags(tags: int) -> int:
    """One bit for each physical register: is it in use?"""
    return sum((tags >> 2 * n & 3 != _EMPTY) << n for n in range(8))
