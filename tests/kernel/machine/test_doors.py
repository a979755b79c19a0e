"""Doors: a call is changed on its way in and on its way out, below everything that uses them."""

from __future__ import annotations

import pytest

import diorama
from kernel.events import Observer
from kernel.machine.dispatch import Door, Passage
from kernel.task.task import Task

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]


class Noting(Door):
    """Notes what passes; ``change`` and ``back`` are done to it."""

    def __init__(self, machine: diorama.Machine, *names: str) -> None:
        numbers = {
            machine.kernel.table.name(n): n for n in range(len(machine.kernel.table.entries))
        }
        self.by_name = numbers
        self.numbers = {numbers[name]: None for name in names}
        self.seen: list[tuple[str, int, object]] = []

    def change(self, task: Task, passage: Passage) -> None:
        """On the way in."""

    def back(self, task: Task, passage: Passage) -> None:
        """On the way out."""

    def enter(self, task: Task, passage: Passage) -> None:
        self.seen.append(("enter", passage.number, passage.result))
        self.change(task, passage)

    def leave(self, task: Task, passage: Passage) -> None:
        self.seen.append(("leave", passage.number, passage.result))
        self.back(task, passage)


def test_a_call_becomes_another_call(machine: diorama.Machine) -> None:
    """The number too can be changed; observers see what is really done."""

    class Swapping(Noting):
        def change(self, task: Task, passage: Passage) -> None:
            passage.number = self.by_name["getpid"]

    class Watching(Observer[Task]):
        def __init__(self) -> None:
            self.calls: list[str | None] = []

        def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
            self.calls.append(machine.kernel.table.name(number))

    door, watching = Swapping(machine, "getuid"), Watching()
    machine.kernel.add_door(door)
    machine.kernel.attach(watching)
    process = machine.spawn("sh", "-c", "id -ru")
    machine.run()
    assert int(process.stdout) == process.pid
    assert "getuid" not in watching.calls
    assert "getpid" in watching.calls
    machine.kernel.remove_door(door)
    machine.kernel.detach(watching)
    assert not machine.kernel.observed


def test_doors_are_passed_in_order_and_back_in_reverse(machine: diorama.Machine) -> None:
    order: list[str] = []

    class First(Noting):
        def change(self, task: Task, passage: Passage) -> None:
            order.append("in 1")
            passage.result = 5

        def back(self, task: Task, passage: Passage) -> None:
            order.append(f"out 1 {passage.result}")
            passage.result = 7

    class Second(Noting):
        def change(self, task: Task, passage: Passage) -> None:
            order.append(f"in 2 {passage.result}")

        def back(self, task: Task, passage: Passage) -> None:
            order.append(f"out 2 {passage.result}")
            passage.result = 6

    machine.kernel.add_door(First(machine, "getuid"))
    machine.kernel.add_door(Second(machine, "getuid"))
    process = machine.spawn("id", "-ru")
    machine.run()
    assert order[:4] == ["in 1", "in 2 5", "out 2 5", "out 1 6"]
    assert process.stdout == "7\n"


def test_ends_of_calls_that_do_not_return_are_not_told(machine: diorama.Machine) -> None:
    door = Noting(machine, "exit_group", "execve", "rt_sigreturn", "read")
    machine.kernel.add_door(door)
    machine.spawn("sh", "-c", "/bin/true; exit 0")
    sleeper = machine.spawn("cat", stdin=diorama.OPEN)
    machine.run(seconds=0.2)
    sleeper.kill("KILL")
    machine.run()
    ways = {(way, machine.kernel.table.name(number)) for way, number, _ in door.seen}
    assert ("enter", "exit_group") in ways
    assert ("leave", "exit_group") not in ways
    assert ("enter", "execve") in ways
    assert ("leave", "execve") not in ways
    assert ("enter", "read") in ways
    assert ("leave", "read") not in ways, "death in a call"
