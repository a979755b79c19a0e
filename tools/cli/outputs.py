"""Outputs of one run that would write into each other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from tools.cli.options import UsageError
from tools.config import RunConfig

STDOUT = "stdout"


def check_outputs(config: RunConfig) -> None:
    """UsageError: two options name the same file, or stdout, where each would spoil the other's."""
    seen: dict[str, str] = {}
    for option, place in _outputs(config):
        other = seen.setdefault(place, option)
        if other != option:
            raise UsageError(f"{other} and {option} would both write to {place}: one needs another")


def _outputs(config: RunConfig) -> Iterator[tuple[str, str]]:
    """(option, where it writes) of those whose bytes must stay together."""
    trace, stats = config.trace, config.stats
    named: list[tuple[str, str | None, bool]] = [("--pcap", config.pcap, True)]
    if trace is not None:
        text = None if trace.separate_files else trace.output
        named += [("-o", text, False), ("--json", trace.json, True)]
        named += [("--timeline", trace.timeline, True), ("--folded", trace.folded, True)]
    if stats is not None:
        named += [("--stats", stats.output, False), ("--plot", stats.plot, False)]
    for option, path, dash in named:
        if path == "-" and dash:
            yield option, STDOUT
        elif path and path[0] not in "|!" and _keeps(path):
            yield option, os.path.realpath(path)


def _keeps(path: str) -> bool:
    """Is it a file, or one to be made?  Who names /dev/null or a terminal twice means it."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True
