"""Two outputs of one run: each keeps its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guest import run_cli

PROGRAM = ("busybox", "echo", "never")


@pytest.mark.parametrize(
    ("words", "options", "place"),
    [
        (("trace", "--json", "-", "--timeline", "-"), "--json and --timeline", "stdout"),
        (("run", "--pcap", "-", "--folded", "-"), "--pcap and --folded", "stdout"),
        (("trace", "-o", "x", "--json", "x"), "-o and --json", "{work}/x"),
        (("trace", "--json", "x", "--folded", "./x"), "--json and --folded", "{work}/x"),
        (("run", "--stats=x", "--timeline", "link"), "--timeline and --stats", "{work}/x"),
        (("stats", "--stats=x.svg", "--plot", "x.svg"), "--stats and --plot", "{work}/x.svg"),
    ],
)
def test_two_outputs_into_one_are_refused(
    words: tuple[str, ...], options: str, place: str, work: Path
) -> None:
    """They were written over each other, and neither could be read."""
    (work / "link").symlink_to("x")
    result = run_cli(*words, *PROGRAM)
    place = place.format(work=work.resolve())
    line = f"diorama: {options} would both write to {place}: one needs another\n"
    assert (result.status, result.stdout, result.stderr.decode()) == (125, b"", line)
    assert [path.name for path in work.iterdir()] == ["link"]


@pytest.mark.guest
def test_nothing_is_wrong_with_devices_and_other_files(work: Path) -> None:
    words = ("trace", "-o", "/dev/null", "--json", "/dev/null", "--folded", "-", "--timeline", "t")
    assert run_cli(*words, "--stats=s", "busybox", "true").status == 0
    assert {path.name for path in work.iterdir()} == {"s", "t"}
