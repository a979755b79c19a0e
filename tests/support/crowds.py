"""Machines in which a guest has thousands of something (crowd.c)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import diorama
from userland.build import build_source

SOURCE = (Path(__file__).parent / "crowd.c").read_text()
FLAGS = ("-O1", "-g0", "-std=gnu11", "-w", "-static")


def build_crowd(arch: str) -> Path:
    """The program."""
    return build_source("crowd", arch, SOURCE, FLAGS)


@contextmanager
def crowd(arch: str, *words: object) -> Iterator[diorama.Machine]:
    """A machine in which it has said that it is ready; the program is process 2."""
    with diorama.boot(arch, memory="512m") as machine:
        machine.mount(str(build_crowd(arch)), "/bin/crowd")
        process = machine.spawn("crowd", *map(str, words), stdin=diorama.OPEN)
        machine.run(lambda: process.stdout == "ready\n" or process.status is not None)
        assert (process.status, process.stderr) == (None, "")
        machine.run(seconds=0.1)
        yield machine
        process.kill("KILL")
        machine.run(seconds=1)
