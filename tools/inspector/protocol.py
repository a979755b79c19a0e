"""The words that a machine and those who look at it exchange: one JSON object per line, UTF-8.

The machine speaks first, ``{"hello": "diorama-inspector", "version": 1, ...}``.  Then a consumer
sends requests, ``{"id": 7, "do": "show", "what": ["tasks"]}``, and gets one answer for each, with
the same id: ``{"id": 7, "ok": {...}}`` or ``{"id": 7, "error": "one line"}``.  Between answers come
events, ``{"event": "call", ...}``.  docs/inspector.md lists them all.

What is promised: everything comes in the order it happened; every request has its answer; changes
of state (``state``, ``over``) always come.  Events of the guest may be too many for who reads them:
those left out are counted, and ``{"event": "lost", "events": 12}`` stands where they would have.
A consumer that breaks the rules, or has not taken ``HARD_LIMIT`` bytes, is detached.
"""

from __future__ import annotations

import json
from typing import Any, Final

NAME: Final = "diorama-inspector"
VERSION: Final = 1
LONGEST_REQUEST: Final = 1 << 16
"""Bytes of a request's line."""
EVENTS_LIMIT: Final = 1 << 20
"""Bytes that may wait for a consumer before events are left out and its requests have to wait."""
HARD_LIMIT: Final = 8 << 20
"""Bytes that may wait at all."""

Message = dict[str, Any]
"""What JSON has; Any, because every kind of message has keys of its own."""


class ProtocolError(ValueError):
    """The other side does not keep to the protocol; the text says how."""


def encode(message: Message) -> bytes:
    """One line.  Bytes of the guest's that are no UTF-8 travel as lone surrogates, escaped."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The object on one line.  ProtocolError if there is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"no JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("a message is a JSON object")
    return message


class Lines:
    """Cuts a stream of bytes into lines.  ``limit``: the longest; 0: any length."""

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now.  ProtocolError: one is too long."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        if self._limit and max(map(len, (*lines, rest))) > self._limit:
            raise ProtocolError(f"a line is longer than {self._limit} bytes")
        self._rest = rest
        return [bytes(line) for line in lines if line.strip()]
