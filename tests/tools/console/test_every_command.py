"""Every command at every kind of stop: something is said, nothing breaks, the program ends well."""

from __future__ import annotations

import pytest

from tests.tools.console.debugged import lines, session
from tools.console import start
from tools.console.command import COMMANDS

pytestmark = [pytest.mark.guest, pytest.mark.row("T1", "T2")]

LOOKING = (
    "tasks", "maps", "pagetable", "pagetable main", "fds", "waits", "futexes", "runqueue", "mounts",
    "inodes", "pipes", "sockets", "signals", "memory", "regs", "stack", "disas", "disas main 3",
    "x $sp 32", "x counter", "task 2", "info breaks", "help", "help step", "print task",
    "print stop, system",
    "print describe.plain(describe.tasks(system))", "source task", "source openat", "source pipes",
    "set", "delete 9",
)  # fmt: skip

STOPS = {
    "start": ("twice", [], 42),
    "breakpoint": ("twice", ["break *twice", "c"], 42),
    "step": ("twice", ["stepi"], 42),
    "watchpoint": ("twice", ["watch counter", "c"], 42),
    "enter": ("word", ["break write", "c"], 0),
    "return": ("word", ["break write", "c", "finish"], 0),
    "signal": ("signal", ["catch signal", "c"], 0),
    "fault": ("fault", ["catch fault", "c"], 139),
    "fork": ("fork", ["catch fork", "c"], 6),
    "exec": ("exec", ["catch exec", "c"], 42),
    "exit": ("fork", ["catch exit", "c"], 6),
    "the program's exit": ("twice", ["catch exit", "c"], 42),
    "clone": ("threads", ["catch thread", "c"], 5),
    "thread_exit": ("threads", ["catch thread", "c", "c"], 5),
    "deadlock": ("deadlock", ["c"], 125),
}


@pytest.mark.parametrize("kind", STOPS)
def test_at_a_stop(arch: str, kind: str) -> None:
    what, way, status = STOPS[kind]
    end = [] if kind == "deadlock" else ["delete", "continue"]
    done = session(arch, what, [*way, "print '<<'", *LOOKING, "print '>>'", *end])
    said = lines(done)
    assert done.status == status, said[-3:]
    assert not [line for line in said if "internal error" in line or "Traceback" in line]
    answers = said[said.index("<<") : said.index(">>")]
    mistakes = [line for line in answers if line.startswith("diorama: ")]
    gone = [line for line in mistakes if "has ended" in line]
    allowed = ("set changes", "there is no point 9", "nothing is mapped", "there is no task 2")
    other = [line for line in mistakes if line not in gone and not any(a in line for a in allowed)]
    if "exit" not in kind:
        assert (gone, other) == ([], [])


def test_all_of_them_were_tried() -> None:
    assert start.FAMILIES
    tried = {line.split()[0] for line in LOOKING}
    tried |= {line.split()[0] for _, way, _ in STOPS.values() for line in way}
    elsewhere = {"send", "step", "finish", "detach", "quit", "delete"}  # test_sessions
    names = {name for name, found in COMMANDS.items() if not {name, *found.aliases} & tried}
    assert names <= elsewhere
