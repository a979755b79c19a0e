"""Every argument of every call that the guest programs make can be read, and nobody notices."""

from __future__ import annotations

import pytest

import diorama
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]
PROGRAMS = (
    "files", "net_calls", "sysvipc", "signals", "threads_raw", "posixtimers", "mqueues", "epolling",
    "pointers", "identity",
)  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_arguments_decode_on_the_way_in_and_out(arch: str, name: str) -> None:
    """Bad pointers, odd flags and all; what cannot be read is a Pointer."""
    broken: list[str] = []
    touched: set[str] = set()

    def touch(call: diorama.Call) -> None:
        touched.add(call.name)
        for argument in call.args:
            try:
                getattr(call.args, argument)
                call.shown(argument)
            except Exception as error:  # noqa: BLE001  # collected, and shown below
                broken.append(f"{call.phase} {call.name} {argument}: {error!r}")
        assert repr(call).startswith("<Call ")

    with diorama.boot(arch, memory="256m") as machine:
        machine.mount(str(build.build(name, arch)), "/bin/program")
        machine.on_enter("all", touch)
        machine.on_exit("all", touch)
        process = machine.spawn("program", cwd="/tmp")
        machine.run(seconds=60)
        assert not broken
        assert not machine.kernel.bugs
        assert (process.status, process.stdout) == (0, "ok\n"), process.stderr
        assert len(touched) > 5
