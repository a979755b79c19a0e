"""The line discipline against what Linux's n_tty.c does (each expectation seen on a real pty)."""

from __future__ import annotations

import pytest

from kernel.abi.ioctls import (
    ECHO,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHOPRT,
    ICANON,
    ICRNL,
    IGNCR,
    INLCR,
    ISIG,
    IUTF8,
    IXANY,
    IXON,
    NOFLSH,
    OCRNL,
    ONLCR,
    OPOST,
    TAB3,
    VEOL,
    VERASE,
    VMIN,
    VTIME,
)
from kernel.abi.signals import SIGINT, SIGQUIT, SIGTSTP
from kernel.views.terminal.line_discipline import LineDiscipline
from kernel.views.terminal.settings import Settings


class Host:
    """Collects what the line discipline sends."""

    def __init__(self) -> None:
        self.screen = b""
        self.signals: list[int] = []
        self.discarded = 0
        self.flows: list[bool] = []

    def send(self, data: bytes) -> None:
        self.screen += data

    def signal_foreground(self, signal: int) -> None:
        self.signals.append(signal)

    def discard_output(self) -> None:
        self.discarded += 1

    def flow(self, stopped: bool) -> None:
        self.flows.append(stopped)


def make(**changes: int) -> tuple[LineDiscipline, Host]:
    settings = Settings()
    for field, value in changes.items():
        setattr(settings, field, value)
    host = Host()
    return LineDiscipline(host, settings), host


def cc(settings: Settings, **changes: int) -> Settings:
    table = bytearray(settings.cc)
    names = {"VEOL": VEOL, "VMIN": VMIN, "VTIME": VTIME, "VERASE": VERASE}
    for name, value in changes.items():
        table[names[name]] = value
    copy = settings.copy()
    copy.cc = bytes(table)
    return copy


def test_a_line_is_readable_only_when_it_ends() -> None:
    line, host = make()
    line.receive(b"ab")
    assert not line.ready()
    line.receive(b"c\r")
    assert line.ready()
    assert line.take(100) == b"abc\n"
    assert host.screen == b"abc\r\n"


def test_a_read_gets_one_line_or_a_part_of_it() -> None:
    line, _ = make()
    line.receive(b"first\nsecond\n")
    assert line.take(3) == b"fir"
    assert line.take(100) == b"st\n"
    assert line.take(100) == b"second\n"
    assert not line.ready()


def test_end_of_file_at_line_start_reads_as_nothing() -> None:
    line, host = make()
    line.receive(b"\x04")
    assert line.ready()
    assert line.take(10) == b""
    assert not line.ready()
    assert host.screen == b""


def test_end_of_file_pushes_a_partial_line() -> None:
    line, _ = make()
    line.receive(b"abc\x04d\n")
    assert line.take(3) == b"abc"
    assert line.take(10) == b"d\n"


def test_end_of_file_mark_stays_if_the_read_was_shorter() -> None:
    line, _ = make()
    line.receive(b"abc\x04")
    assert line.take(2) == b"ab"
    assert line.take(2) == b"c"
    assert not line.ready()


@pytest.mark.parametrize(
    ("keys", "line_read", "screen"),
    [
        (b"ab\x7fc\n", b"ac\n", b"ab\b \bc\r\n"),
        (b"\x7f\x7fx\n", b"x\n", b"x\r\n"),
        (b"one two\x17three\n", b"one three\n", b"one two" + b"\b \b" * 3 + b"three\r\n"),
        (b"a_b--\x17c\n", b"c\n", b"a_b--" + b"\b \b" * 5 + b"c\r\n"),
        (b"gone\x15x\n", b"x\n", b"gone" + b"\b \b" * 4 + b"x\r\n"),
        (b"\x01\x7fx\n", b"x\n", b"^A" + b"\b \b" * 2 + b"x\r\n"),
        (b"ab\t\x7fx\n", b"abx\n", b"ab\t" + b"\b" * 6 + b"x\r\n"),
        (b"a\x16\x03b\n", b"a\x03b\n", b"a^\b^Cb\r\n"),
        (b"ab\x12c\n", b"abc\n", b"ab^R\r\nabc\r\n"),
    ],
)
def test_editing(keys: bytes, line_read: bytes, screen: bytes) -> None:
    line, host = make()
    line.receive(keys)
    assert line.take(100) == line_read
    assert host.screen == screen
    line.queue.check_invariants()


def test_utf8_characters_are_erased_whole() -> None:
    line, host = make(iflag=ICRNL | IXON | IUTF8)
    line.receive("aé\x7fb\n".encode())
    assert line.take(100) == b"ab\n"
    assert host.screen == "aé\b \bb\r\n".encode()


def test_kill_without_echoke_ends_the_line_on_screen() -> None:
    line, host = make(lflag=ICANON | ECHO | ECHOK | ECHOE)
    line.receive(b"ab\x15c\n")
    assert line.take(9) == b"c\n"
    assert host.screen == b"ab\x15\r\nc\r\n"


