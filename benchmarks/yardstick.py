"""Running a yardstick directory, and writing docs/PERFORMANCE.md from what it prints.

A yardstick has ``run.py PREFIX [options]``, which measures a command prefix beside peers in one run
and prints JSON; ``setup.sh DIR``, which builds its programs; and a README.md whose tables hold
figures of systems that are not installed here.  Ratios are what counts: a figure from a table is
scaled by the native figure of the same row, theirs then against ours now.

``BENCH_DIR`` names where its programs are built; ``BENCH_ARGS`` adds options for ``run.py``.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.tracing import section_of, with_section
from tools.busybox import find_busybox
from tools.cache import cache_directory
from tools.errors import DioramaError

REPORT: Final = Path(__file__).parents[1] / "docs" / "PERFORMANCE.md"
ROW: Final = re.compile(r"^\| (\w+) \|(.*)\|$", re.M)
FIGURE: Final = re.compile(r"^([0-9.]+)")
CPUS: Final = {"x86_64": "x86", "aarch64": "arm"}
FACTORS: Final = {"mprotect2": 8, "mmap256": 3}  # the goal against Qiling; 15 elsewhere
NEEDS_MORE: Final = ("sockpair_pp", "pthread", "futex_pp", "epoll64")
BY_WALL: Final = ("fork_wait", "fork32m_wait", "fork_exec", "spawn")

INTRODUCTION: Final = """\
# Performance

Written by `make bench BENCH=DIR`; do not edit.  Microseconds of CPU time for one operation, the
host's own figure first.  Qiling's figures are the yardstick's, scaled by the host's.  `limit` is
bare Unicorn with a growing TLB and a native block hook; what is below 1 leaves out Unicorn's check
for a stop after each memory access (kernel/cpu/exits.c).

{host}; shared, noisy machines: compare ratios.
"""

Figures = dict[str, float | None]


def main(where: str) -> int:
    """Measure and write the report; 2 if this is no yardstick."""
    yardstick = Path(where).resolve()
    if not (yardstick / "run.py").is_file():
        print(f"diorama: {where} has no run.py", file=sys.stderr)
        return 2
    programs = Path(os.environ.get("BENCH_DIR", cache_directory() / "yardstick"))
    try:
        build(yardstick, programs)
    except (DioramaError, OSError, subprocess.CalledProcessError) as error:
        print(f"diorama: the yardstick's programs cannot be built: {error}", file=sys.stderr)
        return 2
    measured = measure(yardstick, programs)
    readme = yardstick / "README.md"
    published = tables(readme.read_text(encoding="utf-8")) if readme.is_file() else {}
    kept = section_of(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else ""
    REPORT.write_text(with_section(report(measured, published), kept), encoding="utf-8")
    print(f"wrote {REPORT.name}")
    return 0


def build(yardstick: Path, programs: Path) -> None:
    """Run setup.sh, which skips what is there."""
    environment = {
        **os.environ,
        "ZIG": f"{sys.executable} -m ziglang",
        "BUSYBOX_X86": str(find_busybox("x86_64")),
        "BUSYBOX_ARM": str(find_busybox("aarch64")),
    }
    command = ["sh", str(yardstick / "setup.sh"), str(programs)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def measure(yardstick: Path, programs: Path) -> dict[str, Figures]:
    """{peer: {row: µs}} for us on both CPUs, the host, qemu-user and the engine's limit."""
    root = REPORT.parents[1]
    us = f"env PYTHONPATH={root} {sys.executable} -m diorama run -q -v {programs}:{programs}"
    limit = f"{sys.executable} {Path(__file__).parent / 'limit.py'} {yardstick}/src/ucrun.py"
    command = [
        sys.executable, str(yardstick / "run.py"), *others(),
        "--peer", f"us-x86:x86={us}", "--peer", f"us-arm:arm={us}",
        "--peer", f"limit-x86:x86={limit} vtlbgrow", "--peer", f"limit-arm:arm={limit} vtlbgrow",
        *shlex.split(os.environ.get("BENCH_ARGS", "")),
    ]  # fmt: skip
    environment = {**os.environ, "BENCH_DIR": str(programs)}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    found: dict[str, Figures] = json.loads(done.stdout)
    return found


