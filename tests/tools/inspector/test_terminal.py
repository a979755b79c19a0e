"""The guest's terminal in its pane: whatever a guest writes, the view goes on."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tools.inspector.terminal import MOST_MARKS, Terminal

PARAMETERS = st.lists(st.sampled_from(["", "0", "1", "5", "7", "25", "38", "999", "99999999", "²"]))
SEQUENCES = st.builds(
    "\x1b[{}{}{}{}".format,
    st.sampled_from(["", "?", ">", "!", " "]),
    PARAMETERS.map(";".join),
    st.sampled_from(["", " ", "$", "'"]),
    st.characters(min_codepoint=0x40, max_codepoint=0x7E),
)
WORDS = st.one_of(
    st.binary(max_size=20),
    SEQUENCES.map(str.encode),
    st.text("漢字e\u0301\u200d\n\r\t\x0e", max_size=20).map(str.encode),
)


def screen(*written: bytes) -> Terminal:
    """A pane that nobody sees, and what was written to it."""
    terminal = Terminal("terminal")
    terminal.refresh = lambda *_, **__: terminal  # type: ignore[method-assign]  # no app is there
    for data in written:
        terminal.feed(data)
    return terminal


@given(st.lists(WORDS, max_size=30))
@example([b"\x1b[5K"])
@example([b"\x1b[?2J"])
@example([b"\x1b[1;2'D"])
@example(["漢".encode(), b"\x08 "])
def test_nothing_a_guest_writes_ends_the_view(words: list[bytes]) -> None:
    terminal = screen(*words, b"\x18\x1bc\x1b%Gstill here")
    assert terminal.lines[0].rstrip() == "still here"


@pytest.mark.parametrize("sequence", ["\x1b[5K", "\x1b[7J", "\x1b[1;2'D", "\x1b[²m", "\x1b[?0 H"])
def test_what_follows_a_sequence_that_cannot_be_is_shown(sequence: str) -> None:
    assert screen(f"before{sequence}behind".encode()).lines[0].startswith("before")
    assert "behind" in screen(f"before{sequence}behind".encode()).lines[0]


def test_characters_without_a_place_take_nothing_along() -> None:
    assert screen("a\u200db\u200bc".encode()).lines[0].rstrip() == "abc"


def test_marks_do_not_pile_up() -> None:
    """A megabyte of accents on one letter: each was a copy of all before it."""
    (line, *_) = screen(("e" + "\u0316" * 200_000 + "x").encode()).lines
    assert line.rstrip() == "e" + "\u0316" * MOST_MARKS + "x"
