"""Where the areas of an address space stand in a picture: from addresses to heights.

An address space is 128 TiB with some MiB in it.  What is ever mapped without a hole is a *region*;
its height grows with the logarithm of its size.  All boundaries that any sample has divide it,
again by the logarithms of the pieces, so that a page beside a megabyte can be seen.  What is never
mapped gets a small fixed height.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log2
from typing import Final, NamedTuple

from tools.stats.sampling import Band, MapSample

GAP: Final = 0.8
REGION: Final = 1.4
"""How much higher a region is than a piece of its size."""
PAGE: Final = 4096
NAME_SPACE: Final = 0.034
"""Names stand at least so far apart, as a part of the whole height."""
MOST_TICKS: Final = 16


class Row(NamedTuple):
    """An area and how long it was there, ns."""

    band: Band
    begin: int
    end: int


def rows_of(samples: Sequence[MapSample], end: int) -> list[Row]:
    """Each area once for every stretch of time in which it did not change."""
    open_: dict[Band, int] = {}
    rows: list[Row] = []
    for sample in samples:
        now = set(sample.bands)
        for band in [band for band in open_ if band not in now]:
            rows.append(Row(band, open_.pop(band), sample.time))
        for band in sample.bands:
            open_.setdefault(band, sample.time)
    rows += [Row(band, begin, end) for band, begin in open_.items()]
    return sorted(rows, key=lambda row: (row.band, row.begin))


class Layout:
    """Heights.  ``top`` is above the highest address."""

    def __init__(self, samples: Iterable[MapSample]) -> None:
        bands = {band for sample in samples for band in sample.bands}
        self.edges = sorted({edge for band in bands for edge in (band.start, band.end)})
        regions = _covered(bands)
        self.starts = [start for start, _ in regions]
        self._heights: list[float] = []
        height = GAP
        for start, end in regions:
            edges = self.edges[bisect_left(self.edges, start) : bisect_right(self.edges, end)]
            weights = [_weight(high - low) for low, high in pairwise(edges)]
            scale = REGION * _weight(end - start) / sum(weights)
            self._heights.append(height)
            for weight in weights:
                height += weight * scale
                self._heights.append(height)
            height += GAP
        self.top = height

    def height_at(self, address: int) -> float:
        """Of an edge."""
        return self._heights[bisect_right(self.edges, address) - 1]

    def ticks(self) -> tuple[list[float], list[str]]:
        """Heights and addresses where something begins after a gap, none over another."""
        chosen: list[int] = []
        least = self.top / MOST_TICKS / 2
        for start in self.starts:
            if not chosen or self.height_at(start) - self.height_at(chosen[-1]) >= least:
                chosen.append(start)
        return [self.height_at(start) for start in chosen], [f"{start:#x}" for start in chosen]

    def names(self, rows: Iterable[Row]) -> list[tuple[float, str]]:
        """(height, name) from the bottom up; an area that several rows have is named once."""
        spans: dict[str, tuple[int, int]] = {}
        for band in (row.band for row in rows if row.band.name):
            start, end = spans.get(band.name, (band.start, band.end))
            spans[band.name] = min(start, band.start), max(end, band.end)
        spots = [
            ((self.height_at(start) + self.height_at(end)) / 2, name)
            for name, (start, end) in spans.items()
        ]
        return _apart(sorted(spots), self.top * NAME_SPACE, self.top)


def _apart(spots: list[tuple[float, str]], least: float, top: float) -> list[tuple[float, str]]:
    """Move names up until none stands over another, then down from the top."""
    found: list[tuple[float, str]] = []
    for height, name in spots:
        found.append((max(height, found[-1][0] + least) if found else height, name))
    limit = top
    for i in range(len(found) - 1, -1, -1):
        limit = min(limit, found[i][0])
        found[i] = (limit, found[i][1])
        limit -= least
    return found


def _covered(bands: Iterable[Band]) -> list[tuple[int, int]]:
    """The ranges in which anything is ever mapped, joined and sorted."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted({(band.start, band.end) for band in bands}):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _weight(size: int) -> float:
    return log2(1 + size / PAGE) + 0.5