def others() -> list[str]:
    """The host itself, and qemu-user as far as it is installed."""
    names, more = ["native"], []
    for cpu, short in CPUS.items():
        if Path(f"/usr/bin/qemu-{cpu}").exists():  # the yardstick's own peer, which can exec too
            names.append(f"qemu-{short}")
        elif qemu := shutil.which(f"qemu-{cpu}-static"):
            more += ["--peer", f"qemu-{short}:{short}={qemu}"]
    return ["--peers", ",".join(names), *more]


def tables(text: str) -> dict[str, Figures]:
    """{column: {row: µs}} of every table of a yardstick's README."""
    found: dict[str, Figures] = {}
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif cells[0] == "benchmark":
            header = cells[1:]
        elif header and not cells[0].startswith("-"):
            for column, cell in zip(header, cells[1:], strict=False):
                figure = FIGURE.match(cell)
                found.setdefault(column, {}).setdefault(
                    cells[0], float(figure[1]) if figure else None
                )
    return found


def scaled(
    published: dict[str, Figures], column: str, row: str, native: float | None
) -> float | None:
    """A published figure as it would be on this host."""
    theirs = published.get(column, {}).get(row)
    base = published.get("native", {}).get(row)
    return theirs * native / base if theirs and base and native else None


def report(measured: dict[str, Figures], published: dict[str, Figures]) -> str:
    """The text of docs/PERFORMANCE.md."""
    native = measured.get("native", {})
    rows = list(native)
    host = f"CPython {platform.python_version()} on {platform.machine()}"
    parts = [INTRODUCTION.format(host=host)]
    for arch, short in CPUS.items():
        ours = measured.get(f"us-{short}", {})
        qemu = measured.get(f"qemu-{short}", {})
        bare = published.get(f"ucgrow-{short}", {})  # rows that bare Unicorn can run: no kernel
        limit = {row: us for row, us in measured.get(f"limit-{short}", {}).items() if row in bare}
        ql = {row: scaled(published, f"ql-{short}", row, native.get(row)) for row in rows}
        parts.append(f"\n## {arch}\n\n")
        parts.append(table(rows, native, ours, qemu, limit, ql))
    return "".join(parts)


def table(
    rows: list[str], native: Figures, us: Figures, qemu: Figures, limit: Figures, ql: Figures
) -> str:
    """One CPU's rows: figures, ratios, and whether the goals are met."""
    lines = [
        "| benchmark | host | diorama | qemu-user | Qiling | limit | goal |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        ours = us.get(row)
        cells = [shown(f.get(row)) for f in (native, us, qemu, ql, limit)]
        verdict = goal(row, ours, qemu.get(row), ql.get(row), limit.get(row))
        lines.append(f"| {row} | {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines) + "\n"


def shown(figure: float | None) -> str:
    """Three digits, or a dash where there is none."""
    if figure is None:
        return "–"
    return f"{figure:.3g}" if figure < 1000 else f"{figure:.0f}"


def goal(
    row: str, us: float | None, qemu: float | None, ql: float | None, limit: float | None
) -> str:
    """What the goal of a row is, and whether it is met."""
    if us is None:
        return "not run"
    if row in BY_WALL and qemu:
        return f"{qemu / us:.1f}× qemu-user (goal 1): {met(us <= qemu)}"
    if limit:
        return f"{us / limit:.2f} of the limit (goal 1.10): {met(us <= 1.1 * limit)}"
    if ql and row not in NEEDS_MORE:
        factor = FACTORS.get(row, 15)
        return f"{ql / us:.0f}× Qiling (goal {factor}): {met(ql / us >= factor)}"
    return ""


def met(yes: bool) -> str:
    """In words."""
    return "met" if yes else "**missed**"
