"""``--folded`` as flame graphs read it: at calls, against ``-k``; at slices, against the work."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.guest import run_cli
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]

# `often` works three times as long as `seldom`, in stretches; both call `spin`.
SOURCE = r"""
#include <unistd.h>
static volatile unsigned sum;
__attribute__((noinline)) static void spin(int amount) {
    for (int i = 0; i < amount; i++) { sum += i; if (sum & 1) sum ^= 3; }
}
__attribute__((noinline)) void often(void) { spin(300000); sum++; }
__attribute__((noinline)) void seldom(void) { spin(100000); sum++; }
__attribute__((noinline)) int tell(int n) { return write(1, "....", n) + 1; }
int main(void) {
    for (int i = 0; i < 40; i++) { often(); seldom(); }
    return tell(3) + tell(1) != 6;
}
"""
LINE = re.compile(r"[^ ;]+(;[^ ;]+)* [1-9]\d*")


@pytest.fixture(scope="module", params=build.ARCHES)
def program(request: pytest.FixtureRequest) -> str:
    kept = (flag for flag in build.C_FLAGS if flag != "-g0")  # which strips
    flags = (*kept, "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-g")
    return str(build.build_source("spinning", request.param, SOURCE, flags))


def parsed(path: Path) -> Counter[tuple[str, ...]]:
    """As flamegraph.pl reads it: the last blank divides stack and count; no line is double."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text().splitlines():
        assert LINE.fullmatch(line), line
        stack, _, count = line.rpartition(" ")
        frames = tuple(stack.split(";"))
        assert all(frames)
        assert frames not in found
        found[frames] = int(count)
    return found


def test_at_calls_they_are_the_stacks_of_k(program: str, tmp_path: Path) -> None:
    folded, text = tmp_path / "folded", tmp_path / "text"
    run_cli("trace", "-f", "-k", "-o", str(text), "--folded", str(folded), program)
    stacks: Counter[tuple[str, ...]] = Counter()
    name, frames = "", []
    comm = parsed(folded).most_common(1)[0][0][0]
    for line in [*text.read_text().splitlines(), "end("]:
        below = re.match(r" > (.*?)\((.*?)(?:\+0x\w+)?\) \[0x(\w+)\]$", line)
        if below is not None:
            frames.append(below[2])
            continue
        if frames:
            stacks[(comm, *reversed(frames), name)] += 1
        call = re.match(r"(?:\d+ +)?(\w+)\(", line)
        name, frames = (call[1] if call else ""), []
    found: Counter[tuple[str, ...]] = Counter()
    for stack, count in parsed(folded).items():  # where no symbol is, -k has only the file
        found[tuple("" if "@0x" in frame else frame for frame in stack)] += count
    assert found == stacks
    (telling,) = (stack for stack in found if stack[-1] == "write")
    assert found[telling] == 2
    assert ";main;tell;write;" in ";".join(telling)


def test_at_slices_they_say_where_time_goes(program: str, tmp_path: Path) -> None:
    path = tmp_path / "folded"
    result = run_cli(
        "run", "--deterministic", "--folded", str(path), "--folded-at", "slices", program
    )
    assert (result.status, result.stdout, result.stderr) == (0, b"....", b"")
    found = parsed(path)
    through = {
        name: sum(count for stack, count in found.items() if name in stack)
        for name in ("main", "often", "seldom", "spin")
    }
    assert through["main"] == sum(found.values()) > 100
    assert through["spin"] > 0.9 * through["main"]
    assert through["often"] / through["seldom"] == pytest.approx(3, rel=0.3)
    assert all(stack.index("main") < stack.index("spin") for stack in found if "spin" in stack)


def test_slices_of_two_deterministic_runs_are_the_same(program: str, tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        words = ("--deterministic", "--folded", str(path), "--folded-at", "slices")
        run_cli("run", *words, program)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_every_process_has_its_own_root(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "folded"
    words = ("--arch", arch, "--folded", str(path), "busybox", "sh", "-c", "date | cat")
    run_cli("trace", "-f", *words)
    assert len({stack[0] for stack in parsed(path)}) > 1
    run_cli("trace", *words)
    assert {stack[0] for stack in parsed(path)} == {"busybox"}


def test_bad_values_are_one_line() -> None:
    for words in (("--folded-at", "calls,slices"), ("--folded-at", "slices")):
        result = run_cli("run", *words, "busybox", "true")
        assert (result.status, result.stderr.count(b"\n")) == (125, 1)
