"""The same programs elsewhere: text made from JSON; the other CPU against ours on x86_64.

The two CPUs have different calls for the same work (``open`` is ``openat`` on the newer one), so
the lines of calls that only one of them has, and of those that stand in for them, are left out.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from pathlib import Path
from typing import Final

import pytest

from syscalls.numbers import aarch64, x86_64
from tests.support.native_strace import diorama_trace
from tests.support.trace_lines import by_process
from tests.tools.tracer.forty import PROGRAMS
from tests.tools.tracer.test_forty_programs import ORDER
from tools.tracejson import read_events, strace_text

pytestmark = [pytest.mark.guest, pytest.mark.row("K10", "T4")]

STAND_INS: Final = frozenset(
    "openat unlinkat clone readlinkat ppoll mkdirat newfstatat fstat fchmodat dup3 renameat "
    "renameat2 pipe2 faccessat faccessat2 symlinkat linkat mknodat fchownat pselect6 eventfd2 "
    "epoll_create1 epoll_pwait signalfd4 inotify_init1 getdents64 wait4 fcntl".split()
)
SAME_WORK: Final = (
    "true cat cp mv mkdir stat find sort sed grep awk tar dd tail touch chmod readlink "
    "truncate id od hello timerfds net_unix sysvipc mappings"
).split()  # fmt: skip
DIFFERENT: Final = {
    "brk|mprotect|mmap|munmap": "the layout of the program is its linker's",
    "rt_sigreturn|SIG(ILL|TRAP|FPE)": "results and faults are those of the CPU",
}
RESTORER: Final = re.compile(r"SA_RESTORER\|?|, sa_restorer=ADDRESS")


def shared(text: str) -> dict[int, list[str]]:
    """The lines of calls that are the same on both CPUs."""
    names = set(x86_64.NUMBERS) & set(aarch64.NUMBERS) - STAND_INS
    skip = re.compile("|".join(DIFFERENT))
    found = {}
    for pid, lines in by_process(text).items():
        kept = [line for line in lines if line.partition("(")[0] in names or line[:3] in "---+++"]
        found[pid] = [
            re.sub("sa_flags=(?=[,}])", "sa_flags=0", RESTORER.sub("", line))
            for line in kept
            if not skip.search(line) and not ORDER.search(line)
        ]
    return found


@pytest.mark.parametrize("name", SAME_WORK)
def test_the_other_cpu_says_the_same(name: str) -> None:
    first, second = (
        shared(diorama_trace(PROGRAMS[name](arch), arch, (), ("--deterministic",)))
        for arch in ("x86_64", "aarch64")
    )
    assert list(first) == list(second)
    for pid, lines in first.items():
        assert not list(unified_diff(lines, second[pid], n=0, lineterm=""))
    assert sum(map(len, first.values())) >= 2


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_text_of_each_program_can_be_made_from_its_json(
    name: str, arch: str, tmp_path: Path
) -> None:
    records = tmp_path / "records.json"
    text = diorama_trace(PROGRAMS[name](arch), arch, ("--json", str(records)))
    with records.open() as file:
        assert strace_text(read_events(file), pids=True) == text
    assert text.count("\n") > 2
