"""What waits for one consumer: a bounded queue; who stops reading costs the machine nothing.

Answers and changes of state always find room; there is one answer per request, and no request is
taken while the queue is over ``EVENTS_LIMIT``.  Events of the guest find room below that limit
only; those left out are counted, and the count stands in the stream where they would have been.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

from tools.inspector.protocol import EVENTS_LIMIT, HARD_LIMIT, Message, encode

_CHUNK: Final = 1 << 16


class Outbox:
    """Invariant: ``lost`` events were left out since the last message."""

    __slots__ = ("_waiting", "lost")

    def __init__(self) -> None:
        self._waiting = bytearray()
        self.lost = 0

    def __len__(self) -> int:
        """How many bytes wait."""
        return len(self._waiting)

    @property
    def crowded(self) -> bool:
        """Is there no room for events and requests?"""
        return len(self._waiting) > EVENTS_LIMIT

    @property
    def hopeless(self) -> bool:
        """Has the consumer not read for so long that it is to be detached?"""
        return len(self._waiting) > HARD_LIMIT

    def put(self, message: Message) -> None:
        """A message that always comes."""
        self._tell_lost()
        self._waiting += encode(message)

    def lose(self) -> None:
        """An event is left out."""
        self.lost += 1

    def _tell_lost(self) -> None:
        if self.lost:
            lost, self.lost = self.lost, 0
            self._waiting += encode({"event": "lost", "events": lost})

    def send(self, connection: socket.socket) -> None:
        """As much as goes without waiting.  OSError: the consumer is gone."""
        with suppress(BlockingIOError):
            while self._waiting:
                sent = connection.send(self._waiting[:_CHUNK])
                del self._waiting[:sent]
        if not self._waiting:
            self._tell_lost()
