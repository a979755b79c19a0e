"""What a session in Python or a notebook shows of objects, and says of mistakes."""

from __future__ import annotations

import pytest

import diorama

pytestmark = [pytest.mark.guest, pytest.mark.row("T3")]
SCRIPT = """
mkfifo /tmp/f; exec 3<>/tmp/f
(sleep 100 | cat) & nc -l -p 80 & nc -u -l -p 81 & nc local:/tmp/s & trap true USR1
read line <&3
"""


def bare(roots: list[object]) -> set[str]:
    """Classes of the kernel that say no more than their name and an address."""
    todo, seen, found = list(roots), dict[int, object](), set[str]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one  # kept: an id is used again when its object is gone
        kind = type(one)
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            todo += one
        if not kind.__module__.startswith(("kernel.", "syscalls.")):
            continue
        if " object at 0x" in repr(one):
            found.add(f"{kind.__module__}.{kind.__qualname__}")
        for base in kind.__mro__:
            slots = getattr(base, "__slots__", ())
            names = (slots,) if isinstance(slots, str) else slots
            todo += [getattr(one, name) for name in names if hasattr(one, name)]
        todo += getattr(one, "__dict__", {}).values()
    return found


def test_every_object_of_the_kernel_has_a_repr(machine: diorama.Machine) -> None:
    process = machine.spawn("sh", "-c", SCRIPT)
    machine.run(seconds=0.3)
    kernel = machine.kernel
    assert not bare([machine.system, process.task])
    assert process.status is None
    for one in (kernel, kernel.table, kernel.counts, machine.symbols):
        assert " object at 0x" not in repr(one)


def test_a_machine_counts_its_processes(arch: str) -> None:
    with diorama.boot(arch) as machine:
        assert repr(machine) == f"<Machine {arch}, 1 process>"
        machine.spawn("true")
        assert repr(machine) == f"<Machine {arch}, 2 processes>"


def test_tables_are_read_without_a_notebook(machine: diorama.Machine) -> None:
    shell = machine.spawn("sh", "-c", "read line", stdin=diorama.OPEN)
    machine.run(seconds=0.1)
    assert repr(shell.files()).splitlines()[0] == "0 -> pipe:[2]"
    first = repr(shell.maps()).splitlines()[0].split()
    assert first[0].startswith("000000400000-"), "as in /proc/PID/maps"
    assert first[1] in ("r--p", "r-xp")
    assert first[2:] == ["00000000", "/bin/busybox"]
    assert repr(machine.processes()).splitlines() == ["1 init S", f"└─ {shell.pid} sh S"]
    shell.kill("KILL")


def test_waiting_for_ever_can_be_caught(machine: diorama.Machine) -> None:
    machine.spawn("sh", "-c", "mkfifo /tmp/f; read line < /tmp/f")
    with pytest.raises(diorama.Deadlock, match="every task waits for ever"):
        machine.run()


def test_a_processor_that_is_not_there() -> None:
    with pytest.raises(diorama.DioramaError, match="arch 'mips': want x86_64 or aarch64"):
        diorama.boot("mips")
