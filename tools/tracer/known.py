"""What holds for every call with one number: looked up when the number is met first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from syscalls.declare import Declaration
    from syscalls.table import SyscallTable
    from tools.tracer.filters import Filter
    from tools.tracer.qualifiers import Looks
    from tools.tracer.view import Detail


class Known(NamedTuple):
    """A call as a tracer knows it before any is made; ``shown``: do the filters let it through?"""

    name: str  # syscall_0x1f5 where Linux has none
    declaration: Declaration | None
    detail: Detail
    shown: bool


class KnownCalls(dict[int, Known]):
    """``known[number]``.  Numbers that are none of Linux's are not kept: a guest has many."""

    def __init__(self, table: SyscallTable, looks: Looks, filters: Filter) -> None:
        super().__init__()
        self._table = table
        self._looks = looks
        self._filter = filters

    def __missing__(self, number: int) -> Known:
        name = self._table.name(number)
        shown = name or f"syscall_{number:#x}"
        declaration = self._table.declaration(number)
        found = Known(shown, declaration, self._looks.of(shown), self._filter.call(name))
        if 0 <= number < len(self._table.names):
            self[number] = found
        return found
