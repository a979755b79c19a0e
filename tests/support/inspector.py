"""A machine that runs with --inspect, and a consumer that a test leads by the hand."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.command import SECONDS, started

Message = dict[str, Any]


class Consumer:
    """One connection; ``events``: everything that was no answer, in order."""

    def __init__(self, path: Path | str) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(SECONDS)
        try:
            self.connection.connect(str(path))
        except OSError:
            self.connection.close()
            raise
        self._file = self.connection.makefile("rb")
        self.events: list[Message] = []
        self._ids = 0
        self.hello = self.next()

    def next(self) -> Message:
        """The next message.  EOFError at the end, or in the middle of the last one."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the machine has closed the connection")
        message: Message = json.loads(line)
        return message

    def send(self, **request: Any) -> int:
        """A request; returns its id."""
        self._ids += 1
        self.connection.sendall(json.dumps({"id": self._ids, **request}).encode() + b"\n")
        return self._ids

    def ask(self, **request: Any) -> Message:
        """A request and its answer, ok or error; events that come before it are kept."""
        wanted = self.send(**request)
        while True:
            message = self.next()
            if message.get("id") == wanted:
                return message
            self.events.append(message)

    def do(self, **request: Any) -> Message:
        """A request that must be answered well."""
        answer = self.ask(**request)
        assert "ok" in answer, answer
        ok: Message = answer["ok"]
        return ok

    def until(self, condition: Callable[[Message], bool]) -> Message:
        """Read until an event is the right one; an event that was kept will do as well."""
        for event in self.events:
            if condition(event):
                return event
        while True:
            self.events.append(self.next())
            if condition(self.events[-1]):
                return self.events[-1]

    def state(self, wanted: str) -> Message:
        """Wait until the machine is in a state."""
        self.events = [e for e in self.events if e.get("event") != "state" or e["state"] == wanted]
        return self.until(lambda e: e.get("event") == "state" and e["state"] == wanted)

    def rest(self) -> list[Message]:
        """Everything up to the end of the connection."""
        try:
            while True:
                self.events.append(self.next())
        except EOFError:
            return self.events

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self.connection.close()


class Machine:
    """diorama in a process of its own, held before the first instruction unless told otherwise."""

    def __init__(self, path: Path, words: tuple[str, ...], wait: bool, options: Any) -> None:
        self.path = path
        self._consumers: list[Consumer] = []
        holding = ["--inspect-wait"] if wait else []
        self.process = started("run", f"--inspect={path}", *holding, *words, **options)

    def ready(self) -> None:
        """Wait for the socket."""
        limit = time.monotonic() + SECONDS
        while not self.path.exists():
            assert time.monotonic() < limit, "no socket comes"
            assert self.process.poll() is None, "it has ended"
            time.sleep(0.005)

    def attach(self) -> Consumer:
        """One more consumer."""
        self.ready()
        limit = time.monotonic() + SECONDS
        while True:
            try:
                self._consumers.append(Consumer(self.path))
                return self._consumers[-1]
            except ConnectionRefusedError:  # between bind(2) and listen(2)
                assert time.monotonic() < limit, "nobody listens"

    def close(self) -> None:
        """Leave nothing behind."""
        for consumer in self._consumers:
            consumer.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def wait(self) -> int:
        """The exit status."""
        return self.process.wait(SECONDS)

    def end(self) -> tuple[bytes, bytes]:
        """Wait for the end; stdout and stderr."""
        out, err = self.process.communicate(timeout=SECONDS)
        return out, err


@contextmanager
def machine(
    path: Path,
    *words: str,
    wait: bool = True,
    **options: Any,  # Any: those of subprocess.Popen
) -> Iterator[Machine]:
    """``diorama run --inspect=PATH WORDS``; nothing of it is left behind."""
    made = Machine(path, words, wait, options)
    try:
        yield made
    finally:
        made.close()


def is_call(name: str, *, ended: bool = True) -> Callable[[Message], bool]:
    """A condition: the event is a call of that name, with or without its result."""
    return lambda e: (
        e.get("event") == "call" and e["name"] == name and (e["result"] is not None) == ended
    )
