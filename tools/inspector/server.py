"""The machine's side: a UNIX socket, served by the machine's own loop between traps.

There is one thread.  The poller calls us when somebody connects or sends a request; nothing is
polled for, so a machine nobody looks at pays for one more descriptor in its poll(2) and nothing
else.  The tracer's printers are only loaded when the first consumer comes.

With virtual time no ticker makes the loop look at its poller, so the kernel is asked to send SIGIO,
which ends guest code as every host signal does; the turn then goes on where it was, so that a
deterministic run takes the same course whoever looks, and when.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from tools.inspector.place import listen
from tools.inspector.protocol import NAME, VERSION, Message, encode

if TYPE_CHECKING:
    from kernel.fs.hostpoller import HostSelector
    from kernel.machine.loop import Machine
    from kernel.views.terminal.console import Console
    from syscalls.table import SyscallTable
    from tools.inspector.consumer import Consumer
    from tools.inspector.hold import Hold

MOST_CONSUMERS: Final = 8
SCREEN_LIMIT: Final = 1 << 16
"""Bytes of the terminal's past that a consumer gets who comes later."""
GOODBYE_SECONDS: Final = 0.2
"""How long the end of a run waits for consumers that read nothing."""


class Inspector:
    """One machine's socket and those who are attached.

    ``path``: where to attach.  ``virtual``: time is virtual, see above.
    """

    def __init__(
        self,
        machine: Machine,
        poller: HostSelector,
        path: str | None,
        program: tuple[str, ...],
        *,
        virtual: bool = False,
    ) -> None:
        self.machine = machine
        self.table = cast("SyscallTable", machine.table)  # boot made it
        self.poller = poller
        self._program = program
        self._virtual = virtual
        self._consumers: list[Consumer] = []
        self._hold: Hold | None = None
        self._screen = bytearray()
        self._console: Console | None = None
        self._listener, self.path = listen(path)
        self._spare = open(os.devnull, "rb")  # to turn people away with
        poller.serve(self._listener.fileno(), select.POLLIN, self._connect)
        machine.on_attention.append(self.attend)

    def begin(self) -> None:
        """The run begins, and SIGIO has a handler."""
        self._signal_on(self._listener)

    @property
    def hold(self) -> Hold:
        """What makes the machine stand still; made when somebody comes."""
        if self._hold is None:
            from tools.inspector.hold import Hold  # with the tracer's filters

            self._hold = Hold(self.machine, self._wait, self._changed)
        return self._hold

    # -- connections -----------------------------------------------------------------------------

    def _connect(self, _events: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return
        self._signal_on(connection)
        self._admit(connection)

    def _turn_away(self) -> None:
        """No descriptor is left for who knocks; who is not let in would knock for ever."""
        self._spare.close()
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.close()
        with suppress(OSError):
            self._spare = open(os.devnull, "rb")  # kept until the next time

    def _admit(self, connection: socket.socket) -> None:
        if len(self._consumers) >= MOST_CONSUMERS:
            with suppress(OSError), connection:
                why = f"{MOST_CONSUMERS} are attached already"
                connection.send(encode({"hello": NAME, "version": VERSION, "error": why}))
            return
        from tools.inspector.consumer import Consumer  # the printers: 50 ms that others save

        self._consumers.append(Consumer(self, connection, self._hello()))

    def _hello(self) -> Message:
        return {
            "hello": NAME,
            "version": VERSION,
            "host_pid": os.getpid(),
            "arch": self.machine.system.arch.name,
            "program": list(self._program),
            "terminal": self._console is not None,
            "window": self._window(),
            "state": self.hold.state,
        }

    def _window(self) -> list[int]:
        """Rows and columns of the terminal."""
        window = self._console.window if self._console is not None else None
        return [window.rows or 24, window.columns or 80] if window is not None else [24, 80]

    def _signal_on(self, connection: socket.socket) -> None:
        """Virtual time: SIGIO when there is something on it."""
        if self._virtual:
            fd = connection.fileno()
            fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
            os.kill(os.getpid(), signal.SIGIO)  # there may be something on it already

    def gone(self, consumer: Consumer) -> None:
        """A consumer is detached; the last one lets a machine go that it held.

        One that waits for somebody to look goes on waiting when somebody has only knocked.
        """
        self._consumers.remove(consumer)
        if not self._consumers and self._hold is not None:
            if consumer.asked or not self._hold.waiting:
                self._hold.resume()

    # -- standing still --------------------------------------------------------------------------

    def attend(self) -> None:
        """Called by the loop between turns: stand still here if that is wanted."""
        if self._hold is not None and self._hold.held:
            self._hold.serve()

    def wait_for_view(self) -> None:
        """Stand still before the first instruction until a consumer says ``resume``."""
        from tools.inspector.hold import WAITING

        self.hold.pause(state=WAITING)
        self.hold.serve()

    def _wait(self) -> None:
        """One wait while the machine stands still: consumers, the terminal, host signals.

        As long as nobody has come the program has no timers yet, and --timeout counts.
        """
        self.machine.cpu.stop_charging()
        system, waiting = self.machine.system, self.hold.waiting
        deadline = system.timers.next_deadline() if waiting else None
        self.poller.wait(None if deadline is None else deadline - system.clock.monotonic())
        if waiting:
            system.timers.expire(system.clock.monotonic())
        for callback in self.machine.on_attention:
            if callback != self.attend:
                callback()

    def _changed(self) -> None:
        hold = self.hold
        for consumer in list(self._consumers):
            consumer.put({"event": "state", "state": hold.state, "tid": hold.tid})

    # -- what is told ----------------------------------------------------------------------------

    def status(self) -> Message:
        """``status``: the counters that are always kept."""
        machine, counters = self.machine, self.machine.system.counters
        return {
            "state": self.hold.state,
            "tid": self.hold.tid,
            "calls": sum(machine.counts.calls),
            "errors": sum(machine.counts.errors),
            "switches": counters.switches,
            "tasks": len(machine.system.tasks),
            "uptime": machine.system.clock.monotonic(),
            "consumers": len(self._consumers),
        }

    def mirror(self, console: Console) -> None:
        """Keep what this terminal shows, for consumers."""
        self._console = console
        console.on_output = self._shown

    def _shown(self, data: bytes) -> None:
        self._screen += data
        if len(self._screen) > 2 * SCREEN_LIMIT:
            del self._screen[:-SCREEN_LIMIT]
        for consumer in list(self._consumers):
            consumer.screen(data)

    def screen(self) -> bytes:
        """What the terminal has shown lately."""
        return bytes(self._screen[-SCREEN_LIMIT:])

    # -- the end ---------------------------------------------------------------------------------

    def finish(self, status: int) -> None:
        """The run is over: tell everybody, and let those who read have the rest."""
        for consumer in list(self._consumers):
            consumer.put({"event": "over", "status": status})
        left = self._unsent()
        limit = time.monotonic() + GOODBYE_SECONDS
        while left and time.monotonic() < limit:
            self._flush_or_close()
            if self._unsent() < left:
                limit = time.monotonic() + GOODBYE_SECONDS
            left = self._unsent()
            time.sleep(0.001 if left else 0)
        self.close()

    def _unsent(self) -> int:
        return sum(len(consumer.outbox) for consumer in self._consumers)

    def _flush_or_close(self) -> None:
        for consumer in list(self._consumers):
            try:
                consumer.flush()
            except OSError:
                consumer.close()

    def close(self) -> None:
        """Detach everybody and remove the socket."""
        for consumer in list(self._consumers):
            consumer.close()
        if self._listener.fileno() < 0:
            return
        self.poller.unserve(self._listener.fileno())
        self._listener.close()
        self._spare.close()
        with suppress(OSError):
            os.unlink(self.path)
        self.machine.on_attention = [c for c in self.machine.on_attention if c != self.attend]
