"""``stats --plot``: calls over time, the address space over time, and frames in use.

Three panels with one axis of time.  The address space is drawn as bands: areas lie in the order of
their addresses, their heights go with the logarithm of their sizes, and the emptiness between them
is left out, for it is a million times as large as all the rest.

matplotlib is an extra (``diorama[plot]``) and imported when the picture is drawn.  The same samples
give the same file, byte for byte, with one version of matplotlib: no date, and fixed identifiers.
"""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from tools.errors import DioramaError
from tools.stats.layout import Layout, Row, rows_of
from tools.stats.sampling import Samples
from tools.tracer.output import of_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from syscalls.table import SyscallTable

MISSING: Final = "--plot needs matplotlib: pip install 'diorama[plot]'"
CLASSES: Final = (
    ("memory", "memory", "#009e73"),
    ("network", "network", "#cc79a7"),
    ("process", "processes", "#d55e00"),
    ("signal", "signals", "#f0e442"),
    ("file", "paths", "#0072b2"),
    ("desc", "descriptors", "#56b4e9"),
    ("", "others", "#999999"),
)
"""(class of ``-e trace=%``, what it is called, colour); a call belongs to the first that has it."""
KINDS: Final = {
    "text": "#0072b2", "file": "#56b4e9", "data": "#009e73", "heap": "#d55e00",
    "anonymous": "#e69f00", "stack": "#cc79a7", "shared": "#f0e442", "vdso": "#999999",
    "none": "#e8e8e8",
}  # fmt: skip
BINS: Final = 120
MANY_ROWS: Final = 500
"""With more areas there is no room for lines between them."""
STYLE: Final = {
    "svg.hashsalt": "diorama",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a file may be called $x$
    "axes.spines.top": False,
    "axes.spines.right": False,
}
UNITS: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))


class Plot:
    """One picture.  DioramaError before the run: no matplotlib, or a file that cannot be made."""

    def __init__(self, path: str, table: SyscallTable) -> None:
        if importlib.util.find_spec("matplotlib") is None:
            raise DioramaError(MISSING)
        self.output = of_file(path, append=False)
        self.output.check()
        self._kind = path.rpartition(".")[2]
        self.samples = Samples(table)
        self._table = table

    def write(self) -> None:
        """Draw and save.  DioramaError: no room for it."""
        import matplotlib as mpl

        settings: dict[Any, Any] = {**mpl.rcParamsDefault, **STYLE}  # not what a matplotlibrc says
        with mpl.rc_context(settings), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name may have characters that the font has not
            figure = draw(self.samples, self._table)
            picture = io.BytesIO()
            maker = f"diorama stats --plot, matplotlib {mpl.__version__}"
            metadata = (
                {"Date": None, "Creator": maker} if self._kind == "svg" else {"Software": maker}
            )
            figure.savefig(picture, format=self._kind, metadata=metadata, dpi=120)
        self.output.put(picture.getvalue())
        self.output.close()


