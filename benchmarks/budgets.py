"""One measurement against its budget, and the table of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

REPETITIONS = 5


class Row(NamedTuple):
    """What one operation costs, in microseconds of CPU time."""

    path: str
    microseconds: float
    budget: float
    """0: there is none."""
    qemu: float | None = None
    """The same operation under qemu-user, where that was measured."""

    def __str__(self) -> str:
        text = f"{self.path:<58} {self.microseconds:9.3f} µs"
        if self.budget:
            verdict = "under" if self.microseconds <= self.budget else "OVER"
            text += f"  budget {self.budget:8.1f}  {verdict:<5}"
        else:
            text += " " * 24
        return text if self.qemu is None else f"{text}  qemu-user {self.qemu:9.3f}"


def measure(work: Callable[[int], object], operations: int, nothing: float = 0.0) -> float:
    """Median CPU microseconds of one operation; ``work(n)`` does n of them.

    ``nothing``: microseconds of one operation that are not part of what is measured.
    """
    costs = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        work(operations)
        costs.append((time.process_time() - start) / operations * 1e6)
    return statistics.median(costs) - nothing


def show(rows: Iterable[Row]) -> None:
    """Print each row as soon as it is measured."""
    for row in rows:
        print(row, flush=True)
