"""Traces of two runs made comparable: per process, whole lines, without what differs by nature.

Replaced are pids, addresses, times, inode and device numbers and random bytes, each only where it
stands; nothing else is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_PREFIX: Final = re.compile(r"^(?:\[pid +)?(\d+)(?:<[^>]*>)?\]? +(.*)$")
_UNFINISHED: Final = " <unfinished ...>"
_RESUMED: Final = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
_RULES: Final = (
    (re.compile(r'getrandom\("[^"]*"'), 'getrandom("RANDOM"'),
    (re.compile(r"\b0x[0-9a-f]{5,16}\b"), "ADDRESS"),
    (re.compile(r"tv_n?sec=\d+, tv_[nu]sec=\d+\}( /\* [^*]* \*/)?"), "TIME}"),
    (re.compile(r"\bst_[amc]time(_nsec)?=-?\d+( /\* [^*]* \*/)?"), "st_time=TIME"),
    (re.compile(r"\b(tms_\w+|uptime|loads|\w+_[a-z]time)=[^,}]+"), r"\1=TIME"),
    (re.compile(r"^(time\(.*= )\d+ \(.*\)$"), r"\1TIME"),
    (re.compile(r"^(times\(.*= )\d+$"), r"\1TIME"),
    (re.compile(r"\b(st_ino|d_ino|stx_ino|inode)=\d+"), r"\1=INODE"),
    (re.compile(r"(stx?_mode=S_IFDIR[^,]*), (stx?_size)=\d+"), r"\1, \2=SIZE"),
    (re.compile(r"/(a\.txt|netunix)\w{6}\b"), r"/\1RANDOM"),
    (re.compile(r'sun_path=@"[0-9a-f]{5}"'), "sun_path=RANDOM"),
    (re.compile(r"makedev\([^)]*\)"), "DEVICE"),
    (re.compile(r"(pipe|socket|anon_inode):\[\d+\]"), r"\1:[INODE]"),
    (re.compile(r" +="), " ="),
)  # fmt: skip


def by_process(text: str) -> dict[int, list[str]]:
    """The lines of each process (thread), joined where another interrupted them."""
    found: dict[int, list[str]] = {}
    open_lines: dict[int, str] = {}
    for line in text.splitlines():
        match = _PREFIX.match(line)
        if match is None:
            continue
        pid, rest = int(match[1]), match[2]
        lines = found.setdefault(pid, [])
        if resumed := _RESUMED.match(rest):
            rest = open_lines.pop(pid, f"{resumed[1]}(") + resumed[2]
        if rest.endswith(_UNFINISHED):
            open_lines[pid] = rest.removesuffix(_UNFINISHED)
        else:
            lines.append(rest)
    return {pid: [normal(line) for line in lines] for pid, lines in found.items()}


def normal(line: str) -> str:
    """A line without what differs by nature."""
    for pattern, replacement in _RULES:
        line = pattern.sub(replacement, line)
    return line


def without(lines: Iterable[str], pattern: re.Pattern[str] | None) -> list[str]:
    """Those that do not match."""
    return [line for line in lines if pattern is None or not pattern.search(line)]
