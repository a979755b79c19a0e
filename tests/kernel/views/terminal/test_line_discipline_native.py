"""The line discipline against the host's own: the same keys, the same settings, the same screen."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from array import array

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.abi.ioctls import (
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHONL,
    ECHOPRT,
    ICANON,
    ICRNL,
    IEXTEN,
    IGNCR,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IUTF8,
    IXON,
    NOFLSH,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    PARMRK,
    TAB3,
)
from kernel.views.terminal.line_discipline import LineDiscipline
from kernel.views.terminal.settings import Settings

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(sys.platform != "linux", reason="the oracle is Linux's own terminal"),
]

KEYS = st.lists(
    st.sampled_from(
        [b"a", b"Bc", b" ", b"_", b"-", b"\t", b"\r", b"\n", b"\x7f", b"\x7f\x7f", b"\x15", b"\x17",
         b"\x04", b"\x16", b"\x16\x03", b"\x12", b"\x01", b"\x1b", b"\xc3\xa9", b"\xe2\x82\xac",
         b"\xff", b"\x03", b"\x00"]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip
SECONDS = 60.0  # for what is there at once unless the host is busy
END = b"\n\x0f.Z.\n"  # a newline ends what is open; the last line is easy to recognize
IFLAGS = (ICRNL, INLCR, IGNCR, ISTRIP, IUCLC, IUTF8, IXON, PARMRK)
OFLAGS = (ONLCR, OCRNL, ONOCR, ONLRET, OLCUC, TAB3)
LFLAGS = (ICANON, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOCTL, ECHOPRT, IEXTEN, ISIG)


def subset(flags: tuple[int, ...]) -> st.SearchStrategy[int]:
    return st.lists(st.sampled_from(flags), unique=True).map(sum)


class Pair:
    """A pseudoterminal of the host."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.slave, False)

    def configure(self, wanted: Settings) -> None:
        found = termios.tcgetattr(self.slave)
        found[0], found[1], found[3] = wanted.iflag, wanted.oflag, wanted.lflag
        termios.tcsetattr(self.slave, termios.TCSANOW, found)
        termios.tcflush(self.slave, termios.TCIOFLUSH)

    def type(self, keys: bytes, last: bytes) -> bytes:
        """What the screen shows, up to ``last``."""
        os.write(self.master, keys)
        screen = b""
        while not screen.endswith(last):
            ready, _, _ = select.select([self.master], [], [], SECONDS)
            assert ready, f"the host shows {screen!r}, no {last!r}"
            screen += os.read(self.master, 65536)
        return screen

    def lines(self, wanted: int) -> list[bytes]:
        """What can be read, when that many bytes can: the host echoes before it queues."""
        limit = time.monotonic() + SECONDS
        while self._queued() < wanted and time.monotonic() < limit:
            time.sleep(0.001)
        found = []
        while True:
            try:
                found.append(os.read(self.slave, 4096))
            except BlockingIOError:
                return found

    def _queued(self) -> int:
        count = array("i", [0])
        fcntl.ioctl(self.slave, termios.FIONREAD, count)
        return count[0]

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


class Screen:
    """The other side of our own line discipline."""

    def __init__(self) -> None:
        self.shown = b""

    def send(self, data: bytes) -> None:
        self.shown += data

    def signal_foreground(self, signal: int) -> None:
        """Nobody is there."""

    def discard_output(self) -> None:
        """Nothing waits."""

    def flow(self, stopped: bool) -> None:
        """Nobody waits."""


def ours(keys: bytes, wanted: Settings) -> tuple[bytes, list[bytes]]:
    screen = Screen()
    line = LineDiscipline(screen, wanted)
    assert line.receive(keys) == len(keys)
    lines = []
    while line.ready():
        lines.append(line.take(4096))
        line.queue.check_invariants()
    return screen.shown, lines


@settings(max_examples=100, deadline=None)
@given(KEYS, subset(IFLAGS), subset(OFLAGS), subset(LFLAGS))
@example(b"a\x15\t", 0, TAB3 | ONLCR | OCRNL, ICANON | ECHOK | ECHOCTL)  # a tab behind a new line
@example("é\x7f\t".encode(), IUTF8, TAB3, ICANON | ECHOE | ECHOPRT)  # columns step back
def test_line_discipline_is_the_hosts(keys: bytes, iflag: int, oflag: int, lflag: int) -> None:
    wanted = Settings(iflag=iflag, oflag=oflag | OPOST, lflag=lflag | ECHO | NOFLSH)
    typed = keys + END
    screen, lines = ours(typed, wanted)
    pair = Pair()
    try:
        pair.configure(wanted)
        assert pair.type(typed, screen[-6:]) == screen
        assert pair.lines(sum(map(len, lines))) == lines
    finally:
        pair.close()
