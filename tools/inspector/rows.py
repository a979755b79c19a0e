"""From descriptions, as JSON brings them, to the lines of the panes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rich.style import Style
from rich.text import Text

from tools.inspector.listing import Row
from tools.task_tree import DEEPEST, branches

Plain = dict[str, Any]  # Any: what JSON has

DIM: Final = Style(dim=True)
BOLD: Final = Style(bold=True)
NAME: Final = Style(color="bright_cyan")
NUMBER: Final = Style(color="bright_yellow")
GOOD: Final = Style(color="green")
BAD: Final = Style(color="bright_red")
WARN: Final = Style(color="yellow")
STATES: Final = {"R": GOOD, "S": DIM, "D": WARN, "T": WARN, "Z": BAD, "X": BAD, "t": WARN}
TASK_HEADING: Final = "  TID S   TIME COMMAND          CALL"
FILE_HEADING: Final = " FD MODE    POS  FILE"
AREA_HEADING: Final = "START        PERM   SIZE  THERE NAME"
_MODES: Final = {"O_RDONLY": "r", "O_WRONLY": "w", "O_RDWR": "rw", "O_PATH": "-"}
_UNITS: Final = "KMGT"
MOST_NAMED: Final = 6
"""So many sleepers, or holders of a pipe, are named on one line."""


def size(number: int) -> str:
    """Bytes for people: 512, 4K, 1.5M."""
    if number < 1024:
        return str(number)
    value = float(number)
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:.0f}{unit}" if value >= 10 or value == int(value) else f"{value:.1f}{unit}"


def seconds(ns: int) -> str:
    """A time for people: 12us, 3.4ms, 1.20s, 2:05."""
    if ns < 1_000_000:
        return f"{ns // 1000}us"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.1f}ms"
    if ns < 100_000_000_000:
        return f"{ns / 1e9:.2f}s"
    return f"{ns // 60_000_000_000}:{ns // 1_000_000_000 % 60:02}"


def visible(text: str) -> str:
    """Names of the guest's with control characters made visible: they end up in our lines."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def heading(text: str, number: int | None = None) -> Row:
    """A line between groups."""
    line = Text(text, style=BOLD)
    if number is not None:
        line.append(f" {number}", DIM)
    return Row(("heading", text), line)


def first(text: str, style: Style) -> Text:
    """The beginning of a line; its style is its own and not that of what follows."""
    return Text().append(text, style)


def _some(things: Sequence[object], between: str = " ") -> str:
    """The first few of what may be thousands: a line has an end."""
    more = ["…"] if len(things) > MOST_NAMED else []
    return between.join([*map(str, things[:MOST_NAMED]), *more])


# -- tasks -----------------------------------------------------------------------------------------


def task_rows(tasks: Sequence[Plain], selected: int | None, current: int | None) -> list[Row]:
    """The process tree: children below their parents, threads below their leader."""
    known = {task["tid"]: task for task in tasks}
    tree = branches((task["tid"], task["pid"], task["ppid"]) for task in tasks)
    return [
        _task_row(known[tid], min(depth, DEEPEST), tid == selected, tid == current)
        for tid, depth, _ in tree
    ]


def _task_row(task: Plain, depth: int, selected: bool, current: bool) -> Row:
    text = Text()
    text.append("▶" if selected else " ", NAME)
    text.append(f"{task['tid']:4} ", NUMBER)
    text.append(task["state"], STATES.get(task["state"], DIM))
    spent = task["utime"] + task["stime"]
    text.append(f" {seconds(spent):>6} ", DIM)
    name = visible(task["comm"])
    if task["tid"] != task["pid"]:
        name = f"{{{name}}}"
    indent = "  " * (depth - 1) + "└ " if depth else ""
    text.append(f"{indent}{name}".ljust(17)[: max(17, len(indent) + 8)], BOLD if current else "")
    call = task["call_name"] or ("kernel" if task["kernel_task"] else "")
    text.append(call, NAME if task["call_name"] else DIM)
    if current:
        text.append(" ◀ here", WARN)
    return Row(task["tid"], text, task)


# -- files -----------------------------------------------------------------------------------------


