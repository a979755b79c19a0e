"""The console: the guest's terminal whose screen and keyboard are the caller's terminal.

All of 0, 1, 2 that are terminals on the host are this one.  Keys are read as they come while the
terminal is ours, so that Ctrl-C works in a program that reads nothing; otherwise only while a guest
waits for input.  Output goes out at once as long as the host takes it, and waits for POLLOUT else.

Two keys mean something to us as well, whatever the guest has set: Ctrl-\\ three times in a row
leaves, and a Ctrl-Z that stops the whole foreground group where no guest shell would notice
suspends diorama itself.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from kernel.abi.files import makedev
from kernel.abi.signals import SIG_DFL, SIGTSTP, sigbit
from kernel.task.jobs import is_orphaned
from kernel.views.terminal.settings import Settings
from kernel.views.terminal.terminal import Terminal
from kernel.wait import HostPoller, Waiter, WaitQueue

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.views.terminal.host_terminal import HostTerminal

CONSOLE_DEVICE: Final = makedev(5, 1)
LIMIT: Final = 4096
"""Output that may wait for the host before writers have to."""

_INTERRUPT_KEY: Final = b"\x03"  # Ctrl-C
_LEAVE_KEY: Final = 0x1C  # Ctrl-\
_LEAVE_COUNT: Final = 3
_SNAPSHOT_COUNT: Final = 2


def _nothing() -> None:
    """What an unset callback does."""


class Pump:
    """A sleeper that is no task: calls a function each time its queue wakes it."""

    __slots__ = ("action", "armed", "queue")

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self.queue = WaitQueue(name)
        self.action = action
        self.armed = False

    def arm(self, poller: HostPoller, fd: int, events: int) -> None:
        """Call the action once when the host descriptor is ready."""
        if not self.armed:
            self.armed = True
            Waiter(self, (self.queue,))
            poller.watch(fd, events, self.queue)

    def wake_up(self) -> None:
        """The descriptor is ready (kernel.wait.Sleeper)."""
        self.armed = False
        self.action()


class Console(Terminal):
    """Invariants: output in ``outgoing`` waits for an armed ``_writer``; keys are watched for
    (``_reader`` armed) while the terminal is ours, there is room, and it has not hung up.

    ``on_leave``: called for Ctrl-\\ three times, ``on_snapshot`` for two.  ``on_suspend``: stop
    diorama; it returns when the caller has continued us.  ``on_output`` gets what the screen gets.
    ``on_interrupt``: Ctrl-C is for a debugger, not for the guest.  All are set by the machine.
    """

    __slots__ = (
        "_leave_keys",
        "_reader",
        "_writer",
        "host",
        "on_interrupt",
        "on_leave",
        "on_output",
        "on_snapshot",
        "on_suspend",
        "outgoing",
    )

    def __init__(self, kernel: System, host: HostTerminal) -> None:
        super().__init__(kernel, "console", CONSOLE_DEVICE, Settings())
        self.host = host
        self.window = host.window()
        self.outgoing = bytearray()
        self.on_interrupt: Callable[[], None] | None = None
        self.on_leave: Callable[[], None] = _nothing
        self.on_output: Callable[[bytes], None] | None = None
        self.on_snapshot: Callable[[], None] = _nothing
        self.on_suspend: Callable[[], None] = _nothing
        self._leave_keys = 0
        self._reader = Pump("host keyboard", self._keys_ready)
        self._writer = Pump("host screen", self._pump_out)

    # -- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """The guest begins: take the terminal over, if nobody else of the pipeline uses it."""
        if self.host.whole and self.host.in_foreground:
            self._engage()

    def stop(self) -> None:
        """The guest has ended: the last output, then the terminal as it was."""
        self.host.write_all(self.outgoing)
        self.outgoing.clear()
        self.host.close()

    def _engage(self) -> None:
        self.host.engage()
        self._watch_keys()

    def suspend(self) -> None:
        """Give the terminal back, stop, and take it again when we are continued."""
        self.lend(self.on_suspend)

    def lend(self, use: Callable[[], None]) -> None:
        """Let somebody else use the host's terminal as the caller had it, while no guest runs."""
        engaged = self.host.engaged
        self.host.release()
        try:
            use()
        finally:
            if engaged and self.host.in_foreground:
                self._engage()
            self.resized()

    def flush(self) -> None:
        """What the guest has written is on the screen before others write there."""
        self.host.write_all(self.outgoing)
        self.outgoing.clear()

    def continued(self) -> None:
        """Somebody stopped us from outside and we go on (SIGCONT)."""
        self.host.continued()
        self.resized()

    def resized(self) -> None:
        """The host's window has another size (SIGWINCH)."""
        self.resize(self.host.window())

    # -- keys -------------------------------------------------------------------------------------

    def read_begins(self) -> None:
        """A guest waits for keys: from now on the terminal is in use."""
        self._engage()

    def input_taken(self) -> None:
        """There is room again."""
        if self.host.engaged:
            self._watch_keys()

    def _watch_keys(self) -> None:
        fd = self.host.input_fd
        if fd is not None and not self.unplugged and self.discipline.room() > 0:
            self._reader.arm(self.kernel.host_poller, fd, select.POLLIN)

    def _keys_ready(self) -> None:
        data = self.host.read(self.discipline.room())
        if data is None:
            self._watch_keys()
            return
        if not data:
            self.unplugged = True
            self.hang_up()
            return
        self._count_leave_keys(data)
        data = self._without_interrupts(data)
        if data:  # else nobody who sleeps is to look
            self.receive(data)
        self._watch_keys()

    def _without_interrupts(self, data: bytes) -> bytes:
        """Ctrl-C stops the machine where a debugger asked for that."""
        if self.on_interrupt is None or _INTERRUPT_KEY not in data:
            return data
        self.on_interrupt()
        return data.replace(_INTERRUPT_KEY, b"")

    def _count_leave_keys(self, data: bytes) -> None:
        for key in data:
            self._leave_keys = self._leave_keys + 1 if key == _LEAVE_KEY else 0
            if self._leave_keys == _SNAPSHOT_COUNT:
                self.on_snapshot()
            elif self._leave_keys == _LEAVE_COUNT:
                self._leave_keys = 0
                self.on_leave()

    def signal_foreground(self, signal: int) -> None:
        """As every terminal; and Ctrl-Z may be meant for us."""
        unnoticed = signal == SIGTSTP and self._stop_would_go_unnoticed()
        super().signal_foreground(signal)
        if unnoticed:
            self.suspend()

    def _stop_would_go_unnoticed(self) -> bool:
        """Would every process of the foreground group stop, and has it no shell to tell?

        Such a group is orphaned; Linux leaves it running (POSIX: it could never be continued).
        """
        group = self.foreground
        if group is None or not is_orphaned(group):
            return False
        return all(
            task.actions.get(SIGTSTP).handler == SIG_DFL and not task.blocked & sigbit(SIGTSTP)
            for member in group.members.values()
            for task in member.tasks.values()
        )

    # -- screen -----------------------------------------------------------------------------------

    def transmit(self, data: bytes) -> None:
        """Send now what the host takes, keep the rest for later."""
        if self.on_output is not None:
            self.on_output(bytes(data))
        if self.host.host_processes_output:
            data = data.replace(b"\r\n", b"\n")
        self.outgoing += data
        if not self.discipline.stopped and not self._writer.armed:
            self._pump_out()

    def _pump_out(self) -> None:
        if self.discipline.stopped or not self.outgoing:
            return
        try:
            while self.outgoing:
                sent = self.host.write(self.outgoing)
                if not sent:
                    self._writer.arm(self.kernel.host_poller, self.host.write_fd, select.POLLOUT)
                    break
                del self.outgoing[:sent]
        except KernelError:  # the host's terminal has hung up
            self.outgoing.clear()
            self.unplugged = True
            self.hang_up()
        if len(self.outgoing) < LIMIT:
            self.changed.wake()

    def flow(self, stopped: bool) -> None:
        """^Q: what was held goes out."""
        if not stopped:
            self._pump_out()
        super().flow(stopped)

    def write_room(self) -> int:
        """Until LIMIT bytes wait for the host."""
        return 0 if self.discipline.stopped else LIMIT - len(self.outgoing)

    def unsent(self) -> int:
        """What the host did not take yet."""
        return len(self.outgoing)

    def drained(self) -> bool:
        """Has the host taken everything?"""
        return not self.outgoing

    def discard_output(self) -> None:
        """A signal key: what is not on the screen yet never will be."""
        self.outgoing.clear()
        self.changed.wake()
