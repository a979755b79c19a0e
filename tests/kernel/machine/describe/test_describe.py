"""Descriptions: plain, true (they agree with /proc), changing nothing, with their source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import diorama
from kernel.machine import describe
from kernel.machine.describe.plain import Source

pytestmark = [pytest.mark.guest, pytest.mark.row("T1")]


def everything(machine: diorama.Machine) -> dict[str, object]:
    """All that can be described, of the machine and of its first program."""
    system, kernel = machine.system, machine.kernel
    task = system.tasks[2]
    space = task.mm
    assert space is not None
    return {
        "tasks": describe.tasks(system, kernel.table),
        "run_queue": describe.run_queue(system),
        "signals": describe.signals(task),
        "descriptors": describe.descriptors(task),
        "pipes": describe.pipes(system),
        "mounts": describe.mounts(system),
        "inodes": describe.inodes(system),
        "memory_map": describe.memory_map(task),
        "page_walk": describe.page_walk(task, space.start_stack),
        "memory": describe.memory(system),
        "sockets": describe.sockets(system),
        "futexes": describe.futexes(system),
        "wait_queues": describe.wait_queues(kernel),
        "wait_graph": describe.wait_graph(kernel),
    }


def test_everything_is_json_and_has_a_source(busy: diorama.Machine) -> None:
    for name, found in everything(busy).items():
        text = json.dumps(describe.plain(found))
        assert json.loads(text) == describe.plain(found), name
        views = found if isinstance(found, tuple) and not hasattr(found, "_fields") else (found,)
        assert views, name
        for view in views:
            source = describe.source(view)
            assert Path(source.file).exists(), name
            assert "class " in source.text() or "def " in source.text()
            again = describe.source(describe.plain(view)["implemented_by"])
            assert again == source, "the same from JSON, in another process"


def test_looking_changes_nothing(busy: diorama.Machine) -> None:
    """But for what a timer has left."""
    first, second = everything(busy), everything(busy)
    for found in (first, second):
        del found["wait_graph"]
        found["descriptors"] = [
            one._replace(details=()) for one in describe.descriptors(busy.system.tasks[2])
        ]
    assert first == second


def test_tasks_are_those_of_proc(busy: diorama.Machine) -> None:
    for view in describe.tasks(busy.system, busy.kernel.table):
        stat = busy.read_file(f"/proc/{view.pid}/task/{view.tid}/stat").decode()
        name, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        assert (view.comm, view.state, view.ppid) == (name, fields[0], int(fields[1]))
        assert (view.pgid, view.sid) == (int(fields[2]), int(fields[3]))
    calls = {view.call_name for view in describe.tasks(busy.system, busy.kernel.table)}
    assert {"futex", "read", "accept", "semop"} <= calls | {"accept4", "semtimedop"}


def test_descriptors_are_those_of_proc(busy: diorama.Machine) -> None:
    found = describe.descriptors(busy.system.tasks[2])
    assert [str(one.fd) for one in found] == sorted(busy.list_directory("/proc/2/fd"), key=int)
    for one in found:
        info = dict(
            line.split(":\t") for line in
            busy.read_file(f"/proc/2/fdinfo/{one.fd}").decode().splitlines() if ":\t" in line
        )  # fmt: skip
        assert int(info["ino"]) == one.inode
    kinds = {one.kind for one in found}
    assert {"regular", "directory", "pipe", "socket", "character"} <= kinds
    assert any(dict(one.details).get("eventfd-count") == 0 for one in found)


def test_shared_open_files_have_one_identity(machine: diorama.Machine) -> None:
    """dup(2) and fork(2) share; a second open does not."""
    script = "exec 3</etc/passwd 4<&3 5</etc/passwd; sleep 50 & wait"
    process = machine.spawn("sh", "-c", script)
    machine.run(seconds=0.2)
    table = {one.fd: one for one in describe.descriptors(process.task)}
    assert table[3].identity == table[4].identity != table[5].identity
    assert (process.pid, 4) in table[3].shared
    (child,) = process.children
    assert (child.pid, 3) in table[3].shared
    theirs = {one.fd: one for one in describe.descriptors(child.task)}
    assert theirs[3].identity == table[3].identity
    assert table[3].refs == 4
    assert table[3].flag_names == ("O_RDONLY",)


def test_the_memory_map_is_that_of_proc(busy: diorama.Machine) -> None:
    task = busy.system.tasks[2]
    lines = busy.read_file("/proc/2/maps").decode().splitlines()
    areas = describe.memory_map(task)
    assert [f"{a.start:08x}-{a.end:08x} {a.perms}" for a in areas] == [
        " ".join(line.split()[:2]) for line in lines
    ]
    assert task.mm is not None
    assert sum(area.present for area in areas) == task.mm.rss
    assert all(0 <= a.dirty <= a.present <= a.pages and a.frames_shared <= a.present for a in areas)
    kinds = {area.kind for area in areas}
    assert {"text", "stack", "shared", "vdso", "none"} <= kinds


def test_the_page_walk_is_the_processors(busy: diorama.Machine) -> None:
    task = busy.system.tasks[2]
    space = task.mm
    assert space is not None
    address = busy.process(2).registers.pc
    walk = describe.page_walk(task, address)
    assert len(walk.levels) == 4
    assert [level.level for level in walk.levels] == ["PGD", "PUD", "PMD", "PTE"]
    assert walk.levels[0].table == space.root
    assert walk.frame == space.ranges.walk(space.root, address >> 12) >> 12
    assert walk.physical == walk.frame << 12 | address & 0xFFF
    assert "x" in walk.flags
    assert bytes(space.frames.view(walk.frame)) == busy.process(2).memory.read(
        address & ~0xFFF, 4096
    )
    nothing = describe.page_walk(task, 0x10000000000)
    assert (nothing.frame, nothing.physical, len(nothing.levels) < 4) == (0, None, True)
    assert "SEGV_MAPERR" in nothing.verdict
    assert "not an address" in describe.page_walk(task, 1 << 60).verdict


def test_memory_adds_up(busy: diorama.Machine) -> None:
    found = describe.memory(busy.system)
    info = busy.read_file("/proc/meminfo").decode()
    assert f"MemTotal:       {found.total * 4:8d} kB" in info
    assert f"PageTables:     {found.tables * 4:8d} kB" in info
    assert found.used + found.free == found.total


def test_sockets_say_state_and_partner(busy: diorama.Machine) -> None:
    found = {(view.family, view.type, view.state): view for view in describe.sockets(busy.system)}
    listener = found["AF_INET", "SOCK_STREAM", "LISTEN"]
    assert listener.local == "127.0.0.1:4000"
    assert listener.accepting == 1
    assert found["AF_INET", "SOCK_DGRAM", "UNCONN"].local == "127.0.0.1:4000"
    pair = found["AF_UNIX", "SOCK_STREAM", "ESTABLISHED"]
    assert pair.peer in {view.inode for view in describe.sockets(busy.system)}
    assert found["AF_UNIX", "SOCK_SEQPACKET", "LISTEN"].local == "listener"
    assert found["AF_UNIX", "SOCK_SEQPACKET", "LISTEN"].waiting


def test_signals_and_futexes(busy: diorama.Machine) -> None:
    signals = describe.signals(busy.system.tasks[2])
    assert {"SIGUSR1", "SIGUSR2", "SIGALRM"} <= set(signals.blocked)
    (queued,) = [one for one in signals.pending if one.name == "SIGUSR1"]
    assert (queued.sender, queued.shared, queued.code) == (2, True, -1)
    inherits = [one for one in describe.futexes(busy.system) if one.inherits]
    assert [one.owner for one in inherits] == [2]
    assert inherits[0].value is not None
    assert inherits[0].value & 0x3FFFFFFF == 2


def test_the_wait_graph_names_wakers_and_circles(machine: diorama.Machine) -> None:
    script = "mkfifo /tmp/a /tmp/b; exec 3<>/tmp/a 4<>/tmp/b; cat <&3 >&4 & exec cat <&4 >&3"
    process = machine.spawn("sh", "-c", script)
    sleeper = machine.spawn("sleep", "50")
    machine.run(seconds=0.3)
    graph = describe.wait_graph(machine.kernel)
    waits = {wait.tid: wait for wait in graph.waits}
    (child,) = process.children
    assert graph.cycles == ((process.pid, child.pid),)
    assert waits[process.pid].stuck
    assert waits[child.pid].stuck
    assert set(waits[child.pid].wakers) == {process.pid, child.pid}
    assert not waits[sleeper.pid].stuck
    assert waits[sleeper.pid].seconds_left is not None
    child.kill("KILL")
    machine.run(seconds=0.1)
    assert describe.wait_graph(machine.kernel).cycles == ((process.pid,),), "it waits for itself"


def test_the_run_queue_is_in_order(machine: diorama.Machine) -> None:
    busy = [machine.spawn("sh", "-c", "while :; do :; done") for _ in range(3)]
    machine.run(seconds=0.05)
    queue = describe.run_queue(machine.system)
    assert sorted(queue.waiting) == [process.pid for process in busy]
    assert queue.ordinary == queue.waiting
    assert queue.real_time == ()
    for process in busy:
        process.kill("KILL")
    machine.run()


def test_the_source_of_a_module_is_all_of_it() -> None:
    source = describe.source("kernel.task.futex")
    assert (source.first, source.name) == (1, "futex")
    assert source.text() == source.whole().rstrip("\n")


def test_what_has_no_source_says_so() -> None:
    with pytest.raises(LookupError, match="no such class"):
        describe.source("kernel.task.task.Nothing")
    with pytest.raises(LookupError, match="no lines"):
        describe.source(7)
    found = describe.source(Source)
    assert str(found) == f"kernel.machine.describe.plain:{found.first}"
    assert found.text().startswith("class Source(NamedTuple):")
