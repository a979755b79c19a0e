"""``diorama top --web`` in Debian's chromium: the page renders, keys arrive, ends are clean."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import oracles
from tests.support.browser import Page, browser, find_chromium
from tests.support.command import diorama, started
from tests.support.inspector import machine

pytestmark = [pytest.mark.guest, pytest.mark.slow]

SECONDS = 90.0
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07]*\x07|.)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """A server of ``top --web``."""

    def __init__(self, *words: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/"
        self.process = started("top", "--web", str(self.port), *words)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line == f"diorama: {self.address} (Ctrl-C ends it)\n".encode()

    def sessions(self) -> list[int]:
        """The views that run for browsers."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in found.split()]

    def close(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def served(*words: str) -> Iterator[Served]:
    made = Served(*words)
    try:
        yield made
    finally:
        made.close()


def text_of(page: Page) -> bytes:
    """What the page's terminal got, without colours and movements."""
    return _ESCAPES.sub(b"", bytes(page.received))


async def seen(page: Page, text: bytes) -> None:
    await page.until(lambda: text in text_of(page))


def colours(png: bytes) -> dict[bytes, int]:
    """How many pixels there are of each colour in a PNG of 8 bits a channel."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, width, depth = 8, b"", 0, 0
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, depth = struct.unpack_from(">I", body)[0], {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            data += body
        at += size + 12
    return _count(zlib.decompress(data), width * depth, depth)


def _count(raw: bytes, stride: int, depth: int) -> dict[bytes, int]:
    """Undo the filters of PNG, line by line; count."""
    before = bytearray(stride)
    found: dict[bytes, int] = {}
    for start in range(0, len(raw), stride + 1):
        line = _unfilter(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, depth)
        for x in range(0, stride, depth * 3):  # every third pixel is enough
            pixel = bytes(line[x : x + 3])
            found[pixel] = found.get(pixel, 0) + 1
        before = line
    return found


def _unfilter(kind: int, line: bytearray, before: bytearray, depth: int) -> bytearray:
    for x in range(len(line)):
        left = line[x - depth] if x >= depth else 0
        up, corner = before[x], before[x - depth] if x >= depth else 0
        if kind == 1:
            line[x] = line[x] + left & 0xFF
        elif kind == 2:
            line[x] = line[x] + up & 0xFF
        elif kind == 3:
            line[x] = line[x] + (left + up) // 2 & 0xFF
        elif kind == 4:
            guess = left + up - corner
            _, _, best = min(
                (abs(guess - value), order, value) for order, value in enumerate((left, up, corner))
            )
            line[x] = line[x] + best & 0xFF
    return line


@contextlib.asynccontextmanager
async def shown(address: str, work: Path) -> AsyncIterator[Page]:
    """The page in a browser of its own."""
    async with browser(work / "profile") as program:
        page = await program.page()
        await page.open(address)
        yield page


def ended(pids: list[int]) -> bool:
    """Are these processes gone?"""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def need_chromium() -> None:
    if find_chromium() is None:
        oracles.cannot_run("chromium is not on PATH (make fetch installs it as root)")


@pytest.mark.native
def test_in_a_browser(arch: str, work: Path) -> None:
    """The screen is drawn, keys reach the guest and us, all from this host; closing it ends it."""
    need_chromium()

    async def scenario(server: Served) -> None:
        async with shown(server.address, work) as page:
            await seen(page, b"/ # ")
            await page.focused("xterm-helper-textarea")  # without a click
            await page.type("echo ab$((6*7))cd\r")
            await seen(page, b"ab42cd")
            await seen(page, b"kernel")
            picture = colours(await page.screenshot())
            assert len(picture) > 20  # letters in colours on a ground of one
            assert max(picture.values()) > sum(picture.values()) // 2
            await page.type("\x1d?")
            await seen(page, b"A click opens the object")
            addresses = {address.split("/")[2] for address in page.requested}
            assert addresses == {f"127.0.0.1:{server.port}"}
            views = server.sessions()
            assert len(views) == 1
            await page.close()
            await page.until(lambda: ended(views))
        assert server.process.poll() is None

    with served("-q", "--arch", arch, "busybox", "sh") as server:
        asyncio.run(scenario(server))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(SECONDS) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""


@pytest.mark.native
def test_two_browsers_on_a_machine_that_runs(work: Path) -> None:
    """--attach: both see it; when they go away it goes on."""
    need_chromium()

    async def scenario(server: Served) -> None:
        async with browser(work / "profile") as program:
            first, second = await program.page(), await program.page()
            for page in (first, second):
                await page.open(server.address)
                await seen(page, b"clock_nanosleep")
            views = server.sessions()
            assert len(views) == 2
            await first.close()
            await second.close()
            await second.until(lambda: ended(views))

    with machine(work / "s", "-q", "busybox", "sleep", "1000", wait=False) as run:
        run.ready()
        with served(f"--attach={work / 's'}") as server:
            asyncio.run(scenario(server))
        assert run.process.poll() is None
        view = run.attach()
        assert view.do(do="status")["state"] == "running"


def test_only_our_own_page_gets_through(work: Path) -> None:
    """Another site's page, or a name that was made to point here, is refused."""

    async def status(headers: dict[str, str], path: str = "") -> int:
        address = server.address + path
        async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as got:
            return got.status

    async def scenario() -> None:
        ours = f"127.0.0.1:{server.port}"
        assert await status({}) == 200
        assert await status({"Origin": f"http://{ours}"}) == 200
        assert await status({"Host": "evil.example"}) == 403
        for path in ("", "ws", "static/js/textual.js"):
            assert await status({"Origin": "http://evil.example"}, path) == 403
        assert server.sessions() == []

    with served("-q", "busybox", "sh") as server:
        asyncio.run(scenario())
        with socket.socket() as other:  # the loopback's address only
            other.settimeout(SECONDS)
            with pytest.raises(OSError):
                other.connect((_other_address(), server.port))


def _other_address() -> str:
    """An address of this host that is not 127.0.0.1."""
    return "127.0.0.2"


def test_a_server_that_is_killed_leaves_no_view_behind(work: Path) -> None:
    """The views notice that nobody talks to them any more."""

    async def scenario() -> None:
        address = f"{server.address}ws?width=100&height=30"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as page:
            async for message in page:
                if b"sleep" in message.data:
                    break
            pids.extend(server.sessions())
            server.process.kill()
            server.process.wait()

    pids: list[int] = []
    with served("-q", "busybox", "sleep", "1000") as server:
        asyncio.run(scenario())
        assert len(pids) == 1
        limit = time.monotonic() + SECONDS
        while not ended(pids):
            assert time.monotonic() < limit, "the view is still there"
            time.sleep(0.05)


def test_a_port_that_is_taken_has_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = diorama("top", "--web", str(other.getsockname()[1]), "busybox", "sh")
    assert done.returncode == 125
    assert b"Address already in use" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_without_the_extra_the_line_says_what_to_install(work: Path) -> None:
    (work / "textual_serve").mkdir()
    (work / "textual_serve" / "__init__.py").write_text("raise ImportError('not here')\n")
    script = f"""if True:
        import sys
        sys.path.insert(0, {str(work)!r})
        from tools.cli import main
        sys.exit(main(["top", "--web", "8000", "busybox", "sh"]))"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 125
    assert done.stderr == ("diorama: top --web needs textual-serve: pip install 'diorama[web]'\n")
