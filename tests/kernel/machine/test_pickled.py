"""The proof that a machine is plain data: frozen, it is pickled, and made again it looks the same.

Saving a machine comes later; what is the host's own (tests/support/reachable.py names it) is handed
over as it is, everything else goes through bytes.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import diorama
from kernel.machine import describe
from kernel.machine.freezer import freeze, thaw
from kernel.task.system import System
from tests.support.reachable import HOST_FIELDS, is_host, reachable

pytestmark = pytest.mark.guest

DEEP = 20_000
"""A list of pages behind a list of areas behind ...: pickle calls itself for each."""


class Saver(pickle.Pickler):
    """Pickles all but the host's own objects, which it keeps."""

    def __init__(self, to: io.BytesIO) -> None:
        super().__init__(to)
        self.host: list[object] = []

    def persistent_id(self, thing: object) -> int | None:
        """Where the host's object is kept."""
        if isinstance(thing, type) or not is_host(thing):
            return None
        self.host.append(thing)
        return len(self.host) - 1


class Loader(pickle.Unpickler):
    """Makes everything anew but the host's own objects."""

    def __init__(self, data: bytes, host: list[object]) -> None:
        super().__init__(io.BytesIO(data))
        self._host = host

    def persistent_load(self, pid: int) -> object:
        """The one that was kept."""
        return self._host[pid]


def copy(system: System) -> System:
    """Through bytes."""
    data = io.BytesIO()
    saver = Saver(data)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEP)
    try:
        saver.dump(system)
        made: System = Loader(data.getvalue(), saver.host).load()
    finally:
        sys.setrecursionlimit(limit)
    return made


@contextmanager
def without_host(system: System) -> Iterator[None]:
    """The fields that are the host's, by HOST_FIELDS, are empty meanwhile."""
    kept: list[tuple[Any, str, object]] = []
    names = {owner for owner, _ in HOST_FIELDS}
    for _, thing in list(reachable(system, "system")):
        owners = {kind.__name__ for kind in type(thing).__mro__} & names
        for field in [field for owner, field in HOST_FIELDS if owner in owners]:
            kept.append((thing, field, getattr(thing, field)))
    for thing, field, _ in kept:
        setattr(thing, field, None)
    try:
        yield
    finally:
        for thing, field, value in kept:
            setattr(thing, field, value)


def looks(system: System) -> dict[str, object]:
    """What can be described without RAM and loop, of every task; but not what timers have left."""
    tasks = [system.tasks[tid] for tid in sorted(system.tasks)]
    return {
        "tasks": describe.tasks(system),
        "run queue": describe.run_queue(system),
        "mounts": describe.mounts(system),
        "pipes": describe.pipes(system),
        "sockets": describe.sockets(system),
        "inodes": describe.inodes(system),
        "descriptors": [
            found._replace(details=()) for task in tasks for found in describe.descriptors(task)
        ],
        "signals": [describe.signals(task) for task in tasks],
        "areas": [list(map(repr, task.mm.vmas)) if task.mm else None for task in tasks],
    }


def test_a_frozen_machine_goes_through_bytes(busy: diorama.Machine) -> None:
    system = busy.system
    frozen = freeze(busy.kernel)
    try:
        with without_host(system):
            again = copy(system)
        here, there = looks(system), looks(again)
        assert pickle.loads(pickle.dumps(frozen)) == frozen
    finally:
        thaw(busy.kernel, frozen)
    assert again is not system
    assert again.tasks[2] is not system.tasks[2]
    assert here["descriptors"]
    assert [name for name in here if here[name] != there[name]] == []
    assert busy.process(2).status is None
    assert not busy.kernel.bugs
