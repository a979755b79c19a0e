"""The wait-for graph: an arrow from each sleeper to those who could wake it, circles in red."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING, Final

from tools.notebook.svg import BLUE, GREEN, GREY, RED, Canvas, framed, shortened, text_width

if TYPE_CHECKING:
    from kernel.machine.describe.graph import Wait, WaitGraph

_BOX_HEIGHT: Final = 38.0
_MOST: Final = 24
"""With more tasks only those who are stuck, and whom they wait for, are drawn."""
Point = tuple[float, float]


def wait_picture(graph: WaitGraph) -> str:
    """As HTML with a picture."""
    shown = _chosen(graph)
    nodes = _order(graph, shown)
    canvas = Canvas("who waits for whom")
    names = {wait.tid: wait for wait in graph.waits}
    labels = {tid: _label(tid, names.get(tid)) for tid in nodes}
    widths = {tid: max(text_width(text, 11) for text in labels[tid]) + 16 for tid in nodes}
    places = _places(nodes, max(widths.values(), default=0))
    red = _edges_of_cycles(graph)
    for wait in shown:
        for waker in wait.wakers:
            if waker in places:
                edge = (wait.tid, waker)
                _arrow(canvas, places, widths, edge, red=edge in red)
    for tid in nodes:
        _node(canvas, places[tid], widths[tid], labels[tid], names.get(tid))
    stuck = sum(1 for wait in graph.waits if wait.stuck)
    note = f"{stuck} tasks are stuck: nobody is left who could wake them" if stuck else ""
    for cycle in graph.cycles:
        around = [*cycle, cycle[0]] if len(cycle) <= _MOST else [*cycle[:_MOST], "…"]
        note += f"; circle: {' → '.join(map(str, around))}"
    return framed(f"{len(graph.waits)} tasks wait", canvas.render(), note)


def _chosen(graph: WaitGraph) -> list[Wait]:
    if len(graph.waits) <= _MOST:
        return list(graph.waits)
    return [wait for wait in graph.waits if wait.stuck][:_MOST]


def _order(graph: WaitGraph, shown: list[Wait]) -> list[int]:
    """Members of a circle beside each other, then the others, then who is only waited for."""
    drawn = {wait.tid: None for wait in shown}
    found: dict[int, None] = {}
    for cycle in graph.cycles:
        found.update(dict.fromkeys(tid for tid in cycle if tid in drawn))
    found.update(drawn)
    for wait in shown:
        found.update(dict.fromkeys(wait.wakers))
    return list(found)


def _edges_of_cycles(graph: WaitGraph) -> set[tuple[int, int]]:
    return {
        (tid, cycle[(place + 1) % len(cycle)])
        for cycle in graph.cycles
        for place, tid in enumerate(cycle)
    }


def _label(tid: int, wait: Wait | None) -> tuple[str, str]:
    if wait is None:
        return (f"{tid}", "awake")
    reason = " or ".join(wait.waits_for)
    left = f", {wait.seconds_left:.1f} s" if wait.seconds_left is not None else ""
    return (f"{tid} {wait.comm}: {wait.call or ''}", shortened(f"waits for {reason}{left}", 40))


def _places(nodes: list[int], width: float) -> dict[int, Point]:
    """On a circle, wide enough that no two boxes touch; one or two beside each other."""
    count = len(nodes)
    across, down = (width + 60) * max(count, 2) / pi / 1.6, 46.0 * max(count, 2) / 2 + 20
    if count == 2:
        across, down = width / 2 + 70, 0.0
    if count == 1:
        across = down = 0.0
    centre = (across + width / 2 + 10, down + _BOX_HEIGHT / 2 + 10)
    return {
        tid: (
            centre[0] + across * sin(2 * pi * place / count + (pi / 2 if count == 2 else 0)),
            centre[1] - down * cos(2 * pi * place / count),
        )
        for place, tid in enumerate(nodes)
    }


def _node(
    canvas: Canvas, at: Point, width: float, label: tuple[str, str], wait: Wait | None
) -> None:
    colour = GREEN if wait is None else RED if wait.stuck else GREY if wait.open_ended else BLUE
    x, y = at[0] - width / 2, at[1] - _BOX_HEIGHT / 2
    canvas.box(x, y, width, _BOX_HEIGHT, colour, thick=wait is not None and wait.stuck,
               dashed=wait is None)  # fmt: skip
    canvas.text(at[0], y + 16, label[0], size=11, anchor="middle", bold=True)
    canvas.text(at[0], y + 31, label[1], size=11, anchor="middle", faint=True)


def _arrow(
    canvas: Canvas, places: dict[int, Point], widths: dict[int, float], edge: tuple[int, int],
    *, red: bool,
) -> None:  # fmt: skip
    colour = RED if red else GREY
    start, end = places[edge[0]], places[edge[1]]
    if edge[0] == edge[1]:  # it waits for itself: the other end is its own
        x, y = start[0] + widths[edge[0]] / 2, start[1]
        canvas.line([(x, y - 8), (x + 26, y - 8), (x + 26, y + 8), (x, y + 8)], colour, arrow=True,
                    thick=red)  # fmt: skip
        return
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    bend = (middle[0] + (end[1] - start[1]) * 0.15, middle[1] - (end[0] - start[0]) * 0.15)
    first = _edge_of_box(start, bend, widths[edge[0]])
    last = _edge_of_box(end, bend, widths[edge[1]])
    canvas.curve(first, bend, last, colour, thick=red)


def _edge_of_box(box: Point, towards: Point, width: float) -> Point:
    """Where the line from a box's centre leaves it."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    across = (width / 2 + 2) / abs(dx) if dx else float("inf")
    down = (_BOX_HEIGHT / 2 + 2) / abs(dy) if dy else float("inf")
    scale = min(across, down, 1.0)
    return (box[0] + dx * scale, box[1] + dy * scale)
