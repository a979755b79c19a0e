"""Keys as terminals send them, and texts as panes show them."""

from __future__ import annotations

import pytest

from kernel.machine.describe import source
from tools.inspector.bindings import PANES
from tools.inspector.details import field_lines
from tools.inspector.keys import to_bytes
from tools.inspector.objects import EVENT_SOURCES, wanted
from tools.inspector.requests import SHOWS
from tools.inspector.rows import seconds, size, task_rows, visible


@pytest.mark.parametrize(
    ("key", "character", "sent"),
    [
        ("a", "a", b"a"),
        ("A", "A", b"A"),
        ("space", " ", b" "),
        ("plus", "+", b"+"),
        ("ä", "ä", "ä".encode()),
        ("enter", "\r", b"\r"),
        ("tab", "\t", b"\t"),
        ("shift+tab", None, b"\x1b[Z"),
        ("escape", "\x1b", b"\x1b"),
        ("backspace", "\x7f", b"\x7f"),
        ("ctrl+c", "\x03", b"\x03"),
        ("ctrl+d", None, b"\x04"),
        ("ctrl+backslash", "\x1c", b"\x1c"),
        ("ctrl+@", "\0", b"\0"),
        ("up", None, b"\x1b[A"),
        ("ctrl+right", None, b"\x1b[1;5C"),
        ("home", None, b"\x1b[H"),
        ("delete", None, b"\x1b[3~"),
        ("shift+delete", None, b"\x1b[3;2~"),
        ("f1", None, b"\x1bOP"),
        ("f12", None, b"\x1b[24~"),
        ("ctrl+f1", None, b"\x1b[1;5P"),
        ("alt+x", "x", b"\x1bx"),
        ("scroll_lock", None, b""),
    ],
)
def test_what_a_key_sends(key: str, character: str | None, sent: bytes) -> None:
    assert to_bytes(key, character) == sent


def test_cursor_keys_in_application_mode() -> None:
    assert to_bytes("up", None, application=True) == b"\x1bOA"
    assert to_bytes("shift+up", None, application=True) == b"\x1b[1;2A"


def test_sizes_and_times_for_people() -> None:
    assert [size(n) for n in (0, 1023, 1024, 1536, 12 << 20, 1 << 40)] == [
        "0", "1023", "1K", "1.5K", "12M", "1T",
    ]  # fmt: skip
    assert [seconds(n) for n in (0, 999_999, 1_500_000, 2_340_000_000, 125_000_000_000)] == [
        "0us", "999us", "1.5ms", "2.34s", "2:05",
    ]  # fmt: skip


def test_names_cannot_play_with_our_screen() -> None:
    assert visible("a\x1b[31mb\nc") == "a\\x1b[31mb\\nc"
    assert visible("größe") == "größe"


def test_fields_inside_fields() -> None:
    fields = {
        "tid": 2,
        "address": 4096,
        "levels": [{"level": "PGD", "used": 1}],
        "names": ["a", "b"],
        "none": None,
        "implemented_by": "kernel.x",
    }
    lines = [line.plain.rstrip() for line in field_lines(fields)]
    assert lines == [
        "tid              2",
        "address          0x1000",
        "levels",
        "  PGD",
        "    level        PGD",
        "    used         1",
        "names            a, b",
        "none             none",
    ]


def test_a_tree_of_tasks_with_threads_and_orphans() -> None:
    def task(pid: int, tid: int, ppid: int, comm: str) -> dict[str, object]:
        return {
            "pid": pid, "tid": tid, "ppid": ppid, "comm": comm, "state": "S", "utime": 0,
            "stime": 0, "call_name": None, "kernel_task": tid == 1,
        }  # fmt: skip

    tasks = [task(1, 1, 0, "init"), task(2, 2, 1, "main"), task(2, 3, 1, "helper"),
             task(4, 4, 2, "child"), task(9, 9, 77, "lost")]  # fmt: skip
    rows = task_rows(tasks, selected=4, current=3)
    assert [row.key for row in rows] == [1, 2, 3, 4, 9]
    shown = [row.text.plain for row in rows]
    assert "{helper}" in shown[2]
    assert "here" in shown[2]
    assert shown[3].startswith("▶")
    assert shown[3].index("child") > shown[1].index("main")


def test_what_a_pane_asks_for_can_be_had_and_every_event_has_source() -> None:
    """Names on the view's side are those of the machine's side."""
    system, task = wanted(PANES)
    assert set(system) | set(task) <= set(SHOWS)
    assert wanted(("calls",)) == (["tasks", "run_queue", "memory"], [])
    for event, name in EVENT_SOURCES.items():
        assert source(name).text().startswith(("def ", "class ")), event
