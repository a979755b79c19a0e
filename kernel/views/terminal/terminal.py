"""The terminal: a line discipline, a screen to send to, a session that it controls.

Everything here is common to the console and to pseudoterminal slaves; these subclass ``Terminal``
and say where output goes (``transmit``) and where more input may come from (``input_taken``).

Linux analogue: ``struct tty_struct``.  See tty(4), credentials(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signals import SIGWINCH
from kernel.task import jobs
from kernel.views.terminal.line_discipline import LineDiscipline
from kernel.views.terminal.settings import Settings, WindowSize
from kernel.wait import WaitQueue

if TYPE_CHECKING:
    from kernel.task.session import ProcessGroup, Session
    from kernel.task.system import System


class Terminal:
    """One terminal.

    ``session`` and ``foreground`` are changed by kernel.task.jobs only.  ``changed`` is woken when
    a reader, a writer or a poller may see something new.  ``generation`` counts hang-ups: a file
    opened before the last one is dead.  ``users`` counts open files.  ``unplugged``: the other
    side is gone for good (a closed pseudoterminal master, a host terminal that hung up).
    """

    __slots__ = (
        "changed", "device", "discipline", "exclusive", "foreground", "generation", "kernel",
        "name", "session", "unplugged", "users", "window",
    )  # fmt: skip

    def __init__(self, kernel: System, name: str, device: int, settings: Settings) -> None:
        self.kernel = kernel
        self.name = name
        self.device = device
        self.discipline = LineDiscipline(self, settings)
        self.session: Session | None = None
        self.foreground: ProcessGroup | None = None
        self.window = WindowSize()
        self.changed = WaitQueue(f"terminal {name}")
        self.generation = 0
        self.users = 0
        self.exclusive = False
        self.unplugged = False

    @property
    def settings(self) -> Settings:
        """The settings in force (a value: change them with ``change_settings``)."""
        return self.discipline.settings

    # -- where a subclass differs -----------------------------------------------------------------

    def transmit(self, data: bytes) -> None:
        """Take processed output; there is always room for what ``write_room`` promised."""
        raise NotImplementedError

    def write_room(self) -> int:
        """How many bytes a writer may send before it has to wait; 0 while stopped or full."""
        raise NotImplementedError

    def unsent(self) -> int:
        """Output that is on its way (TIOCOUTQ)."""
        return 0

    def discard_output(self) -> None:
        """Throw away output that was not sent yet (TCOFLUSH, a signal key)."""

    def read_begins(self) -> None:
        """Somebody waits for input."""

    def drained(self) -> bool:
        """Has all output gone out (tcdrain(3))?  Where the other side is a program: always."""
        return True

    def input_taken(self) -> None:
        """A reader made room in the input queue."""

    def opened(self) -> None:
        """A file on this terminal was opened."""
        self.users += 1

    def closed(self) -> None:
        """A file on this terminal was closed."""
        self.users -= 1
        if not self.users:
            self.exclusive = False

    # -- what the line discipline asks for (LineHost) ---------------------------------------------

    def send(self, data: bytes) -> None:
        """Echo."""
        self.transmit(data)

    def flow(self, stopped: bool) -> None:
        """Output was stopped or started: writers look again."""
        self.changed.wake()

    def signal_foreground(self, signal: int) -> None:
        """A key or a window change becomes a signal for the foreground group."""
        if self.foreground is not None:
            jobs.signal_group(self.foreground, signal)

    # -- events -----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> int:
        """Keys arrive; returns how many found room."""
        taken = self.discipline.receive(data)
        self.changed.wake()
        return taken

    def change_settings(self, settings: Settings) -> None:
        """Install new settings; readers and writers look again."""
        self.discipline.change(settings)
        self.changed.wake()

    def resize(self, window: WindowSize) -> None:
        """A new window size; the foreground group hears of it if it is another one."""
        if window == self.window:
            return
        self.window = window
        self.signal_foreground(SIGWINCH)

    def hang_up(self) -> None:
        """The line is gone: open files die, the session loses its terminal (vhangup(2))."""
        self.generation += 1
        self.discipline.flush_input()
        if self.session is not None:
            jobs.hang_up(self)
        self.changed.wake()

    def describe(self) -> dict[str, object]:
        """Plain data for the inspector."""
        return {
            "name": self.name,
            "session": self.session.sid if self.session else 0,
            "foreground": self.foreground.pgid if self.foreground else 0,
            "window": (self.window.rows, self.window.columns),
            "canonical": self.discipline.canonical,
            "queued": len(self.discipline.queue),
            "stopped": self.discipline.stopped,
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