def file_rows(descriptors: Iterable[Plain]) -> list[Row]:
    """One task's descriptors."""
    return [_file_row(descriptor) for descriptor in descriptors]


def _file_row(found: Plain) -> Row:
    names = found["flag_names"]
    mode = _MODES.get(names[0] if names else "", "?")
    text = first(f"{found['fd']:3} ", NUMBER)
    text.append(f"{mode + ('c' if found['cloexec'] else ''):<4}", GOOD if "w" in mode else "")
    seekable = found["kind"] in ("regular", "directory")
    text.append(f"{found['pos'] if seekable else '':>6}  ", DIM)
    text.append(visible(found["path"]))
    if found["shared"]:
        with_whom = " ".join(f"{pid}:{fd}" for pid, fd in found["shared"][:3])
        more = "…" if len(found["shared"]) > 3 else ""
        text.append(f"  shared with {with_whom}{more}", DIM)
    return Row(("fd", found["fd"]), text, found)


def area_rows(areas: Iterable[Plain]) -> list[Row]:
    """One task's memory map."""
    return [_area_row(area) for area in areas]


def _area_row(area: Plain) -> Row:
    text = first(f"{area['start']:012x} ", NUMBER)
    perms = area["perms"]
    text.append(f"{perms} ", GOOD if "w" in perms else NAME if "x" in perms else DIM)
    text.append(f"{size(area['end'] - area['start']):>6} ")
    there = f"{size(area['present'] * 4096) if area['present'] else '-':>6} "
    text.append(there, "" if area["present"] else DIM)
    text.append(visible(area["name"]) or area["kind"], "" if area["name"] else DIM)
    return Row(("area", area["start"]), text, area)


# -- waiting ---------------------------------------------------------------------------------------


def queue_rows(queue: Plain, waits: Plain, names: dict[int, str]) -> list[Row]:
    """The run queue, then who waits for what, then circles."""
    rows = [heading("Run queue", len(queue["waiting"]))]
    current = queue["current"]
    if current is not None:
        text = first(f" {current:4} ", NUMBER) + Text(names.get(current, ""), BOLD)
        rows.append(Row(("current", 0), text.append("  has the processor", GOOD), queue))
    for place, tid in enumerate(queue["waiting"], 1):
        text = first(f" {tid:4} ", NUMBER) + Text(names.get(tid, ""))
        rows.append(Row(("ready", tid), text.append(f"  is number {place}", DIM), queue))
    if current is None and not queue["waiting"]:
        rows.append(Row(("nobody", 0), Text("      nobody can run", DIM), queue))
    rows.append(heading("Asleep", len(waits["waits"])))
    rows += [_wait_row(wait) for wait in waits["waits"]]
    for circle in waits["cycles"]:
        around = _some([*circle, circle[0]], " → ")
        rows.append(Row(("circle", tuple(circle)), Text(f" deadlock: {around}", BAD), waits))
    return rows


def _wait_row(wait: Plain) -> Row:
    text = first(f" {wait['tid']:4} ", NUMBER)
    text.append(f"{visible(wait['comm'])} ")
    text.append(wait["call"] or "", NAME)
    text.append(" waits for ", DIM)
    text.append(visible(" or ".join(wait["waits_for"])))
    if wait["seconds_left"] is not None:
        text.append(f" {wait['seconds_left']:.1f}s", WARN)
    if wait["wakers"]:
        text.append(f" ← {_some(wait['wakers'])}", DIM)
    if wait["stuck"]:
        text.append(" stuck", BAD)
    return Row(("wait", wait["tid"]), text, wait)


# -- the kernel's other things ---------------------------------------------------------------------


def kernel_rows(shown: Plain) -> list[Row]:
    """Memory, mounts, pipes, sockets, futexes."""
    rows = [heading("Memory"), _memory_row(shown["memory"])]
    rows.append(heading("Futexes", len(shown["futexes"])))
    rows += [_futex_row(n, futex) for n, futex in enumerate(shown["futexes"])]
    rows.append(heading("Pipes", len(shown["pipes"])))
    rows += [_pipe_row(pipe) for pipe in shown["pipes"]]
    rows.append(heading("Sockets", len(shown["sockets"])))
    rows += [_socket_row(found) for found in shown["sockets"]]
    rows.append(heading("Mounts", len(shown["mounts"])))
    rows += [_mount_row(mount) for mount in shown["mounts"]]
    return rows


