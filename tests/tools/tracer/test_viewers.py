"""``--timeline`` and ``--folded`` in speedscope, a viewer that others wrote, in a real browser.

What its table shows of each track must be what the file says; besides, the timeline is checked
against the rules of the Trace Event format that Perfetto and chrome://tracing go by.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracles
from tests.support.browser import Page, browser, find_chromium
from tests.support.guest import run_cli
from tests.tools.tracer.test_structured import check_trace_events
from tools.fetch import npm_directory

pytestmark = [pytest.mark.guest, pytest.mark.native, pytest.mark.row("T4")]
SCRIPT = "(sleep 0.05; echo a) | cat; kill -USR1 $$"
UNITS = {"ns": 1e-3, "µs": 1.0, "ms": 1e3, "s": 1e6}
PATIENCE = 400


@pytest.fixture(scope="module")
def speedscope() -> Path:
    found = npm_directory("speedscope", "any")
    if found is None:
        oracles.cannot_run("speedscope is not fetched (make fetch)")
    if find_chromium() is None:
        oracles.cannot_run("chromium is neither on PATH nor fetched (make fetch)")
    return found / "package" / "dist" / "release" / "index.html"


class Viewer:
    """One file opened in speedscope, at its table of functions."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def text(self) -> str:
        """Everything on the page."""
        return str(await self._page.evaluate("document.body.innerText"))

    async def until(self, script: str) -> None:
        """Wait until an expression is true."""
        for _ in range(PATIENCE):
            if await self._page.evaluate(script):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never {script}: {await self.text()}")

    async def table(self) -> dict[str, str]:
        """Total by name, as the table has it."""
        await self.until("/Symbol Name\\s+\\S/.test(document.body.innerText)")
        lines = (await self.text()).partition("Symbol Name")[2].split("\n")
        rows = [line.strip("\t") for line in lines if line.strip()]
        # Three lines a row: total, its own, name.
        return {rows[i + 2]: rows[i] for i in range(0, len(rows) - 2, 3)}

    async def next_track(self, number: int, count: int) -> None:
        """Go on to the next profile of the file."""
        await self._page.type("n")
        await self.until(f"document.body.innerText.includes('({number}/{count})')")


@asynccontextmanager
async def opened(index: Path, file: Path, scratch: Path) -> AsyncIterator[Viewer]:
    """As speedscope's own command line opens a file: by a script beside the page."""
    loader = scratch / "load.js"
    content = base64.b64encode(file.read_bytes()).decode()
    loader.write_text(f"speedscope.loadFileFromBase64({file.name!r}, {content!r})")
    async with browser(scratch / "profile") as started:
        page = await started.page()
        await page.open(f"{index.as_uri()}#localProfilePath={loader}")
        viewer = Viewer(page)
        await viewer.until(f"document.title.startsWith({file.name!r})")
        await page.type("3")
        await viewer.until("document.body.innerText.includes('Symbol Name')")
        yield viewer


def microseconds(shown: str) -> float:
    """``1.99ms (2.1%)``."""
    match = re.match(r"([\d.]+)(ns|µs|ms|s)\b", shown)
    assert match is not None, shown
    return float(match[1]) * UNITS[match[2]]


