"""Many shells under one kernel: they finish, and nothing of them stays behind."""

from __future__ import annotations

import pytest

import diorama
from tests.support.counts import scaled

pytestmark = pytest.mark.guest

SHELLS = 100
SCRIPT = """
    file=/tmp/$$; echo "$1" > $file
    seq 1 "$1" | sort -rn | sed 's/^/n/' | grep -v 7 | wc -l
    (read first; echo "$first $(cat $file)") < $file &
    wait; rm $file
"""


def expected(number: int) -> str:
    """What a shell prints for its number."""
    left = sum("7" not in str(n) for n in range(1, number + 1))
    return f"{left}\n{number} {number}\n"


@pytest.mark.row("K2", "K6", "K8", "K13")
def test_shells_in_parallel_give_everything_back(arch: str) -> None:
    log: list[str] = []
    with diorama.boot(arch, memory="512m", log=log.append) as machine:
        system = machine.system

        def used() -> tuple[int, int, list[int]]:
            """Frames in use, page cache aside; pages promised; tasks."""
            frames = system.frames
            return frames.used_count - len(system.page_cache), frames.committed, [*system.tasks]

        def run_all(numbers: range) -> None:
            shells = {n: machine.spawn("sh", "-c", SCRIPT, "sh", str(n)) for n in numbers}
            machine.run()
            for number, process in shells.items():
                assert (process.status, process.stderr) == (0, "")
                assert process.stdout == expected(number)

        run_all(range(1, 2))  # once before: what is made once and kept
        before = used()
        run_all(range(10, 10 + scaled(SHELLS)))
        assert used() == before
    assert log == []
