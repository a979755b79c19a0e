"""A busy machine to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import diorama
from userland.build import build_source

BUSY = (Path(__file__).parents[2] / "support" / "busy_everywhere.c").read_text()


@pytest.fixture
def busy(arch: str) -> Iterator[diorama.Machine]:
    """A machine in which a bit of everything is in use and everybody sleeps."""
    flags = ("-O1", "-g0", "-std=gnu11", "-w", "-static")
    with diorama.boot(arch, memory="128m") as machine:
        machine.mount(
            str(build_source("busy_everywhere", arch, BUSY, flags)), "/bin/busy_everywhere"
        )
        process = machine.spawn("busy_everywhere", stdin=diorama.OPEN)
        machine.run(lambda: process.stdout == "busy\n" or process.status is not None)
        machine.run(seconds=0.2)
        assert (process.status, process.stderr) == (None, "")
        assert len(process.tasks()) >= 16
        yield machine
        process.kill("KILL")
        machine.run()


@pytest.fixture
def machine(arch: str) -> Iterator[diorama.Machine]:
    """A machine with BusyBox that nothing runs on yet."""
    with diorama.boot(arch, memory="64m") as booted:
        yield booted
