"""Debian's chromium without a screen, led through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tools.fetch import find_oracle

SECONDS = 90.0
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions",
    "--remote-debugging-port=0", "--window-size=1400,900", "about:blank",
)  # fmt: skip
Message = dict[str, Any]


class Page:
    """One tab.  ``received``: what the page's web sockets have got, as bytes in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self.received = bytearray()
        self.requested: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            self._handle(message.json())

    def _handle(self, message: Message) -> None:
        if message.get("id") in self._answers:
            self._answers.pop(message["id"]).set_result(message)
        elif message.get("method") == "Network.webSocketFrameReceived":
            frame = message["params"]["response"]
            data: str = frame["payloadData"]
            binary = frame["opcode"] == 2
            self.received += base64.b64decode(data) if binary else data.encode()
        elif message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])

    async def do(self, method: str, **parameters: Any) -> Message:
        """One command of the protocol."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(self._answers[number], SECONDS)
        assert "error" not in answer, answer
        result: Message = answer["result"]
        return result

    async def open(self, address: str) -> None:
        """Go there."""
        await self.do("Network.enable")
        await self.do("Page.enable")
        await self.do("Emulation.setFocusEmulationEnabled", enabled=True)
        await self.do("Page.navigate", url=address)

    async def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = await self.do("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    async def type(self, text: str) -> None:
        """Press keys, one by one."""
        for character in text:
            named = {"\r": ("Enter", 13), "\x1d": ("]", 221)}.get(character)
            plain = ord(character.upper()) if character.isalnum() else 0  # 36 were Home, not $
            key, code = named or (character, plain)
            held = 2 if character == "\x1d" else 0  # Ctrl
            common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": held}
            shown = {} if held else {"text": character}
            await self.do("Input.dispatchKeyEvent", type="keyDown", **common, **shown)
            await self.do("Input.dispatchKeyEvent", type="keyUp", **common)

    async def click(self, x: int, y: int) -> None:
        """Press and release the left button."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.do(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def focused(self, css_class: str) -> None:
        """Wait until the element of a class has the keys."""
        limit = time.monotonic() + SECONDS
        while await self.evaluate("document.activeElement.className") != css_class:
            assert time.monotonic() < limit, "something else has the keys"
            await asyncio.sleep(0.02)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        limit = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < limit, f"it never came; the end: {self.received[-2000:]!r}"
            await asyncio.sleep(0.02)

    async def screenshot(self) -> bytes:
        """A PNG."""
        found = await self.do("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])

    async def close(self) -> None:
        """The window goes away."""
        await self.do("Page.close")

    async def leave(self) -> None:
        """Lead it no longer."""
        self._reader.cancel()
        await self._socket.close()


class Browser:
    """A running chromium."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port
        self.pages: list[Page] = []

    async def page(self) -> Page:
        """A new window."""
        async with self._session.put(f"http://127.0.0.1:{self._port}/json/new") as answer:
            target = await answer.json(content_type=None)
        socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        self.pages.append(Page(socket))
        return self.pages[-1]


def find_chromium() -> Path | None:
    """The browser, from PATH or fetched."""
    return find_oracle("chromium")


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """A chromium of its own profile; nothing of it is left behind."""
    program = find_chromium()
    assert program is not None
    process = subprocess.Popen(
        [str(program), *FLAGS, f"--user-data-dir={profile}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            made = Browser(session, port)
            try:
                yield made
            finally:
                for page in made.pages:
                    await page.leave()
    finally:
        os.killpg(process.pid, 9)
        process.wait()


async def _port(file: Path) -> int:
    """Where it listens; it writes a file once it does."""
    limit = time.monotonic() + SECONDS
    while True:
        try:
            return int(file.read_text().splitlines()[0])
        except (OSError, IndexError, ValueError):
            assert time.monotonic() < limit, "chromium does not start"
            await asyncio.sleep(0.02)
