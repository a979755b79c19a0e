"""Numbers, thread numbers, signal numbers."""

from __future__ import annotations

import pytest

from kernel.abi.signals import SIGSTKFLT
from tools.gdb import words
from tools.gdb.signals import FROM_GDB, TO_GDB, UNKNOWN, from_gdb, to_gdb
from tools.gdb.words import ALL, ThreadId, thread_id


def test_numbers_are_hexadecimal_and_nothing_else() -> None:
    assert words.number(b"7fff") == 0x7FFF
    for text in (b"", b"-1", b"+1", b"0x10", b" 1", b"1_0", b"g", b"1" * 33, "٣".encode()):
        with pytest.raises(words.Malformed):
            words.number(text)


def test_as_many_numbers_as_wanted() -> None:
    assert words.numbers(b"a,b", 2) == (10, 11)
    with pytest.raises(words.Malformed):
        words.numbers(b"a", 2)


def test_pairs_of_digits() -> None:
    assert words.unhex(b"00ff") == b"\0\xff"
    for text in (b"0", b"xx", b"\xff\xff"):
        with pytest.raises(words.Malformed):
            words.unhex(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b"p2.3", ThreadId(2, 3)),
        (b"p2", ThreadId(2, ALL)),
        (b"p2.-1", ThreadId(2, ALL)),
        (b"p-1.-1", ThreadId(ALL, ALL)),
        (b"3", ThreadId(9, 3)),
        (b"-1", ThreadId(ALL, ALL)),
        (b"0", ThreadId(9, 0)),
    ],
)
def test_thread_numbers(text: bytes, meant: ThreadId) -> None:
    assert thread_id(text, 9) == meant


@pytest.mark.parametrize("text", [b"", b"p", b"p.", b"p2.", b"px.1", b"p1.2.3", b"--1"])
def test_what_is_no_thread_number(text: bytes) -> None:
    with pytest.raises(words.Malformed):
        thread_id(text, 9)


def test_thread_numbers_as_gdb_wants_them() -> None:
    assert words.show_thread(2, 26, True) == b"p2.1a"
    assert words.show_thread(2, 26, False) == b"1a"


def test_signals_have_gdbs_numbers() -> None:
    """A few from include/gdb/signals.def: USR1 is 30, CHLD 20, BUS 10; then SIG32, 33, 64."""
    assert [to_gdb(n) for n in (5, 10, 17, 7, 32, 33, 64)] == [5, 30, 20, 10, 77, 45, 78]
    assert [from_gdb(n) for n in (5, 30, 20, 10, 77, 45, 78)] == [5, 10, 17, 7, 32, 33, 64]


def test_every_signal_of_linux_but_one_has_a_number_of_its_own() -> None:
    assert set(TO_GDB) == set(range(1, 65)) - {SIGSTKFLT}
    assert len(FROM_GDB) == len(TO_GDB)
    assert to_gdb(SIGSTKFLT) == UNKNOWN
    assert from_gdb(UNKNOWN) == 0
