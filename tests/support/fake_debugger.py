"""A debugger core that stops nothing: it notes what it is asked for.

Memory and registers are the real ones of a booted session, so packets can be answered in full
without a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EFAULT
from kernel.machine.debugger import NONE, Breakpoint, Debugger, Stop, Watchpoint
from kernel.mm.peek import peek, poke

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.machine.loop import Machine
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task


class FakeDebugger(Debugger):
    """``asked``: (verb, what) in order."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.catch_calls = NONE
        self.catch_signals = NONE
        self.catch_forks = self.catch_execs = self.catch_exits = self.catch_threads = False
        self.asked: list[tuple[object, ...]] = []

    def close(self) -> None:
        self.asked.append(("close",))

    def break_at(
        self,
        mm: AddressSpace,
        address: int,
        *,
        hardware: bool = False,
        when: Callable[[Stop], object] | None = None,
    ) -> Breakpoint:
        if not peek(mm, address, 1):
            raise EFAULT("nothing is mapped there")
        self.asked.append(("break", address, hardware))
        return Breakpoint(mm, address, hardware)

    def watch(
        self,
        mm: AddressSpace,
        address: int,
        length: int,
        access: str,
        *,
        when: Callable[[Stop], object] | None = None,
    ) -> Watchpoint:
        self.asked.append(("watch", address, length, access))
        return Watchpoint(mm, address, length, access)

    def remove(self, point: Breakpoint | Watchpoint) -> None:
        point.live = False
        self.asked.append(("remove", point.address))

    def step(self, task: Task) -> None:
        self.asked.append(("step", task.tid))

    def hold(self, task: Task) -> None:
        self.asked.append(("hold", task.tid))

    def release(self, task: Task) -> None:
        self.asked.append(("release", task.tid))

    def pause(self) -> None:
        self.asked.append(("pause",))

    def read(self, mm: AddressSpace, address: int, length: int) -> bytes:
        return peek(mm, address, length)

    def write(self, mm: AddressSpace, address: int, data: bytes) -> int:
        return poke(mm, address, data)

    def settle(self, task: Task) -> None:
        self.asked.append(("settle", task.tid))
