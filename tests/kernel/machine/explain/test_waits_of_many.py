"""What a call waits for is said in time, however much the program asks for."""

from __future__ import annotations

import pytest

from kernel.machine.explain import Explainer
from kernel.machine.explain.files import data
from kernel.machine.explain.waits import MOST_FILES, waits_for
from kernel.task.task import Task
from kernel.vfs.openfile import OpenFile
from tests.support.crowds import crowd

pytestmark = pytest.mark.guest


def test_of_many_descriptors_only_the_named_are_looked_into(
    arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find who has the other end of each is a walk over every descriptor of everybody."""
    looked: list[OpenFile] = []

    def counted(task: Task, file: OpenFile) -> str:
        looked.append(file)
        return data(task, file)

    monkeypatch.setattr("kernel.machine.explain.waits.data", counted)
    with crowd(arch, "pipes", 200) as machine:
        said = Explainer(machine.kernel.table).wait(machine.system.tasks[2])
    assert said.startswith("waits for descriptor 4: data in pipe:[")
    assert said.endswith(" or 196 more")
    assert len(looked) == MOST_FILES


def test_select_may_name_any_number_of_descriptors(arch: str) -> None:
    """INT_MAX with that much memory behind the set: what is not open is not looked at."""
    with crowd(arch, "select") as machine:
        before = machine.system.frames.used_count
        said = Explainer(machine.kernel.table).wait(machine.system.tasks[2])
        assert machine.system.frames.used_count == before
    assert said.startswith("waits for descriptor 3: data in pipe:[")


def test_what_is_waited_for_may_be_gone_already(arch: str) -> None:
    """A semaphore set that was removed: its sleeper has been woken, and has not run yet."""
    with crowd(arch, "pipes", 1) as machine:
        task = machine.system.tasks[2]
        said = waits_for(task, "semop", (12345, 0, 0))
    assert said.startswith("waits for epoll")
