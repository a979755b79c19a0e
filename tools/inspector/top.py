"""``diorama top``: start a machine or attach to one, show it, give its status back."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tools.errors import DioramaError
from tools.inspector.app import InspectorApp
from tools.inspector.departure import stand_by
from tools.inspector.guest import Guest
from tools.inspector.link import LinkError, greet
from tools.inspector.place import connect, find


def top(words: Sequence[str], *, paused: bool = False) -> int:
    """Run ``diorama run WORDS`` inside the view; returns its exit status."""
    _need_terminal()
    columns, rows = shutil.get_terminal_size()
    guest = Guest(words, rows // 2, columns)
    try:
        connection = guest.connect()
        if connection is None:
            os.write(2, guest.said.replace(b"\r\n", b"\n"))
            return guest.end()
        return _show(connection, guest, paused=paused)
    finally:
        guest.end()


def attach(wanted: str) -> int:
    """Look at a machine that runs already; it goes on when we leave."""
    _need_terminal()
    return _show(connect(find(wanted)), None)


def _show(connection: socket.socket, guest: Guest | None, *, paused: bool = False) -> int:
    with connection:
        try:
            hello = greet(connection)
        except LinkError as error:
            raise DioramaError(f"inspector: {error}") from None
        stand_by()
        app = InspectorApp(connection, hello, guest, paused=paused)
        with _terminal_kept():
            status = app.run()
    return app.return_code or 0 if status is None else status


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Its settings are what they were.

    After a SIGCONT Textual takes the settings that it finds for those to leave behind, and after a
    SIGSTOP, which nobody notices, these are its own.
    """
    before = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        yield
    finally:
        if before is not None:
            with suppress(termios.error):  # the terminal may be no more
                termios.tcsetattr(0, termios.TCSADRAIN, before)


def _need_terminal() -> None:
    """A screen needs a terminal; in a browser there is none, and Textual's driver knows."""
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise DioramaError("top: needs a terminal (or --web PORT)")