def draw(samples: Samples, table: SyscallTable) -> Figure:
    """The three panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8.5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(2, 4.5, 1.6))
    unit, name = _unit(samples.end)
    last = max(samples.end / unit, 1e-9)
    name_of_it = samples.execs[0][1] if samples.execs else "a run"
    figure.suptitle(f"{name_of_it}: {len(samples.times)} system calls in {last:.3g} {name}")
    _draw_calls(axes[0], samples, table, unit, name)
    _draw_map(axes[1], samples, unit)
    _draw_frames(axes[2], samples, unit)
    axes[2].set_xlabel(f"time ({name})")
    axes[2].set_xlim(0, last)
    for axis in axes[:2]:
        axis.tick_params(labelbottom=False)
    return figure


def _unit(end: int) -> tuple[int, str]:
    """The largest unit of which the run lasted two or more."""
    return next(((size, name) for size, name in UNITS if end >= 2 * size), UNITS[-1])


# -- calls ---------------------------------------------------------------------------------------


def _draw_calls(axis: Axes, samples: Samples, table: SyscallTable, unit: int, name: str) -> None:
    """A histogram, stacked by class."""
    # Here and not above: classes are the tracer's, which only this picture needs.
    from matplotlib.ticker import MaxNLocator

    from tools.tracer.filters import class_members

    members = [(class_members(key) if key else None) for key, _, _ in CLASSES]
    found: list[list[float]] = [[] for _ in CLASSES]
    index: dict[int, int] = {}
    for time, number in zip(samples.times, samples.numbers, strict=True):
        if number not in index:
            index[number] = _class(table.name(number), members)
        found[index[number]].append(time / unit)
    shown = [(times, c) for times, c in zip(found, CLASSES, strict=True) if times]
    width = max(samples.end / unit, 1e-9) / BINS
    axis.hist(
        [times for times, _ in shown],
        bins=[i * width for i in range(BINS + 1)],
        stacked=True,
        label=[f"{label} ({len(times)})" for times, (_, label, _) in shown],
        color=[colour for _, (_, _, colour) in shown],
    ) if shown else None
    axis.set_ylabel(f"calls per {width:.3g} {name}")
    axis.set_title("system calls, by class", loc="left", fontsize=9)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if shown:
        axis.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=8)


def _class(name: str | None, members: Iterable[frozenset[str] | None]) -> int:
    return next(i for i, found in enumerate(members) if found is None or name in found)


# -- the address space ---------------------------------------------------------------------------


def _draw_map(axis: Axes, samples: Samples, unit: int) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    layout = Layout(samples.maps)
    rows = rows_of(samples.maps, samples.end)
    width = 0.25 if len(rows) < MANY_ROWS else 0.0
    corners: dict[str, list[Any]] = {}
    for row in rows:
        x0, x1 = row.begin / unit, row.end / unit
        y0, y1 = layout.height_at(row.band.start), layout.height_at(row.band.end)
        corners.setdefault(row.band.kind, []).append([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    for kind, polygons in corners.items():
        colour = KINDS.get(kind, "#999999")
        axis.add_collection(
            PolyCollection(polygons, facecolors=colour, edgecolors="white", linewidths=width)
        )
    axis.set_ylim(0, layout.top)
    axis.set_yticks(*layout.ticks())
    axis.tick_params(axis="y", labelsize=7)
    title = f"address space of pid {samples.pid}: areas by address, heights as the log of sizes"
    axis.set_title(title, loc="left", fontsize=9)
    for time, name in samples.execs[1:]:
        axis.axvline(time / unit, color="black", linewidth=0.8, linestyle=":")
        axis.text(time / unit, layout.top, f" exec {name}", fontsize=7, va="bottom")
    _name_bands(axis, layout, rows)
    handles = [
        Patch(facecolor=KINDS[kind], label="no rights" if kind == "none" else kind)
        for kind in KINDS
        if kind in corners
    ]
    if handles:
        axis.legend(
            handles=handles, loc="lower left", fontsize=7, ncols=len(handles), frameon=False,
            bbox_to_anchor=(0, -0.075), borderaxespad=0, handlelength=1, columnspacing=1,
        )  # fmt: skip


def _name_bands(axis: Axes, layout: Layout, rows: list[Row]) -> None:
    """Names to the right, beside their bands, none over another."""
    for height, name in layout.names(rows):
        axis.annotate(
            name, (1, height), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", fontsize=7, va="center",
        )  # fmt: skip


# -- frames --------------------------------------------------------------------------------------


def _draw_frames(axis: Axes, samples: Samples, unit: int) -> None:
    frames = samples.frames
    times = [sample.time / unit for sample in frames]
    mib = [[count / 256 for count in sample[1:]] for sample in frames]
    lines = (("frames in use", "#333333"), ("page cache", "#56b4e9"))
    resident = (f"resident in pid {samples.pid}", "#d55e00")
    for column, (label, colour) in enumerate((*lines, resident)):
        values = [sample[column] for sample in mib]
        axis.step(times, values, where="post", label=label, color=colour, linewidth=1.2)
    axis.set_ylabel("MiB")
    axis.set_ylim(bottom=0)
    axis.set_title("memory: frames of 4 KiB", loc="left", fontsize=9)
    axis.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=8)
