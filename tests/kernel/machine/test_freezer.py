"""Every sleeping call goes back to its start and on again, with the result it would have had.

The guest programs check themselves and pass on Linux; here the whole machine is frozen and thawed
after every turn of a task, so each call of theirs that can sleep is made several times over.
"""

from __future__ import annotations

import re
from types import GeneratorType, SimpleNamespace
from typing import Any

import pytest

import diorama
from kernel.machine import describe
from kernel.machine.freezer import Frozen, _in_order, freeze, thaw
from kernel.wait import Waiter, WaitQueue
from tests.support.reachable import reachable, violations
from userland import build

pytestmark = pytest.mark.guest

PROGRAMS = (
    "blocking", "waiting", "queueing", "sysvipc", "epolling", "epoll_sockets", "net_tcp",
    "timerfds", "mqueues", "pidfds", "inotifying", "posixtimers", "restarts",
    "interrupting", "signals", "jobcontrol", "times", "threads_sync", "threads_locks",
    "threads_life", "processes", "execing", "splicing",
)  # fmt: skip
NOT = {
    "pipes": "counts on a large write(2) to a pipe, which is over with a short count, as by a stop",
    "net_unix": "counts on a large write(2) to a stream, likewise",
    "threads_raw": "FUTEX_WAIT_REQUEUE_PI that was moved to its lock is EAGAIN, as by a signal",
}


class Freezer:
    """Freezes and thaws whenever it is asked; ``met``: the calls that were frozen, by name."""

    def __init__(self, machine: diorama.Machine) -> None:
        self.kernel = machine.kernel
        self.met: dict[str, int] = {}
        self.blocks = 0

    def __call__(self) -> bool:
        frozen = freeze(self.kernel)
        for one in frozen:
            name = self.kernel.table.name(one.call[0]) or "?"
            self.met[name] = self.met.get(name, 0) + 1
            self.blocks += one.block is not None
        thaw(self.kernel, frozen)
        return False


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_guest_programs_do_not_notice(arch: str, name: str) -> None:
    with diorama.boot(arch, memory="512m") as machine:
        machine.mount(str(build.build(name, arch)), f"/bin/{name}")
        freezer = Freezer(machine)
        process = machine.spawn(name, cwd="/tmp")
        machine.run(freezer, seconds=60)
        assert not machine.kernel.bugs, machine.kernel.bugs[0]
        assert (process.status, process.stdout) == (0, "ok\n"), process.stderr
        assert freezer.met


def test_what_is_left_out_is_left_out_for_its_reason(arch: str) -> None:
    """The programs that notice: what they say is the difference that is named."""
    with diorama.boot(arch, memory="512m") as machine:
        machine.mount(str(build.build("pipes", arch)), "/bin/pipes")
        process = machine.spawn("pipes", cwd="/tmp")
        machine.run(Freezer(machine), seconds=60)
        assert "total == 700000" in process.stdout + process.stderr
    assert not NOT.keys() & set(PROGRAMS)


def test_a_frozen_machine_has_no_generators_and_thaws_to_what_it_was(
    busy: diorama.Machine,
) -> None:
    before = [str(task) for task in busy.snapshot()]
    frozen = freeze(busy.kernel)
    generators = [path for path, thing in reachable(busy.system, "system")
                  if isinstance(thing, GeneratorType)]  # fmt: skip
    thaw(busy.kernel, frozen)
    after = [str(task) for task in busy.snapshot()]
    assert generators == []
    assert len(frozen) >= 16
    assert violations(frozen, "frozen") == []
    assert any(one.deadline is not None for one in frozen)
    assert [without_times(line) for line in after] == [without_times(line) for line in before]


def without_times(line: str) -> str:
    """A line of a snapshot, without how long it will still sleep."""
    return re.sub(r"for [0-9.]+ s", "for a while", line)


def test_sleepers_keep_their_places_in_a_queue(busy: diorama.Machine) -> None:
    """Also if the later one has the smaller number."""

    def order() -> list[tuple[int, ...]]:
        return [view.sleepers for view in describe.wait_queues(busy.kernel)]

    queues = order()
    for _ in range(3):
        thaw(busy.kernel, freeze(busy.kernel))
    assert order() == queues


def test_who_has_died_meanwhile_is_left_alone(busy: diorama.Machine) -> None:
    thaw(busy.kernel, [Frozen(9999, (0,) * 7, None, None), *freeze(busy.kernel)])
    assert busy.process(2).status is None
    assert not busy.kernel.bugs


def test_thousands_behind_each_other_keep_their_order() -> None:
    """Each waits for two things, and behind the next one at both; Python's stack is not so deep."""
    many = 5000
    queues = [WaitQueue(str(number)) for number in range(many + 1)]
    tasks = {tid: SimpleNamespace(tid=tid, generator=True, waiter=None) for tid in range(many)}
    for tid in reversed(range(many)):
        sleeper: Any = tasks[tid]
        sleeper.waiter = Waiter(sleeper, (queues[tid], queues[tid + 1]))
    machine: Any = SimpleNamespace(system=SimpleNamespace(tasks=tasks))
    assert [task.tid for task in _in_order(machine)] == list(reversed(range(many)))
    woken: Any = tasks[many - 1]
    woken.waiter.remove()
    order = [task.tid for task in _in_order(machine)]
    assert order.index(many - 1) > order.index(many - 2), "it would sleep again behind the other"
