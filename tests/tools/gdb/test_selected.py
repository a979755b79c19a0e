"""After a stop packets are about the thread that stopped, whatever was selected before."""

from __future__ import annotations

import pytest

from tests.support.gdb import debug, line_of

pytestmark = [pytest.mark.guest, pytest.mark.slow]


def test_the_thread_that_stopped_is_selected(arch: str) -> None:
    """gdb asks for registers without ``Hg``: those of another thread gave wrong frames."""
    result = debug(
        arch,
        ["threads"],
        f"break {line_of('/* in a thread */')}",
        "continue",
        "backtrace 1",
        "print n",
        "info threads",
        "delete",
        "continue",
    )
    result.lines(
        r"hit Breakpoint 1, work \(argument=",
        r"#0 +work \(argument=",
        r"\$1 = \d$",
        r"^\* \d +Thread 2\.\d .*work \(argument=",
        r"exited normally",
    )
    of_thread = int(result.line(r"^\$1 = (\d)$")[1])  # whichever came first
    assert int(result.line(r"^\* \d +Thread 2\.(\d) ")[1]) == of_thread + 2
