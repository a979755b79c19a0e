"""The order of the process tree, and that a guest cannot fork too deep for it."""

from __future__ import annotations

from kernel.machine.describe.processes import TaskView
from tools.inspector.rows import task_rows
from tools.notebook.tree import tree_lines
from tools.task_tree import DEEPEST, Branch, branches

DEEP = 3000


def test_threads_come_behind_their_leader_and_children_behind_both() -> None:
    tasks = [(1, 1, 0), (2, 2, 1), (3, 3, 2), (4, 2, 1), (5, 5, 1), (6, 6, 77)]
    assert branches(tasks) == [
        Branch(1, 0, False), Branch(2, 1, False), Branch(4, 2, False), Branch(3, 2, True),
        Branch(5, 1, True), Branch(6, 0, True),
    ]  # fmt: skip


def test_a_chain_of_forks_may_be_as_deep_as_it_likes() -> None:
    """Python's own stack has a thousand levels."""
    tree = branches((tid, tid, tid - 1) for tid in range(1, DEEP))
    assert [branch.tid for branch in tree] == list(range(1, DEEP))
    assert tree[-1].depth == DEEP - 2


def test_nobody_who_draws_it_goes_deeper_than_there_is_room() -> None:
    views = [view(tid) for tid in range(1, DEEP)]
    rows = task_rows([found._asdict() for found in views], selected=2, current=None)
    assert [row.key for row in rows] == list(range(1, DEEP))
    lines = tree_lines(views)
    assert lines[1] == "└─ 2 sh S"
    assert len(lines) == DEEP - 1
    for shown in (lines[-1], rows[-1].text.plain):
        assert "sh" in shown
        assert len(shown) < 4 * DEEPEST + 40


def view(tid: int) -> TaskView:
    """A shell, child of the one before it."""
    return TaskView(
        tid, tid, tid - 1, 1, 1, "sh", "S", 0, 0, 0, 0, 0, 20, 1, None, None, False
    )  # fmt: skip
