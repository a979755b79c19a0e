"""``make bench``: measurements beside their budgets; ``make bench BENCH=DIR``: the yardstick.

    python -m benchmarks [DIR | tracing]

``tracing`` measures what a trace costs (benchmarks/tracing.py).  DIR is a directory with a
``run.py`` (see benchmarks/yardstick.py).  Nothing here ever fails because of a figure.
"""

from __future__ import annotations

import sys

from benchmarks import cpu, machine, tracing, yardstick
from benchmarks.budgets import show


def main(words: list[str]) -> int:
    """Measure what was asked for."""
    if len(words) > 1:
        print("usage: python -m benchmarks [DIRECTORY | tracing]", file=sys.stderr)
        return 2
    if words == ["tracing"]:
        return tracing.main(yardstick.REPORT)
    if words:
        return yardstick.main(words[0])
    show(cpu.rows())
    show(machine.rows())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
