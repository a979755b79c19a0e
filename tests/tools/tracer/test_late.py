"""A tracer that comes while the program runs, and goes before it ends."""

from __future__ import annotations

import io
from typing import Any

import pytest

from kernel.task.task import Task
from syscalls.numbers import NUMBERS
from tests.support.guest import descriptors
from tools.boot import boot
from tools.config import RunConfig
from tools.tracer.strace import Options, StraceTracer

pytestmark = pytest.mark.row("K10")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_call_in_progress_is_resumed_and_the_last_one_detached(arch: str) -> None:
    sink = io.StringIO()
    config = RunConfig(
        "busybox", (b"sh", b"-c", b"umask; cd /tmp; cd /etc; cd /"), arch, quiet=True
    )
    with descriptors(b""):
        session = boot(config, lambda line: None)
        machine: Any = session.machine  # Any: boot made the table a SyscallTable
        tracer = StraceTracer(machine.table, lambda tid: sink, Options(to_file=True, follow=False))

        def come(task: Task, number: int, args: tuple[int, ...]) -> None:
            if not tracer.traced:
                tracer.follow(task)
                machine.attach(tracer)

        def go(task: Task, number: int, args: tuple[int, ...]) -> None:
            if task.fs.cwd.dentry.name == b"etc":
                tracer.detach()
                machine.detach(tracer)

        machine.hook(NUMBERS[arch]["umask"], come)
        machine.hook(NUMBERS[arch]["chdir"], go)
        assert session.run() == 0
    first, *rest = sink.getvalue().splitlines()
    assert first == "<... umask resumed>)".ljust(40) + "= 022"
    assert 'chdir("/etc")'.ljust(40) + "= 0" in rest
    assert rest[-1] == 'chdir("/" <detached ...>'
