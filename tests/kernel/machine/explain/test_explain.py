"""The words of ``--explain`` apart from any program: names, counts, neighbours, lines."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kernel.abi.errors import EACCES, EBADF, EFAULT, EISDIR, ENOENT, Count
from kernel.abi.files import AT_FDCWD, O_RDWR
from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ
from kernel.machine.explain.explainer import Explainer
from kernel.machine.explain.waits import waits_for
from kernel.machine.explain.who import MOST, everybody, one_line, text, who
from kernel.mm.around import Around, area_text
from kernel.vfs.fdtable import FdTable
from syscalls.table import SyscallTable
from tests.support.calls import Guest
from tests.support.tasks import World


def test_a_process_is_named_with_its_number() -> None:
    world = World()
    task = world.program
    task.comm = b"c\nat"
    assert who(world.kernel, task.tid) == f"{task.tid} (c\\nat)"
    assert who(world.kernel, 4711) == "4711"


def test_only_some_of_many_are_named() -> None:
    world = World()
    numbers = range(100, 100 + MOST + 2)
    named = everybody(world.kernel, [*numbers, 100])
    assert named == ", ".join(map(str, numbers[:MOST])) + " and 2 more"
    assert everybody(world.kernel, []) == ""


def test_a_name_cannot_break_the_line() -> None:
    assert text(b"a\nb\x1b\xffc") == "a\\nb\\x1b\\xffc"
    assert one_line("café") == "café"


def test_a_running_task_waits_for_nothing() -> None:
    assert waits_for(World().program, "read", (0, 0, 0)) == ""


@pytest.mark.parametrize(("number", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_counts_agree_with_their_nouns(number: int, words: str) -> None:
    assert str(Count(number, "file", "files")) == words


def test_the_reason_shows_the_kernel_as_the_error_found_it(arch: str) -> None:
    guest = Guest(arch)
    guest("mkdirat", AT_FDCWD, b"/d", 0o755)
    with pytest.raises(ENOENT) as caught:
        guest("openat", AT_FDCWD, b"/d/x", 0)
    assert caught.value.reason == "/d/x: there is no 'x' in /d"
    assert all(not isinstance(fact, str) or "/d/x" not in fact for fact in caught.value.facts)


def test_search_permission_names_the_directory_that_refused(arch: str) -> None:
    root = Guest(arch)
    root("mkdirat", AT_FDCWD, b"/a", 0o755)
    root("mkdirat", AT_FDCWD, b"/a/b", 0o700)
    user = Guest(arch, uid=1000, world=root.world)
    with pytest.raises(EACCES) as caught:
        user("openat", AT_FDCWD, b"/a/b/c", O_RDWR)
    assert caught.value.reason == (
        "/a/b/c: '/a/b' is a directory of uid 0, gid 0, mode 0700; "
        "uid 1000, gid 1000 has no search permission"
    )


def test_a_directory_opened_for_writing_is_named(arch: str) -> None:
    guest = Guest(arch)
    with pytest.raises(EISDIR) as caught:
        guest("openat", AT_FDCWD, b"/", O_RDWR)
    assert caught.value.reason == "/ is a directory, which cannot be opened for writing"


def test_an_address_is_shown_with_what_lies_around_it(arch: str) -> None:
    guest = Guest(arch)
    space = guest.task.mm
    area = space.mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, None)
    assert str(Around(space, area, 1)).endswith("r--p, which does not allow writing")
    found = space.vmas.find(area)
    assert found is not None
    assert area_text(space, found) == f"anonymous memory {area:#x}-{found.end:#x} r--p"
    with pytest.raises(EFAULT) as caught:
        guest.task.mem.read(0x10, 1)
    assert caught.value.reason.startswith("nothing is mapped at 0x10: ")
    assert "bytes above" in caught.value.reason


def test_a_full_machine_is_not_a_bad_address(arch: str) -> None:
    space = Guest(arch).task.mm
    assert str(Around(space, 0x5000, 1, full=True)) == "no page frame is left for 0x5000 (--memory)"


def test_names_are_added_to_numbers() -> None:
    world = World()
    guest = Guest("x86_64")
    explainer = Explainer(guest.table)
    number = guest.table.numbers["kill"]
    task = world.program
    why = explainer.why(task, number, (1, 9), -1, f"process {task.tid} may not, task 4711 either")
    assert why == f"process {task.tid} ({task.comm.decode()}) may not, task 4711 either"


def test_requests_of_sockets_are_named() -> None:
    guest = Guest("x86_64")
    number = guest.table.numbers["ioctl"]
    reason = "socket:[2] does not know request 0x8946"
    why = Explainer(guest.table).why(World().program, number, (3, 0x8946, 0), -25, reason)
    assert why == "socket:[2] does not know SIOCETHTOOL (0x8946)"


def test_a_table_of_its_own_has_a_history_of_its_own() -> None:
    """close_range(2) with CLOSE_RANGE_UNSHARE: what one closes later, the other did not."""
    world = World()
    table = Guest("x86_64").table
    task, other = world.program, world.fork(world.program)
    other.fds = task.fds
    explainer = Explainer(table)
    opened: Any = SimpleNamespace(refs=1)
    task.fds.files[5] = opened
    close(explainer, table, task, "close", (3,), lambda: task.fds)
    close(explainer, table, other, "close_range", (5, 5, 0), lambda: other.fds.copy())
    close(explainer, table, task, "close", (7,), lambda: task.fds)
    reason = "descriptor 7 is not open"
    read = table.numbers["read"]
    assert "closed it" in explainer.why(task, read, (7, 0, 0), -EBADF.errno, reason)
    assert "was not since" in explainer.why(other, read, (7, 0, 0), -EBADF.errno, reason)


def close(
    explainer: Explainer, table: SyscallTable, task: Any, name: str, args: tuple[int, ...],
    made: Callable[[], FdTable],
) -> None:  # fmt: skip
    """A call that closes descriptors, after which the task has another table perhaps."""
    raw = (*args, 0, 0, 0, 0, 0, 0)[:6]
    explainer.syscall_enter(task, table.numbers[name], raw)
    task.fds = made()
    explainer.syscall_exit(task, table.numbers[name], raw, 0, "")
