"""The server: lets gdb in, answers it while the world stands still, listens while it runs.

The machine's thread does it all.  Inside ``Debugger.on_stop`` the server waits in the machine's
own poller, so that host signals, the terminal's keys and a second gdb are still seen; nothing of
the guest's runs meanwhile.  While the guest runs, the connection is one more descriptor of that
poller: ^C asks the core for a stop, a closed connection takes everything out and the program goes
on.  gdb may come again later, as often as it likes, but only one at a time.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final

from kernel.machine.debugger import Debugger, DebuggerBusy
from kernel.wait import WaitQueue, Watcher
from tools.errors import DioramaError
from tools.gdb.commands import answer
from tools.gdb.connection import Connection, Listener, announce
from tools.gdb.packets import INTERRUPT
from tools.gdb.stops import interrupted, reply_to
from tools.gdb.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.fs.hostpoller import HostSelector
    from kernel.machine.debugger import Stop
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from tools.config import GdbAddress

BUSY = "diorama: another debugger is attached"
AT_ONCE_NS: Final = 500_000_000
"""How soon gdb's next packet comes if no user is asked in between."""


class GdbServer:
    """gdb's door to one machine.

    ``virtual``: time is virtual (see Pace).  ``over``: has the run ended, so that nobody waits any
    longer?  ``log`` takes lines for people.
    Invariant: there is a Debugger in the machine exactly while there is a connection or gdb is
    awaited; ``_stub`` belongs to the connection.
    """

    def __init__(
        self,
        machine: Machine,
        poller: HostSelector,
        address: GdbAddress,
        *,
        program: Task,
        over: Callable[[], bool],
        log: Callable[[str], None],
        virtual: bool = False,
    ) -> None:
        self._machine = machine
        self._poller = poller
        self._program = program
        self._over = over
        self._log = log
        self._virtual = virtual
        self._debugger: Debugger | None = None
        self._connection: Connection | None = None
        self._stub: Stub | None = None
        self._refused: list[Connection] = []
        self._queue = WaitQueue("gdb")
        self._asked = False
        self._standing = False
        Watcher(self._queue, self._arrived)
        self._listener = Listener(address)
        try:
            self._debugger = self._new_debugger()
        except DebuggerBusy as busy:
            self._listener.close()
            raise DioramaError(f"gdb: {busy}") from None
        poller.serve(self._listener.socket.fileno(), select.POLLIN, self._knocked)

    def _new_debugger(self) -> Debugger:
        return Debugger(self._machine, self._stopped)

    @property
    def name(self) -> str:
        """What gdb's ``target remote`` takes."""
        return self._listener.name

    @property
    def debugging(self) -> bool:
        """Has gdb a process here?  It may be a child that outlives the program."""
        stub = self._stub
        return stub is not None and next(stub.tasks(), None) is not None

    def wait(self) -> None:
        """Until gdb has come, or the run is over.  From here on host signals are caught."""
        if self._virtual:
            announce(self._listener.socket.fileno())
        self._log(f"waiting for gdb: target remote {self.name}")
        system = self._machine.system
        while self._connection is None and not self._over():
            deadline = system.timers.next_deadline()
            left = None if deadline is None else deadline - system.clock.monotonic()
            self._look(left)  # --timeout counts here, too
            system.timers.expire(system.clock.monotonic())

    def finish(self) -> None:
        """The run is over."""
        if self._connection is not None:
            self._leave()
        if self._debugger is not None:
            self._debugger.close()
            self._debugger = None
        for connection in self._refused:
            self._dismiss(connection)
        self._poller.unserve(self._listener.socket.fileno())
        self._listener.close()

    # -- connections -----------------------------------------------------------------------------

    def _knocked(self, _: int) -> None:
        """Somebody connects."""
        if self._connection is not None and self._connection.gone():
            if self._standing:
                return  # the last one leaves first; the next one is still there then
            self._leave()
        connection = self._listener.accept()
        if connection is None:
            return
        if self._connection is not None:
            self._refuse(connection, BUSY)
            return
        try:
            debugger = self._debugger or self._new_debugger()
        except DebuggerBusy as busy:
            self._refuse(connection, f"diorama: {busy}")
            return
        late = self._debugger is None
        self._debugger = debugger
        self._connection = connection
        self._stub = Stub(self._machine, debugger)
        self._stub.log = self._log
        pid = self._find_process()
        if pid is not None:
            self._stub.attach(pid, ran_before=late)
        if self._virtual:
            announce(connection.fileno())
        self._watch(connection)
        if late:
            self._ask()

    def _find_process(self) -> int | None:
        """The program; if it has ended, the first process that has not."""
        groups = self._machine.system.groups
        first = self._program.tgid
        pids = [pid for pid in sorted(groups) if pid != 1 and not groups[pid].zombie]
        return first if first in pids else next(iter(pids), None)

    def _refuse(self, connection: Connection, why: str) -> None:
        """One debugger at a time.  gdb prints the reason, if it is the answer to a packet."""
        self._log(f"gdb: a second debugger was refused ({why.removeprefix('diorama: ')})")
        self._refused.append(connection)

        def spoke(_: int) -> None:
            connection.receive()
            if connection.tokens:
                connection.tokens.clear()
                connection.refuse(why)
            if connection.closed:
                self._dismiss(connection)

        self._poller.serve(connection.fileno(), select.POLLIN, spoke)

    def _dismiss(self, connection: Connection) -> None:
        self._poller.unserve(connection.fileno())
        connection.close()
        self._refused = [other for other in self._refused if other is not connection]

    def _watch(self, connection: Connection) -> None:
        """See the next bytes.  A watch counts as somebody outside who can help: no deadlock."""
        self._poller.watch(connection.fileno(), select.POLLIN, self._queue)

    def _arrived(self, _: int) -> bool:
        """The connection has something, or is gone."""
        connection = self._connection
        if connection is None:
            return True
        connection.receive()
        if not connection.closed:
            self._watch(connection)
        if not self._standing:
            self._look_up()
        return True

    def _look_up(self) -> None:
        """Something came while the guest runs."""
        connection, stub = self._connection, self._stub
        assert connection is not None
        assert stub is not None
        if connection.closed:
            self._leave()
        elif connection.tokens:
            stub.interrupting = INTERRUPT in connection.tokens
            self._ask()

    def _ask(self) -> None:
        """Have the core stop the world for us."""
        assert self._debugger is not None
        self._asked = True
        self._debugger.pause()

    def _leave(self) -> None:
        """gdb is gone: the program goes on as if it had never been there."""
        connection, stub, debugger = self._connection, self._stub, self._debugger
        assert connection is not None
        assert stub is not None
        self._connection = self._stub = self._debugger = None
        self._asked = False
        stub.detach()
        self._poller.forget(connection.fileno())
        connection.close()
        if debugger is not None:
            debugger.close()

    # -- the world stands still ------------------------------------------------------------------

    def _stopped(self, stop: Stop) -> None:
        """``Debugger.on_stop``."""
        stub, connection = self._stub, self._connection
        if stub is None or connection is None:
            return
        if stop.reason == "pause" and not self._asked:
            return
        stub.stop = stop
        stub.selected = None  # as with gdbserver, packets are now about the one that stopped
        reply = reply_to(stub, stop)
        if reply is None:
            stub.stop = None
            return
        self._asked = False
        if stub.going:
            stub.going = False
            stub.reply = reply
            connection.send(reply)
        self._stand(stub, connection)
        while stub.going and connection.tokens and not self._over():
            # ^C came in one breath with the order to go on: nothing has moved yet.
            stub.going = False
            stub.reply = interrupted(stub)
            connection.send(stub.reply)
            self._stand(stub, connection)
        stub.resume()
        if connection.closed:
            self._leave()

    def _stand(self, stub: Stub, connection: Connection) -> None:
        """Answer gdb until it lets the program go on, or has nothing to debug any more."""
        self._standing = True
        try:
            while not stub.going and not self._over():
                if connection.tokens:
                    self._serve(stub, connection, connection.tokens.popleft())
                elif connection.closed:
                    return
                elif stub.attached:
                    self._look(None)
                elif not self._goes_on(stub, connection):
                    return
        finally:
            self._standing = False

    def _goes_on(self, stub: Stub, connection: Connection) -> bool:
        """``run`` and ``attach`` kill first; what they want is the next packet, at once."""
        limit = time.monotonic_ns() + AT_ONCE_NS
        while stub.killed and not connection.tokens and not connection.closed:
            left = limit - time.monotonic_ns()
            if left <= 0:
                break
            self._look(left)
        return bool(connection.tokens)

    def _serve(self, stub: Stub, connection: Connection, token: bytes) -> None:
        """One packet."""
        if not token.startswith(b"$"):
            return  # ^C, and the world stands still already
        reply = answer(stub, token[1:])
        if reply is not None:
            connection.send(reply)
        if not stub.acknowledge and connection.acknowledge:
            connection.stop_acknowledging()

    def _look(self, timeout_ns: int | None) -> None:
        """Wait for the host in the machine's poller, as the loop does when nobody can run."""
        self._poller.wait(timeout_ns)
        for callback in self._machine.on_attention:
            callback()
