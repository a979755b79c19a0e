"""The dispatch table of one CPU: a list, indexed by the number in the syscall register.

``table.entries[number](task, trap)`` decodes the registers and calls the handler.  An entry starts
as a trampoline: the first call compiles the stub (0.2 ms), puts it in its own place and goes on, so
that a run pays only for the calls it makes.  Numbers without a declaration lead to an entry that
reports the number and raises ENOSYS; so does ``table.unknown`` for numbers beyond the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from kernel.abi.errors import ENOSYS
from syscalls import load_families
from syscalls.declare import DECLARATIONS, Declaration
from syscalls.numbers import NUMBERS
from syscalls.stubs import Entry, compile_stub, decode_arguments

UnknownHook = Callable[[Any, int, "str | None"], None]
"""Called with (task, number, name or None) each time a number without declaration is used."""


class SyscallTable:
    """Number to entry, number to name, name to declaration, for one CPU.

    ``entries`` may be changed by the machine (a library hook replaces an entry); nothing else of
    the table changes after construction.
    """

    def __init__(
        self,
        arch: str,
        *,
        declarations: Mapping[str, Declaration] | None = None,
        on_unknown: UnknownHook | None = None,
    ) -> None:
        if declarations is None:
            load_families()
            declarations = DECLARATIONS
        self.arch = arch
        self.numbers = NUMBERS[arch]
        self.on_unknown = on_unknown
        size = max(self.numbers.values()) + 1
        self.names: list[str | None] = [None] * size
        for name, number in self.numbers.items():
            self.names[number] = name
        self.declarations: list[Declaration | None] = [None] * size
        self.entries: list[Entry] = [self.unknown] * size
        for declaration in declarations.values():
            if arch in declaration.arches and declaration.name in self.numbers:
                number = self.numbers[declaration.name]
                self.declarations[number] = declaration
                self.entries[number] = self._trampoline(number, declaration)

    def __repr__(self) -> str:
        there = sum(declaration is not None for declaration in self.declarations)
        return f"<SyscallTable {self.arch} {there} of {len(self.numbers)} calls>"

    def _trampoline(self, number: int, declaration: Declaration) -> Entry:
        def compile_and_call(task: Any, t: memoryview[int]) -> Any:  # Any: see Entry
            entry = compile_stub(declaration, self.arch)
            if self.entries[number] is compile_and_call:
                self.entries[number] = entry
            return entry(task, t)

        return compile_and_call

    def unknown(self, task: Any, t: memoryview[int]) -> NoReturn:  # Any: see Entry
        """The entry of every number that has no declaration.  See syscall(2), ENOSYS."""
        number = t[0]
        name = self.name(number)
        if self.on_unknown is not None:
            self.on_unknown(task, number, name)
        raise ENOSYS("%s is not implemented", name or "this number")

    def name(self, number: int) -> str | None:
        """Linux's name of a number, implemented here or not."""
        return self.names[number] if 0 <= number < len(self.names) else None

    def declaration(self, number: int) -> Declaration | None:
        """The declaration of a number, or None."""
        return self.declarations[number] if 0 <= number < len(self.declarations) else None

    def declared(self, number: int) -> bool:
        """Is there a handler?"""
        return self.declaration(number) is not None

    def decode(self, number: int, raw: tuple[int, ...]) -> tuple[int, ...]:
        """The arguments a handler gets for these registers; the raw ones if there is none."""
        declaration = self.declaration(number)
        return decode_arguments(declaration, self.arch, raw) if declaration else raw

    def descriptors(self, number: int, raw: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the arguments that are descriptors."""
        declaration = self.declaration(number)
        if declaration is None:
            return ()
        values = decode_arguments(declaration, self.arch, raw)
        pairs = zip(declaration.parameters, values, strict=True)
        return tuple(value for (_, kind), value in pairs if kind.show == "fd")


def build_table(arch: str, on_unknown: UnknownHook | None = None) -> SyscallTable:
    """The table of a CPU with every family loaded."""
    return SyscallTable(arch, on_unknown=on_unknown)
