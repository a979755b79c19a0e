"""The inspector's screen without a terminal: Textual's pilot presses keys and looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from tools.inspector.app import InspectorApp
from tools.inspector.details import Details
from tools.inspector.guest import Guest
from tools.inspector.link import greet
from tools.inspector.place import connect

SECONDS = 90.0
WIDE = (160, 48)
NARROW = (80, 24)


class Looker:
    """Somebody in front of the screen."""

    def __init__(self, app: InspectorApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Look until something is true."""
        limit = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < limit, f"it never came: {what}\n{self.seen()}"
            await self.pilot.pause(0.02)

    def seen(self) -> str:
        """For a failure: what all panes show."""
        panes = ("calls", "tasks", "files", "memory", "waits", "kernel")
        parts = [f"-- {name}\n" + "\n".join(self.lines(name)[-20:]) for name in panes]
        return "\n".join([self.app.status.state, *self.app.terminal.lines, *parts])

    def lines(self, pane: str) -> list[str]:
        """The lines of a pane, seen or scrolled away."""
        return [row.text.plain for row in self.app.listing(pane).rows]

    async def see(self, pane: str, text: str) -> str:
        """Wait for a line with a text; returns it."""
        await self.until(
            lambda: any(text in line for line in self.lines(pane)), f"{text} in {pane}"
        )
        return next((line for line in self.lines(pane) if text in line), "")

    async def read(self, text: str) -> None:
        """Wait until the guest's terminal shows something at the beginning of a line."""
        terminal = self.app.terminal
        await self.until(
            lambda: any(line.startswith(text) for line in terminal.lines), f"{text} in the terminal"
        )

    async def type(self, text: str) -> None:
        """Keys, as the guest gets them; \\n is Enter."""
        for character in text:
            await self.pilot.press({"\n": "enter", " ": "space"}.get(character, character))

    async def leave_terminal(self) -> None:
        """Ctrl-]."""
        await self.pilot.press("ctrl+right_square_bracket")
        await self.until(lambda: self.app.focused is not self.app.terminal, "another focus")

    async def state(self, wanted: str) -> None:
        """Wait until the machine is paused, running, over..."""
        await self.until(lambda: self.app.status.state == wanted, f"state {wanted}")

    async def details(self) -> Details:
        """Wait until an object is shown."""
        await self.until(lambda: isinstance(self.app.screen, Details), "the details")
        screen = self.app.screen
        assert isinstance(screen, Details)
        await self.pilot.pause()
        return screen

    async def click(self, pane: str, text: str) -> None:
        """Click on the line of a pane that has a text."""
        await self.see(pane, text)
        listing = self.app.listing(pane)
        place = next(n for n, row in enumerate(listing.rows) if text in row.text.plain)
        top = 1 if listing.heading else 0
        if not 0 <= place - listing.scroll_offset.y < listing.size.height - top:
            listing.scroll_to(y=place - 1, animate=False, immediate=True)
            await self.pilot.pause()
        y = place + top - round(listing.scroll_offset.y)
        await self.pilot.click(listing, offset=(6, y + (1 if listing.styles.border_top[0] else 0)))


Scenario = Callable[[Looker], Awaitable[None]]


def look(
    scenario: Scenario,
    *words: str,
    size: tuple[int, int] = WIDE,
    paused: bool = False,
) -> int:
    """``diorama top WORDS`` under a pilot; returns the guest's exit status."""
    guest = Guest(words, size[1] // 2, size[0])
    try:
        connection = guest.connect()
        assert connection is not None, guest.said
        with connection:
            app = InspectorApp(connection, greet(connection), guest, paused=paused)
            asyncio.run(_play(app, scenario, size))
    finally:
        status = guest.end()
    return status


def look_in(scenario: Scenario, path: str, *, size: tuple[int, int] = WIDE) -> None:
    """``diorama top --attach=PATH`` under a pilot."""
    with connect(path) as connection:
        asyncio.run(_play(InspectorApp(connection, greet(connection), None), scenario, size))


async def _play(app: InspectorApp, scenario: Scenario, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        looker = Looker(app, pilot)
        await looker.until(lambda: app.link.closed or app.status.state != "waiting" or app.held)
        await scenario(looker)
    await app.link.close()
