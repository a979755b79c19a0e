"""A guest under the debugger's core, in-process: a function answers its stops."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from kernel.machine.debugger import Debugger, Stop
from tests.support.guest import TIMEOUT, GuestResult, _content, descriptors
from tools.boot import boot
from tools.config import RunConfig
from userland import build

SOURCE = Path(__file__).with_name("stops.c")
FLAGS = ("-O1", "-g", "-std=gnu11", "-Wall", "-Wextra", "-fno-sanitize=all", "-static")


def program(arch: str) -> Path:
    """stops.c, compiled."""
    return build.compile_program("stops", arch, [SOURCE], FLAGS)


@functools.cache
def symbols(path: Path) -> dict[str, int]:
    """Addresses by name."""
    with path.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


class Debugged:
    """One run of stops.c, or of ``program``.  ``stops`` and ``reasons``: what was reported.

    ``answer`` is called with this object and every Stop.  ``result`` is there after ``run``.
    """

    def __init__(self, arch: str, *words: str, **options: Any) -> None:
        path = program(arch)
        self.symbols = symbols(path)
        options.setdefault("timeout", TIMEOUT)
        options.setdefault("program", str(path))
        args = tuple(word.encode() for word in words)
        self._config = RunConfig(args=args, arch=arch, **options)
        self.stops: list[Stop] = []
        self.reasons: list[str] = []
        self.debugger: Debugger = None  # type: ignore[assignment]  # made in run
        self.result: GuestResult = None  # type: ignore[assignment]

    def run(
        self,
        answer: Callable[[Debugged, Stop], None],
        prepare: Callable[[Debugged], None] = lambda run: None,
    ) -> Debugged:
        """From the first instruction to the end.  ``prepare`` is called before."""

        def on_stop(stop: Stop) -> None:
            self.stops.append(stop)
            self.reasons.append(stop.reason)
            answer(self, stop)

        log: list[str] = []
        with descriptors(b"") as (out, err):
            session = boot(self._config, log.append)
            self.debugger = Debugger(session.machine, on_stop)
            prepare(self)
            status = session.run()
            self.result = GuestResult(status, _content(out), _content(err), log, session)
        assert not self.result.bugs, "\n".join(self.result.bugs)
        return self

    def pc(self, stop: Stop) -> int:
        """The program counter of who stopped."""
        return self.debugger.machine.cpu.registers(stop.task.context).pc

    def break_at(self, stop: Stop, name: str, **options: Any) -> Any:
        """A breakpoint at a function, in the space of who stopped."""
        assert stop.task.mm is not None
        return self.debugger.break_at(stop.task.mm, self.symbols[name], **options)

    def watch(self, stop: Stop, name: str, length: int, access: str) -> Any:
        """A watchpoint on a variable."""
        assert stop.task.mm is not None
        return self.debugger.watch(stop.task.mm, self.symbols[name], length, access)

    def word(self, stop: Stop, name: str, size: int = 4) -> int:
        """A variable's value."""
        assert stop.task.mm is not None
        return int.from_bytes(self.debugger.read(stop.task.mm, self.symbols[name], size), "little")


def debugged(
    arch: str, *words: str, answer: Callable[[Debugged, Stop], None], **options: Any
) -> Debugged:
    """Run stops.c with these arguments under a debugger."""
    return Debugged(arch, *words, **options).run(answer)