def test_speedscope_shows_every_track_of_a_timeline(
    arch: str, speedscope: Path, tmp_path: Path
) -> None:
    path = tmp_path / "timeline.json"
    words = ("--arch", arch, "--timeline", str(path), "busybox", "sh", "-c", SCRIPT)
    assert run_cli("trace", "-f", *words).status == 138
    trace = check_trace_events(json.loads(path.read_text()))
    tracks: dict[tuple[int, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in trace:
        if event["ph"] == "X":
            args = json.dumps(event["args"], separators=(",", ":")) if "args" in event else ""
            tracks[event["pid"], event["tid"]][f"{event['name']} {args}".strip()] += event["dur"]

    async def compare() -> None:
        async with opened(speedscope, path, tmp_path) as viewer:
            assert f"(1/{len(tracks)})" in await viewer.text()
            for number, key in enumerate(sorted(tracks), 1):
                assert f"(pid {key[0]})" in await viewer.text()
                shown, expected = await viewer.table(), tracks[key]
                assert shown
                for name, total in shown.items():
                    assert microseconds(total) == pytest.approx(expected[name], rel=0.02, abs=0.02)
                if number < len(tracks):
                    await viewer.next_track(number + 1, len(tracks))

    asyncio.run(compare())


@pytest.mark.parametrize("at", ["calls", "slices"])
def test_speedscope_counts_the_stacks(at: str, speedscope: Path, tmp_path: Path) -> None:
    path = tmp_path / "stacks.txt"
    words = ("--deterministic", "--folded", str(path), "--folded-at", at, "busybox", "sh", "-c")
    run_cli("trace", "-f", *words, "seq 3000 | md5sum")
    totals: dict[str, int] = defaultdict(int)
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        for frame in set(stack.split(";")):
            totals[frame] += int(count)
    assert totals

    async def compare() -> None:
        async with opened(speedscope, path, tmp_path) as viewer:
            shown = await viewer.table()
            assert shown
            for name, total in shown.items():
                assert int(total.split()[0].replace(",", "")) == totals[name], name

    asyncio.run(compare())


# -- the format's own rules ----------------------------------------------------------------------


@pytest.fixture(scope="module", params=("x86_64", "aarch64"))
def timeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run with everything in it."""
    path = tmp_path_factory.mktemp("timeline") / "timeline.json"
    words = ("--arch", request.param, "--timeline", str(path), "busybox", "sh", "-c", SCRIPT)
    run_cli("trace", "-f", *words)
    return json.loads(path.read_text())


def test_numbers_are_finite_and_names_are_strings(timeline: Any) -> None:
    assert timeline["displayTimeUnit"] in ("ms", "ns")
    for event in timeline["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        for key in ("ts", "dur"):
            assert isinstance(event.get(key, 0), int | float)
        if event["ph"] != "M":
            assert event["ts"] >= 0


def test_every_process_and_track_is_named_before_it_is_used(timeline: Any) -> None:
    processes: set[int] = set()
    tracks: set[tuple[int, int]] = set()
    for event in timeline["traceEvents"]:
        if event["name"] == "process_name":
            processes.add(event["pid"])
            assert re.fullmatch(r"\S+ \d+", event["args"]["name"])
        elif event["name"] == "thread_name":
            tracks.add((event["pid"], event["tid"]))
        elif event["ph"] in "Xis":
            assert event["pid"] in processes
            assert (event["pid"], event["tid"]) in tracks


def test_arrows_begin_and_end_inside_spans(timeline: Any) -> None:
    """Else Perfetto binds them to nothing (bp "e": to the span around the arrow's end)."""
    spans: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for event in timeline["traceEvents"]:
        if event["ph"] == "X":
            end = event["ts"] + event["dur"]
            spans[event["pid"], event["tid"]].append((event["ts"], end))
    arrows = [event for event in timeline["traceEvents"] if event["ph"] in "sf"]
    assert sum(event["ph"] == "f" for event in arrows) >= 2
    ids = [event["id"] for event in arrows if event["ph"] == "s"]
    assert len(ids) == len(set(ids))
    for event in arrows:
        around = spans[event["pid"], event["tid"]]
        assert any(start - 1e-3 <= event["ts"] <= end + 1e-3 for start, end in around), event


def test_counters_follow_memory_and_the_run_queue(timeline: Any) -> None:
    counters: dict[str, list[dict[str, float]]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for event in timeline["traceEvents"]:
        if event["ph"] == "C":
            counters[event["name"]].append(event["args"])
            times[event["name"]].append(event["ts"])
    assert set(counters) == {"memory", "run queue"}
    memory = [value["MiB"] for value in counters["memory"]]
    assert max(memory) > min(memory) > 0
    assert {value["tasks"] for value in counters["run queue"]} >= {0, 1}
    assert all(found == sorted(found) for found in times.values())


def test_signals_and_faults_are_instants(timeline: Any) -> None:
    instants = [event for event in timeline["traceEvents"] if event["ph"] == "i"]
    names = {event["name"] for event in instants}
    assert {"SIGCHLD", "SIGUSR1", "exit"} <= names
    assert {name for name in names if name.startswith("fault: ")} >= {"fault: minor", "fault: cow"}
    assert all(event["s"] == "t" for event in instants)
    kill = next(event for event in instants if event["name"] == "SIGUSR1")
    assert kill["args"]["action"] == "kill"