def _memory_row(memory: Plain) -> Row:
    text = first(f" {size(memory['used'] * 4096)}", NUMBER)
    text.append(f" of {size(memory['total'] * 4096)} in frames: ")
    text.append(f"{memory['tables']} tables, {memory['page_cache']} page cache, ", DIM)
    text.append(f"{memory['shared']} shared", DIM)
    return Row(("memory", 0), text, memory)


def _futex_row(number: int, futex: Plain) -> Row:
    text = first(f" {futex['address']:#x}", NUMBER)
    text.append(f" pid {futex['pid']} = {futex['value']}", "")
    text.append(f"  waiting {_some(futex['waiters'])}", DIM)
    if futex["owner"]:
        text.append(f"  held by {futex['owner']}", WARN)
    return Row(("futex", number), text, futex)


def _pipe_row(pipe: Plain) -> Row:
    text = first(f" {visible(pipe['name'])} ", NUMBER)
    text.append(f"{size(pipe['size'])}/{size(pipe['capacity'])}  ")
    text.append(f"{_ends(pipe['writers'])} → {_ends(pipe['readers'])}", DIM)
    return Row(("pipe", pipe["inode"]), text, pipe)


def _ends(holders: Sequence[Sequence[int]]) -> str:
    return _some([f"{pid}:{fd}" for pid, fd in holders[: MOST_NAMED + 1]]) or "nobody"


def _socket_row(found: Plain) -> Row:
    text = first(f" {found['family']} {found['type']} ", NAME)
    text.append(f"{found['state']} ", DIM)
    text.append(visible(found["local"]))
    if found["remote"]:
        text.append(f" → {visible(found['remote'])}")
    if found["holders"]:
        text.append(f"  {_ends(found['holders'])}", DIM)
    return Row(("socket", found["inode"]), text, found)


def _mount_row(mount: Plain) -> Row:
    text = first(f" {visible(mount['place'])} ", NAME)
    text.append(f"{mount['fstype']} ")
    text.append(visible(mount["options"]), DIM)
    return Row(("mount", mount["ident"]), text, mount)


# -- the stream ------------------------------------------------------------------------------------


def event_row(event: Plain) -> Row | None:
    """A line of the stream; None for an event that is not shown."""
    kind = event["event"]
    if kind == "call":
        return _call_row(event)
    if kind == "lost":
        text = Text(f"      … {event['events']} more, too many to show (a filter helps: /)", WARN)
        return Row(None, text)
    make = _EVENTS.get(kind)
    if make is None:
        return None
    text = first(f"{event['tid']:4} ", NUMBER)
    text.append(visible(make(event)), WARN)
    return Row(None, text, event)


def _call_row(call: Plain) -> Row:
    text = first(f"{call['tid']:4} ", NUMBER)
    text.append(call["name"], NAME)
    text.append(f"({call['arguments']}")
    if call["result"] is None:
        text.append(" …", WARN)
    else:
        text.append(")" + " " * max(1, 39 - text.cell_len))
        failed = call["error"] is not None
        text.append(f"= {call['result']}", BAD if failed else GOOD)
    return Row(("call", call["seq"]), text, call)


def _exec_text(event: Plain) -> str:
    return f"+++ exec {event['path']}: {' '.join(event['argv'])} +++"


_EVENTS: Final[dict[str, Callable[[Plain], str]]] = {
    "signal": lambda e: f"--- {e['signal']} {e['text']} ---",
    "stop": lambda e: f"--- stopped by {e['signal']} ---",
    "continue": lambda e: "--- continues ---",
    "start": lambda e: f"+++ started by {e['parent']} +++",
    "end": lambda e: f"+++ {e['text']} +++",
    "exec": _exec_text,
    "fault": lambda e: f"... {e['kind']} fault, {e['access']} at {e['address']:#x}",
    "switch": lambda e: f"... runs after {e['from']}",
}
