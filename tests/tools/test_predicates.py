"""Predicates: what their names mean, and what is said about bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

import diorama
from syscalls.table import SyscallTable
from tools.predicates import (
    CallValues,
    Predicate,
    PredicateError,
    RegisterValues,
    call_names,
    register_names,
)

OPENAT = ("dirfd", "pathname", "flags", "mode", "path")


@pytest.fixture
def machine(arch: str) -> Iterator[diorama.Machine]:
    with diorama.boot(arch, memory="64m") as booted:
        yield booted


def evaluated(
    machine: diorama.Machine, name: str, expressions: tuple[str, ...], *program: str
) -> list[list[bool]]:
    """What each expression says at each call ``name`` that a program makes."""
    table = cast(SyscallTable, machine._session.machine.table)
    declaration = table.declaration(table.numbers[name])
    predicates = [Predicate(text, call_names(declaration)) for text in expressions]
    found: list[list[bool]] = []

    def look(call: diorama.Call) -> None:
        values = table.decode(table.numbers[name], call.raw)
        known = CallValues(call.process.task, name, declaration, values)
        found.append([predicate(known) for predicate in predicates])

    machine.on(name, look)
    machine.spawn(*program)
    machine.run()
    return found


@pytest.mark.guest
def test_names_are_the_manuals(machine: diorama.Machine) -> None:
    expressions = (
        'pathname == "/etc/shells" and "O_RDONLY" in flags and str(dirfd) == "AT_FDCWD"',
        'path.startswith("/etc")',
        "dirfd == AT_FDCWD and flags & O_ACCMODE == O_RDONLY",
        'comm == "cat" and pid == tid == task.tid and name == "openat" and len(args) == 4',
        'any(word in path for word in ("shells", "passwd"))',
        "(lambda suffix: path.endswith(suffix))('shells')",
    )
    found = evaluated(machine, "openat", expressions, "cat", "/etc/shells")
    assert found[-1] == [True] * 6


@pytest.mark.guest
def test_what_the_program_gives_is_decoded(machine: diorama.Machine) -> None:
    writes = ("fd == 1 and count == 6", 'buf == b"hello\\n"', 'b"ell" in buf')
    assert evaluated(machine, "write", writes, "echo", "hello") == [[True] * 3]


@pytest.mark.guest
def test_lists_and_structures_are_decoded(machine: diorama.Machine) -> None:
    script = "/bin/printf 99"
    execs = ("argv[-1] == '99'", "path.endswith('printf')")
    assert [True, True] in evaluated(machine, "execve", execs, "sh", "-c", script)


@pytest.mark.guest
def test_a_structure_is_a_dictionary(machine: diorama.Machine) -> None:
    found = evaluated(machine, "clock_nanosleep", ("t['tv_nsec'] == 5000000",), "sleep", "0.005")
    assert found == [[True]]


@pytest.mark.guest
def test_only_what_is_used_is_decoded(machine: diorama.Machine) -> None:
    """A path that cannot be read does not matter to who does not ask for it."""
    table = cast(SyscallTable, machine._session.machine.table)
    declaration = table.declaration(table.numbers["openat"])
    process = machine.spawn("true")
    values = CallValues(process.task, "openat", declaration, (-100, 1, 0, 0))
    asked: list[str] = []

    def value(name: str) -> Any:
        asked.append(name)
        return values(name)

    assert Predicate("flags == 0", OPENAT)(value)
    assert asked == ["flags"]
    assert Predicate("pathname == 1", OPENAT)(values), "what cannot be read is its address"
    machine.run()


@pytest.mark.guest
def test_registers(machine: diorama.Machine) -> None:
    task = machine.spawn("true").task
    known = register_names(task)
    pc = machine.system.cpu.registers(task.context).pc
    assert Predicate(f"pc == {pc} and sp > pc and tid == {task.tid}", known)(RegisterValues(task))
    first = machine.system.arch.register_names[0]
    assert Predicate(f"{first} == 0", known)(RegisterValues(task))
    machine.run()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fd =", "is no expression"),
        ("", "is no expression"),
        ("import os", "is no expression"),
        ("x := 1", "is no expression"),
        ("paht == 1", "'paht' is unknown here (known: dirfd, flags, mode, path, pathname)"),
        ("[y for x in (1,)]", "'y' is unknown here"),
        ("(" * 300 + ")" * 300, "is no expression"),
    ],
)
def test_a_bad_predicate_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(PredicateError) as caught:
        Predicate(text, OPENAT)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_of_their_own_are_allowed() -> None:
    assert Predicate("[x for x in (1, 2) if x > 1] == [2]", OPENAT)(lambda name: None)
    assert Predicate("(lambda a: a + EAGAIN)(1) == 12", OPENAT)(lambda name: None)


@pytest.mark.parametrize("text", ["O_CREAT | O_EXCL == 0o300", "SIOCGIFCONF == 0x8912", "IFF_UP"])
def test_constants_of_every_kind_are_known(text: str) -> None:
    assert Predicate(text, OPENAT)(lambda name: None)
