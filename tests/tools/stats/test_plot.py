"""``stats --plot``: what is sampled, where it stands, and that the same run looks the same."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.guest import run_cli, run_guest
from tools.config import StatsOptions
from tools.generators import stats_picture
from tools.stats.layout import Layout, rows_of
from tools.stats.sampling import MOST_MAPS, MOST_SAMPLES, Band, FrameSample, MapSample, Samples
from userland import build

pytestmark = pytest.mark.row("T4")

MAPPING = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
int main(void) {
    char *memory = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 256; i++) memory[i * 4096] = 1;
    mprotect(memory, 1 << 19, PROT_NONE);
    munmap(memory, 1 << 20);
    return 0;
}
"""


def sampled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str, arch: str) -> Samples:
    """What one run gathers for its picture."""
    kept: list[Samples] = []
    from tools.stats import plot

    original = plot.Plot.write

    def write(self: plot.Plot) -> None:
        kept.append(self.samples)
        original(self)

    monkeypatch.setattr(plot.Plot, "write", write)
    options = StatsOptions("/dev/null", plot=str(tmp_path / "p.svg"))
    result = run_guest(*words, arch=arch, stats=options, deterministic=True)
    assert result.status == 0
    return kept[0]


@pytest.mark.guest
def test_samples_follow_the_address_space(
    arch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = build.build_source("mapping", arch, MAPPING)
    samples = sampled(monkeypatch, tmp_path, str(program), arch=arch)
    assert len(samples.times) == len(samples.numbers) > 4
    assert list(samples.times) == sorted(samples.times)
    assert samples.times[-1] <= samples.end
    sizes = [{(b.kind, b.end - b.start) for b in sample.bands} for sample in samples.maps]
    mapped = next(i for i, found in enumerate(sizes) if ("anonymous", 1 << 20) in found)
    assert any(("none", 1 << 19) in found for found in sizes[mapped + 1 :])
    assert not any(kind == "none" for kind, _ in sizes[-2])
    assert samples.maps[-1].bands == ()
    kinds = {band.kind for band in samples.maps[mapped].bands}
    assert {"text", "stack", "vdso"} <= kinds
    resident = [sample.resident for sample in samples.frames]
    assert max(resident) - min(resident) >= 256
    assert max(sample.used for sample in samples.frames) >= max(resident)


@pytest.mark.guest
def test_the_same_run_gives_the_same_picture(arch: str, tmp_path: Path) -> None:
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        result = run_cli(
            "stats", "--deterministic", "--arch", arch, "--plot", str(picture), "busybox", "sh",
            "-c", "date | cat; exec true",
        )  # fmt: skip
        assert result.status == 0
        assert result.stderr.splitlines()[-2].endswith(b"total")  # the table is there, too
    first = pictures[0].read_bytes()
    assert first == pictures[1].read_bytes()
    assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.guest
def test_a_png(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    assert run_cli("stats", "--plot", str(picture), "busybox", "true").status == 0
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) > 10_000


def test_every_word_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text instead of outlines."""
    from tools.stats import plot

    monkeypatch.setattr(plot, "STYLE", {**plot.STYLE, "svg.fonttype": "none"})
    picture = tmp_path / "p.svg"
    run_cli(
        "stats",
        "--plot",
        str(picture),
        "busybox",
        "sh",
        "-c",
        "ls / | cat >/dev/null; exec cat /dev/null",
    )
    words = set(re.findall(r"<text[^>]*>(?:<tspan[^>]*>)?([^<]+)<", picture.read_text()))
    assert {"[heap]", "[stack]", "busybox", "text", "MiB", "page cache"} <= words
    assert any(re.fullmatch(r"busybox: \d+ system calls in [\d.e+]+ \w+", word) for word in words)
    assert any(word.startswith("paths (") for word in words)
    assert any(word.strip().startswith("exec ") for word in words)
    assert any(re.fullmatch(r"0x[0-9a-f]+", word) for word in words)


def test_the_picture_of_the_docs_is_fresh() -> None:
    committed = stats_picture.TARGET.read_bytes()
    made_with = re.search(rb"matplotlib (\d[\w.]*)", committed)
    assert made_with is not None
    if made_with[1].decode() != mpl.__version__:
        pytest.skip(f"docs/pictures/stats.svg needs matplotlib {made_with[1].decode()}")
    assert stats_picture.generate() == committed, "run: python -m tools.generators.stats_picture"


def test_what_cannot_be_is_one_line_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str) -> bytes:
        result = run_cli("stats", "--plot", path, "busybox", "echo", "never")
        assert (result.status, result.stdout) == (125, b"")
        assert result.stderr.startswith(b"diorama: ")
        assert result.stderr.count(b"\n") == 1
        return result.stderr

    assert b"neither in .svg nor in .png" in refused("picture.jpg")
    assert b"No such file" in refused(str(tmp_path / "none" / "p.svg"))
    find = importlib.util.find_spec
    without = lambda name, *more: None if name == "matplotlib" else find(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert b"pip install 'diorama[plot]'" in refused(str(tmp_path / "p.svg"))


def test_a_full_disk_is_said_at_the_end(tmp_path: Path) -> None:
    full = tmp_path / "full.svg"
    full.symlink_to("/dev/full")
    result = run_cli("stats", "--plot", str(full), "busybox", "echo", "done")
    assert (result.status, result.stdout) == (125, b"done\n")
    assert result.stderr.endswith(b"No space left on device\n")
    assert b"total" in result.stderr


@pytest.mark.guest
def test_any_name_will_do(tmp_path: Path) -> None:
    program = tmp_path / "$\\frac{$<&>\u4e2d\x01--"
    program.write_bytes(build.build("hello", "x86_64").read_bytes())
    program.chmod(0o755)
    for kind in ("svg", "png"):
        picture = tmp_path / f"p.{kind}"
        result = run_cli("stats", "--stats=/dev/null", "--plot", str(picture), str(program))
        assert (result.status, result.stderr) == (7, b"")  # its own status
        assert picture.stat().st_size > 10_000
    ElementTree.parse(tmp_path / "p.svg")


@pytest.mark.guest
def test_a_program_that_never_calls(arch: str, tmp_path: Path) -> None:
    source = "void _start(void) { for (;;) ; }"
    flags = ("-O1", "-g0", "-nostdlib", "-static", "-fno-sanitize=all")
    picture = tmp_path / "p.svg"
    words = ("--timeout", "0.2", "--plot", str(picture))
    result = run_cli("stats", *words, str(build.build_source("silent", arch, source, flags)))
    assert result.status == 124
    ElementTree.parse(picture)


@pytest.mark.guest
def test_numbers_that_are_no_calls_are_drawn_with_the_rest(arch: str, tmp_path: Path) -> None:
    """A register has 64 bits, more than an array of numbers takes."""
    source = """
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) { syscall(-1L); syscall(1L << 63); syscall(1L << 40); return 5; }
    """
    picture = tmp_path / "p.svg"
    result = run_cli("stats", "--plot", str(picture), str(build.build_source("odd", arch, source)))
    assert result.status == 5
    assert b"internal error" not in result.stderr
    ElementTree.parse(picture)


# -- layout --------------------------------------------------------------------------------------


def bands(*ranges: tuple[int, int]) -> tuple[Band, ...]:
    return tuple(Band(start << 12, end << 12, "data", "rw-p", "") for start, end in ranges)


def test_rows_last_as_long_as_their_area_stays() -> None:
    maps = [
        MapSample(0, bands((1, 2), (5, 9))),
        MapSample(10, bands((1, 2), (5, 12))),
        MapSample(30, bands((1, 2))),
    ]
    rows = [
        (row.band.start >> 12, row.band.end >> 12, row.begin, row.end) for row in rows_of(maps, 40)
    ]
    assert rows == [(1, 2, 0, 40), (5, 9, 0, 10), (5, 12, 10, 30)]


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 300)), max_size=6), max_size=5)
)
def test_heights_grow_with_addresses(parts: list[list[tuple[int, int]]]) -> None:
    maps = [
        MapSample(i, bands(*((start, start + size) for start, size in part)))
        for i, part in enumerate(parts)
    ]
    layout = Layout(maps)
    heights = [layout.height_at(edge) for edge in layout.edges]
    assert all(low < high for low, high in pairwise(heights))
    assert all(0 < height < layout.top for height in heights)
    places, labels = layout.ticks()
    assert len(places) == len(labels) <= len(layout.edges)
    rows = rows_of(maps, len(parts))
    named = [row._replace(band=row.band._replace(name=f"n{i}")) for i, row in enumerate(rows)]
    spots = [height for height, _ in layout.names(named[:20])]
    assert all(high - low > 0.01 * layout.top for low, high in pairwise(spots))


def test_a_long_run_is_thinned_out() -> None:
    class Table:
        entries: tuple[object, ...] = ()

        def name(self, number: int) -> str | None:
            return None

    samples = Samples(Table())  # type: ignore[arg-type]  # all it asks of a table
    samples.frames = [FrameSample(i, i, 0, 0) for i in range(MOST_SAMPLES)]

    class Anything:
        def __getattr__(self, name: str) -> Anything:
            return self

        def __len__(self) -> int:
            return 5

    task = Anything()
    samples._count(task, 99, always=True)  # type: ignore[arg-type]
    assert len(samples.frames) == MOST_SAMPLES // 2 + 1
    assert [sample.time for sample in samples.frames[:3]] == [0, 2, 4]


CHURN = r"""
#include <sys/mman.h>
int main(void) {
    for (int i = 0; i < 2500; i++) {
        char *memory = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(memory, 8192);
    }
    return 0;
}
"""


@pytest.mark.guest
def test_many_maps_are_thinned_out_too(
    arch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = build.build_source("churn", arch, CHURN)
    samples = sampled(monkeypatch, tmp_path, str(program), arch=arch)
    assert len(samples.times) > 5000
    assert MOST_MAPS // 4 < len(samples.maps) <= MOST_MAPS + 2
    times = [sample.time for sample in samples.maps]
    assert times == sorted(times)
    assert samples.maps[-1].bands == ()
