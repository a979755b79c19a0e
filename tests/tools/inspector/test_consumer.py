"""One consumer without a machine: what waits for it has an end, and its order."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tools.inspector.consumer import Consumer
from tools.inspector.link import Link, greet
from tools.inspector.protocol import EVENTS_LIMIT, NAME, VERSION, encode

HELLO = {"hello": NAME, "version": VERSION, "state": "running"}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_screen_nobody_reads_is_counted_and_not_kept(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """A guest may write gigabytes to its terminal while the consumer's socket is full."""
    nobody: Any = SimpleNamespace(
        poller=SimpleNamespace(serve=lambda *_: None, unserve=lambda *_: None)
    )
    consumer = Consumer(nobody, ends[0], {})
    mirror: Any = SimpleNamespace(
        wanted=SimpleNamespace(kinds={"terminal"}), settle=lambda: None
    )  # fmt: skip
    consumer.stream = mirror
    line, lines = b"x" * 4095 + b"\n", 2000
    for _ in range(lines):
        consumer.screen(line)
    assert EVENTS_LIMIT < len(consumer.outbox) < 2 * EVENTS_LIMIT
    consumer.outbox.send(ends[0])
    told = [json.loads(text) for text in read(consumer, ends)]
    assert {event["event"] for event in told[1:-1]} == {"terminal"}
    assert told[-1]["event"] == "lost", "behind what came before it"
    shown = sum(len(event["data"]) for event in told[1:-1])
    assert shown + len(line) * told[-1]["events"] == len(line) * lines


def read(consumer: Consumer, ends: tuple[socket.socket, socket.socket]) -> list[bytes]:
    """Everything that waits, as lines."""
    found = bytearray()
    while consumer.outbox:
        found += ends[1].recv(1 << 20)
        consumer.flush()
    ends[1].setblocking(False)
    try:
        while True:
            found += ends[1].recv(1 << 20)
    except BlockingIOError:
        return bytes(found).splitlines()


def test_what_follows_the_greeting_at_once_is_not_swallowed(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Somebody else paused the machine, or it ended, in the moment we came."""
    ours, theirs = ends
    over = {"event": "over", "status": 3}
    theirs.sendall(encode(HELLO) + encode(over))
    assert greet(ours) == HELLO
    assert heard(ours, theirs) == [over]


def test_a_greeting_in_pieces(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    for byte in encode(HELLO):
        theirs.sendall(bytes([byte]))
    assert greet(ours) == HELLO


def heard(ours: socket.socket, theirs: socket.socket) -> list[object]:
    """What the link hands on until the other side closes."""
    events: list[object] = []

    async def listen() -> None:
        ended = asyncio.Event()
        link = Link(ours, events.append, ended.set)
        link.start()
        theirs.close()
        await asyncio.wait_for(ended.wait(), 10)
        await link.close()

    asyncio.run(listen())
    return events


def test_many_requests_at_once_all_go_out(ends: tuple[socket.socket, socket.socket]) -> None:
    """A machine that is slow to read: each sender waits for its turn, and none is forgotten."""
    ours, theirs = ends
    asked = 40
    filters = ["x" * 60_000]  # more than the socket takes at once

    async def ask() -> list[dict[str, Any]]:
        link = Link(ours, lambda _: None, lambda: None)
        link.start()
        waiting = [
            asyncio.create_task(link.ask("step", filter=filters, number=n)) for n in range(asked)
        ]
        answered = await asyncio.to_thread(answer)
        done = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert [found["number"] for found in done] == list(range(asked))
        await link.close()
        return answered

    def answer() -> list[dict[str, Any]]:
        theirs.settimeout(90)
        with theirs.makefile("rb") as lines:
            found = [json.loads(lines.readline()) for _ in range(asked)]
        for request in found:
            theirs.sendall(encode({"id": request["id"], "ok": {"number": request["number"]}}))
        return found

    assert [request["number"] for request in asyncio.run(ask())] == list(range(asked))
