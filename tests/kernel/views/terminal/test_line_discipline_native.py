"""The line discipline against the host's own: the same keys, the same settings, the same screen."""

from __future__ import annotations

import os
import select
import sys
import termios

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
            ready, _, _ = select.select([self.master], [], [], 2)
            assert ready, f"the host shows {screen!r}, no {last!r}"
            screen += os.read(self.master, 65536)
        return screen

    def lines(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(os.read(self.slave, 4096))
            except BlockingIOError:
                return found

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
def test_line_discipline_is_the_hosts(keys: bytes, iflag: int, oflag: int, lflag: int) -> None:
    wanted = Settings(iflag=iflag, oflag=oflag | OPOST, lflag=lflag | ECHO | NOFLSH)
    typed = keys + END
    screen, lines = ours(typed, wanted)
    pair = Pair()
    try:
        pair.configure(wanted)
        assert pair.type(typed, screen[-6:]) == screen
        assert pair.lines() == lines
    finally:
        pair.close()