def test_echoprt_prints_what_is_erased() -> None:
    line, host = make(lflag=ICANON | ECHO | ECHOE | ECHOK | ECHOKE | ECHOPRT)
    line.receive(b"ab\x7f\x7fx\n")
    assert host.screen == b"ab\\ba/x\r\n"


@pytest.mark.parametrize(("key", "signal"), [(3, SIGINT), (28, SIGQUIT), (26, SIGTSTP)])
def test_signal_keys_flush_and_are_echoed(key: int, signal: int) -> None:
    line, host = make()
    line.receive(b"abc" + bytes((key,)) + b"d\n")
    assert host.signals == [signal]
    assert host.discarded == 1
    assert line.take(10) == b"d\n"
    assert host.screen == b"abc^" + bytes((key ^ 0x40,)) + b"d\r\n"


def test_noflsh_keeps_the_input() -> None:
    line, host = make(lflag=ISIG | ICANON | NOFLSH)
    line.receive(b"ab\x03c\n")
    assert host.signals == [SIGINT]
    assert line.take(10) == b"abc\n"


def test_stop_holds_echo_until_start() -> None:
    line, host = make()
    line.receive(b"a\x13b")
    assert line.stopped
    assert host.screen == b"a"
    line.receive(b"\x11")
    assert host.screen == b"ab"
    assert host.flows == [True, False]


def test_ixany_starts_with_any_key() -> None:
    line, host = make(iflag=ICRNL | IXON | IXANY)
    line.receive(b"\x13x")
    assert not line.stopped
    assert host.screen == b"x"


@pytest.mark.parametrize(
    ("iflag", "typed", "got"),
    [
        (0, b"\r", b""),
        (ICRNL, b"\r", b"\n"),
        (IGNCR, b"\r\n", b"\n"),
        (INLCR, b"\n", b""),
    ],
)
def test_carriage_return_rules(iflag: int, typed: bytes, got: bytes) -> None:
    line, _ = make(iflag=iflag)
    line.receive(typed)
    assert (line.take(9) if line.ready() else b"") == got


def test_veol_ends_a_line_too() -> None:
    line, _ = make()
    line.change(cc(line.settings, VEOL=ord(";")))
    line.receive(b"a;b")
    assert line.take(9) == b"a;"


def test_raw_mode_takes_bytes_as_they_are() -> None:
    line, host = make(lflag=0, iflag=0)
    assert line.receive(b"\x03\x04\r\n") == 4
    assert line.ready(4)
    assert line.take(2) == b"\x03\x04"
    assert host.screen == b""


def test_leaving_canonical_mode_makes_the_partial_line_readable() -> None:
    line, _ = make()
    line.receive(b"ab")
    raw = line.settings.copy()
    raw.lflag = 0
    line.change(raw)
    assert line.take(9) == b"ab"


def test_entering_canonical_mode_makes_what_is_there_one_line() -> None:
    line, _ = make(lflag=0, iflag=0)
    line.receive(b"a\nb")
    line.change(Settings())
    assert line.take(9) == b"a\nb"


def test_an_endless_line_keeps_its_end() -> None:
    line, _ = make(lflag=ICANON)
    assert line.receive(b"x" * 5000 + b"\n") == 5001
    taken = line.take(9999)
    assert len(taken) == 4095
    assert taken.endswith(b"x\n")


def test_a_full_raw_queue_takes_no_more() -> None:
    line, _ = make(lflag=0, iflag=0)
    assert line.receive(b"x" * 5000) == 4095
    assert line.room() == 0


def test_poll_wants_min_bytes_unless_there_is_a_time() -> None:
    line, _ = make(lflag=0, iflag=0)
    line.change(cc(line.settings, VMIN=3))
    assert line.poll_minimum() == 3
    line.change(cc(line.settings, VTIME=1))
    assert line.poll_minimum() == 1


@pytest.mark.parametrize(
    ("oflag", "written", "sent"),
    [
        (0, b"a\nb", b"a\nb"),
        (OPOST, b"a\nb", b"a\nb"),
        (OPOST | ONLCR, b"a\nb\n", b"a\r\nb\r\n"),
        (OPOST | OCRNL, b"a\rb", b"a\nb"),
        (OPOST | TAB3, b"ab\tc\n\td", b"ab      c\n" + b" " * 7 + b"d"),
        (OPOST | ONLCR | TAB3, b"ab\tc\r\td", b"ab      c\r        d"),
    ],
)
def test_output_processing(oflag: int, written: bytes, sent: bytes) -> None:
    line, _ = make(oflag=oflag)
    assert line.output.process(written) == sent


def test_settings_round_trip_through_their_wire_forms() -> None:
    settings = Settings()
    assert Settings.unpack(settings.pack()) == settings
    assert Settings.unpack2(settings.pack2()) == settings
    assert settings.merged_short(settings.pack_short()) == settings
