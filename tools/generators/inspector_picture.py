"""docs/pictures/inspector.svg: the inspector on a small pipeline, held behind a system call.

``python -m tools.generators.inspector_picture`` runs a real machine with virtual time, steps it to
the place, and lets Textual draw the screen.  What differs from run to run is not in the picture:
how long the host took for a task, and how many calls a second that were.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from tools.busybox import find_busybox
from tools.errors import DioramaError
from tools.inspector.app import InspectorApp
from tools.inspector.guest import Guest
from tools.inspector.link import greet
from tools.inspector.protocol import Message

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PICTURE: Final = ROOT / "docs" / "pictures" / "inspector.svg"
SIZE: Final = (132, 42)
SCRIPT: Final = "cd /etc; ls -l; cat /shadow; (sleep 1; cut -d: -f1,6 passwd) | sort | sed s/:/.../"
WORDS: Final = ("-q", "--deterministic", "--arch", "x86_64", "--", "busybox", "sh", "-c", SCRIPT)
LAST_PROGRAM: Final = '"sed"'
CALLS_AFTER: Final = 16
"""Until it waits for the sorter, who waits for the sleeper."""
SECONDS: Final = 60.0


class Still(InspectorApp):
    """The screen without what depends on the host's speed.  ``steps``: how many have ended."""

    steps = 0

    def _become(self, state: str, tid: int | None) -> None:
        super()._become(state, tid)
        self.steps += state == "paused"

    def _show_system(self, numbers: Message, shown: Message) -> None:
        tasks = [{**task, "utime": 0, "stime": 0} for task in shown["tasks"]]
        super()._show_system(numbers, {**shown, "tasks": tasks})
        self.status.forget_rates()


async def _draw(app: Still) -> str:
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: bool(app.listing("tasks").rows))
        while not any(LAST_PROGRAM in line for line in _calls(app)):
            await _step(app, pilot, ["trace=execve"])
        for _ in range(CALLS_AFTER):
            await _step(app, pilot, [])
        await app.refresh_panes()
        for name in ("tasks", "files", "memory"):  # where they stood was chance
            app.listing(name).action_edge(0)
        app.listing("tasks").select(app.selected)
        app.set_focus(app.listing("calls"))
        await pilot.pause(0.2)
        return app.export_screenshot(title="diorama top busybox sh")


def _calls(app: Still) -> list[str]:
    return [row.text.plain for row in app.listing("calls").rows]


async def _step(app: Still, pilot: Pilot[int], filters: list[str]) -> None:
    """Until the next of these system calls has ended."""
    before = app.steps
    await app.link.ask("step", filter=filters)
    await _until(pilot, lambda: app.steps > before)
    app.draw_events()


async def _until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await pilot.pause(0.01)


def draw() -> str:
    """The picture as SVG.  DioramaError: there is no machine to be had."""
    guest = Guest(WORDS)
    try:
        connection: socket.socket | None = guest.connect()
        if connection is None:
            raise DioramaError(guest.said.decode(errors="replace").strip())
        with connection:
            return asyncio.run(_draw(Still(connection, greet(connection), guest, paused=True)))
    finally:
        guest.end()


def busybox_mark() -> str:
    """Which BusyBox a picture shows: another one makes other calls."""
    digest = hashlib.sha256(Path(find_busybox("x86_64")).read_bytes()).hexdigest()
    return f"<!-- BusyBox sha256:{digest[:16]} -->"


def main() -> int:
    """Write the file."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(f"{draw().rstrip()}\n{busybox_mark()}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
