"""The view's end of the socket: requests that are awaited, events that are handed on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tools.inspector.protocol import NAME, VERSION, Lines, Message, ProtocolError, decode, encode

_CHUNK = 1 << 18
_LONGEST_HELLO = 32 << 20  # it has the program's arguments


_Waiting = tuple["asyncio.Future[Message]", "Callable[[], None] | None"]


class LinkError(Exception):
    """The machine refused a request, or is gone; the text says why."""


class Link:
    """One connection.  ``on_event`` gets every message that is no answer, in order; ``on_end`` is
    called once, when the machine has closed the connection.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_event: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._on_event = on_event
        self._on_end = on_end
        self._lines = Lines()
        self._waiting: dict[int, _Waiting] = {}
        self._ids = 0
        self._reader: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self.closed = False

    def start(self) -> None:
        """Begin to read, in the running event loop."""
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError, ProtocolError):
            while data := await loop.sock_recv(self._connection, _CHUNK):
                for line in self._lines.feed(data):
                    self._dispatch(decode(line))
        self._ended()

    def _dispatch(self, message: Message) -> None:
        number = message.get("id")
        if number is None:
            self._on_event(message)
            return
        waiting, then = self._waiting.pop(number, (None, None))
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(LinkError(message["error"]))
        else:
            if then is not None:
                then()
            waiting.set_result(message["ok"])

    def _ended(self) -> None:
        if self.closed:
            return
        self.closed = True
        for waiting, _ in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkError("the machine is gone"))
        self._waiting.clear()
        self._on_end()

    async def ask(
        self,
        do: str,
        *,
        then: Callable[[], None] | None = None,
        **details: Any,  # Any: what JSON has
    ) -> Message:
        """A request and its answer.  LinkError: refused, or nobody is there any more.

        ``then`` is called when a good answer has come, before any event that came after it.
        """
        if self.closed:
            raise LinkError("the machine is gone")
        self._ids += 1
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Message] = loop.create_future()
        self._waiting[self._ids] = waiting, then
        try:
            request = encode({"id": self._ids, "do": do, **details})
            async with self._sending:  # a machine may be slow, and requests come from many places
                await loop.sock_sendall(self._connection, request)
        except OSError:
            self._ended()
        return await waiting

    async def close(self) -> None:
        """Go away."""
        self.closed = True
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        self._connection.close()


def greet(connection: socket.socket) -> Message:
    """The machine's first line.  LinkError if it is none of ours, or refuses us."""
    connection.settimeout(10.0)
    try:
        hello = decode(_first_line(connection))
    except (OSError, ProtocolError) as error:
        raise LinkError(f"it does not answer: {error}") from None
    if hello.get("hello") != NAME:
        raise LinkError("it is no machine's socket")
    if hello.get("version") != VERSION:
        raise LinkError(f"it speaks version {hello.get('version')}, we speak {VERSION}")
    if "error" in hello:
        raise LinkError(hello["error"])
    return hello


def _first_line(connection: socket.socket) -> bytes:
    """Not a byte more: what follows, the state perhaps, is for ``Link`` to read."""
    received = bytearray()
    while not received.endswith(b"\n"):
        waiting = connection.recv(_CHUNK, socket.MSG_PEEK)
        if not waiting:
            raise LinkError("it has closed the connection")
        received += connection.recv(waiting.find(b"\n") + 1 or len(waiting))
        if len(received) > _LONGEST_HELLO:
            raise LinkError("it is no machine's socket")
    return bytes(received)
