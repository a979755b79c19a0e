"""One attached consumer, on the machine's side: its connection, its requests, its events."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Protocol

from tools.inspector import requests
from tools.inspector.outbox import Outbox
from tools.inspector.protocol import (
    LONGEST_REQUEST,
    Lines,
    Message,
    ProtocolError,
    decode,
)
from tools.inspector.requests import RequestError
from tools.inspector.stream import Stream

if TYPE_CHECKING:
    from kernel.fs.hostpoller import HostSelector
    from kernel.machine.loop import Machine
    from syscalls.table import SyscallTable
    from tools.inspector.hold import Hold

_CHUNK = 1 << 16


class Owner(Protocol):
    """What a consumer needs of the inspector."""

    machine: Machine
    table: SyscallTable
    poller: HostSelector

    @property
    def hold(self) -> Hold:
        """What makes the machine stand still."""

    def status(self) -> Message:
        """The counters and the state."""

    def screen(self) -> bytes:
        """What the guest's terminal has shown lately."""

    def gone(self, consumer: Consumer) -> None:
        """The consumer is detached."""


class Consumer:
    """Invariants: the connection is served by the poller until ``close``; it is asked for room
    (POLLOUT) exactly while something waits to be sent, and for requests while it is not crowded.

    ``asked``: has it sent a request?  Who only knocks, to see whether a machine is there, has not,
    nor has who speaks another language.
    """

    def __init__(self, owner: Owner, connection: socket.socket, hello: Message) -> None:
        self._owner = owner
        self._connection = connection
        self._lines = Lines(LONGEST_REQUEST)
        self._requests: list[bytes] = []
        self.outbox = Outbox()
        self.stream: Stream | None = None
        self._events = 0
        self._open = True
        self.asked = False
        self._shown = bytearray()  # by the guest's terminal, since the queue was last sent
        connection.setblocking(False)
        self.outbox.put(hello)
        self._ask()

    # -- the connection --------------------------------------------------------------------------

    def _ask(self) -> None:
        """Tell the poller what we wait for."""
        events = 0 if self.outbox.crowded else select.POLLIN
        if self.outbox:
            events |= select.POLLOUT
        if self._open and events != self._events:
            self._events = events
            self._owner.poller.serve(self._connection.fileno(), events, self._ready)

    def more(self) -> None:
        """There is something to send, as soon as the machine looks at its poller."""
        if not self._events & select.POLLOUT:
            self._events |= select.POLLOUT
            self._owner.poller.serve(self._connection.fileno(), self._events, self._ready)

    def put(self, message: Message) -> None:
        """A change of state."""
        if not self._open:
            return
        self.outbox.put(message)
        if self.outbox.hopeless:
            self.close()
        else:
            self.more()

    def screen(self, data: bytes) -> None:
        """The guest's terminal shows something more; it is sent as one piece."""
        if self.stream is None or "terminal" not in self.stream.wanted.kinds:
            return
        if self.outbox.crowded:
            self._put_shown()  # what came before stands before what is lost
            self.outbox.lose()
            return
        self._shown += data
        if len(self._shown) > _CHUNK:
            self._put_shown()  # where it counts as waiting
        self.more()

    def _put_shown(self) -> None:
        if self._shown:
            self.outbox.put({"event": "terminal", "data": self._shown.decode("latin-1")})
            self._shown.clear()

    def _ready(self, events: int) -> None:
        try:
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._receive()
            self.flush()
        except (ProtocolError, OSError) as error:
            if isinstance(error, ProtocolError):
                self._say_goodbye(str(error))
            self.close()

    def flush(self) -> None:
        """Send what goes without waiting.  OSError: the consumer is gone."""
        if not self._open:
            return
        if self.stream is not None:
            self.stream.settle()
        self._put_shown()
        self.outbox.send(self._connection)
        self._work()
        self._ask()

    def _say_goodbye(self, why: str) -> None:
        self.outbox.put({"event": "detached", "why": why})
        try:
            self.outbox.send(self._connection)
        except OSError:
            return

    def close(self) -> None:
        """Detach; the machine goes on as if nobody had looked."""
        if not self._open:
            return
        self._open = False
        self._unsubscribe()
        self._owner.poller.unserve(self._connection.fileno())
        self._connection.close()
        self._owner.gone(self)

    # -- requests --------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the consumer has closed its end")
        self._requests += self._lines.feed(data)
        self._work()

    def _work(self) -> None:
        """Answer what was asked, as long as the answers find room."""
        while self._requests and self._open and not self.outbox.crowded:
            request = decode(self._requests.pop(0))
            self.asked = True
            answer: Message = {"id": request.get("id")}
            try:
                answer["ok"] = self._answer(request)
            except RequestError as error:
                answer["error"] = str(error)
            self.outbox.put(answer)

    def _answer(self, request: Message) -> Message:
        """Do what one request says."""
        match request.get("do"):
            case "show":
                return requests.show(self._owner.machine, request)
            case "status":
                return self._owner.status()
            case "source":
                return requests.source(request)
            case "handler":
                return requests.handler(request, self._owner.table)
            case "subscribe":
                return self._subscribe(request)
            case "unsubscribe":
                self._unsubscribe()
            case "pause":
                self._owner.hold.pause()
            case "resume":
                self._owner.hold.resume()
            case "step":
                filters = requests.parse_filter(request, self._owner.table)
                self._owner.hold.step(requests.number_in(request, "tid"), filters)
            case other:
                raise RequestError(f"{other!r} cannot be done")
        return {}

    def _subscribe(self, request: Message) -> Message:
        """Replace the subscription; a bad one leaves the present one alone."""
        wanted = requests.parse_subscription(request, self._owner.table)
        self._unsubscribe()
        machine = self._owner.machine
        self.stream = Stream(self._owner.table, self.outbox, wanted, self.more)
        machine.attach(self.stream)
        tasks = machine.system.tasks
        self.stream.adopt([tasks[tid] for tid in sorted(tasks)])
        if "terminal" in wanted.kinds and self._owner.screen():
            shown = self._owner.screen().decode("latin-1")
            self.outbox.put({"event": "terminal", "data": shown})
        return {"events": sorted(wanted.kinds), "rate": wanted.rate}

    def _unsubscribe(self) -> None:
        if self.stream is not None:
            self._owner.machine.detach(self.stream)
            self.stream = None
