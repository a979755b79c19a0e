"""The process tree, with a line per task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools import task_tree
from tools.notebook.svg import BLUE, GREEN, GREY, ORANGE, RED, escape, framed
from tools.task_tree import DEEPEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.machine.describe.processes import TaskView

_STATES: Final = {
    "R": (GREEN, "running"),
    "S": (BLUE, "sleeping"),
    "D": (ORANGE, "waiting"),
    "T": (RED, "stopped"),
    "Z": (GREY, "zombie"),
    "X": (GREY, "dead"),
}
_CELL: Final = 'style="padding:1px 10px 1px 0;text-align:left;white-space:pre;border:0"'
_HEADS: Final = ("", "pid", "tid", "uid", "state", "cpu", "in call")
_MS: Final = 1_000_000


def branches(tasks: Sequence[TaskView]) -> list[tuple[str, TaskView]]:
    """Each task behind the lines of its branch: children below parents, threads below processes."""
    known = {task.tid: task for task in tasks}
    found: list[tuple[str, TaskView]] = []
    leads = [""]  # what stands before the lines of each level
    for tid, depth, last in task_tree.branches((t.tid, t.pid, t.ppid) for t in tasks):
        lead = leads[min(depth, DEEPEST)]
        own = lead + ("└─ " if last else "├─ ") if depth else ""
        if depth < DEEPEST:
            del leads[depth + 1 :]
            leads.append(lead + ("   " if last else "│  ") if depth else "")
        found.append((own, known[tid]))
    return found


def tree_lines(tasks: Sequence[TaskView]) -> list[str]:
    """The tree as text."""
    return [f"{lead}{task.tid} {_name(task)} {task.state}" for lead, task in branches(tasks)]


def _name(task: TaskView) -> str:
    return task.comm if task.tid == task.pid else f"{{{task.comm}}}"


def process_tree(tasks: Sequence[TaskView]) -> str:
    """As HTML."""
    heads = "".join(f"<th {_CELL}>{head}</th>" for head in _HEADS)
    rows = "".join(_row(lead, task) for lead, task in branches(tasks))
    table = (
        '<table style="border-collapse:collapse;font:inherit;border:0;background:none">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )
    processes = sum(1 for task in tasks if task.tid == task.pid)
    return framed(f"{processes} processes, {len(tasks)} tasks", table)


def _row(lead: str, task: TaskView) -> str:
    colour, word = _STATES.get(task.state, (GREY, task.state))
    badge = (
        f'<span style="border:1px solid {colour};border-radius:3px;padding:0 4px;'
        f'background:{colour}33">{word}</span>'
    )
    spent = (task.utime + task.stime) / _MS
    lead_shown = f'<span style="opacity:.5">{escape(lead)}</span>'
    call = escape(task.call_name or ("" if task.call is None else str(task.call)))
    cells = (
        f"{lead_shown}<b>{escape(_name(task))}</b>",
        str(task.pid),
        str(task.tid) if task.tid != task.pid else "",
        str(task.uid),
        badge,
        f"{spent:.1f} ms",
        call or ("the kernel's own" if task.kernel_task else ""),
    )
    shown = "".join(f"<td {_CELL}>{cell}</td>" for cell in cells)
    return f'<tr style="background:none">{shown}</tr>'
