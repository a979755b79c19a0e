"""The registers of one task, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tools.errors import DioramaError
from tools.library.memory import check_open

if TYPE_CHECKING:
    from kernel.arch.base import Registers as KernelRegisters
    from kernel.task.task import Task

ROLES = ("pc", "sp", "result", "tls")
_MASK = (1 << 64) - 1


class Registers(Mapping[str, int]):
    """``registers.rax``, ``registers["x0"]``; reading and assigning both work.

    ``pc``, ``sp``, ``result`` and ``tls`` are there on every CPU.  What a program could not set
    itself (privileged flag bits, an address outside of its half) is put right on the way in.
    """

    _task: Task

    def __init__(self, task: Task) -> None:
        object.__setattr__(self, "_task", task)

    @property
    def _file(self) -> KernelRegisters:
        check_open(self._task)
        if self._task.context is None or self._task.dead:
            raise DioramaError(f"task {self._task.tid} has no registers: it has ended")
        return self._task.kernel.cpu.registers(self._task.context)

    def _check(self, name: str) -> None:
        if name not in self._task.kernel.arch.register_names:
            names = ", ".join(dict.fromkeys((*ROLES, *self._task.kernel.arch.register_names)))
            raise DioramaError(f"no register {name!r}; there are {names}")

    def __getitem__(self, name: str) -> int:
        if name in ROLES:
            return int(getattr(self._file, name))
        self._check(name)
        return self._file.get(name)

    def __setitem__(self, name: str, value: int) -> None:
        if name in ROLES:
            setattr(self._file, name, value & _MASK)
            return
        self._check(name)
        self._file.set(name, value & _MASK)

    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except DioramaError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: int) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._task.kernel.arch.register_names)

    def __len__(self) -> int:
        return len(self._task.kernel.arch.register_names)

    def __repr__(self) -> str:
        return "<Registers " + " ".join(f"{name}={value:#x}" for name, value in self.items()) + ">"
