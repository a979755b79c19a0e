"""What a trace shows, read back into Python values."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tools.library.values import Number, Struct, parse, strings
from tools.tracer.text import quote


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NULL", None),
        ("3", 3),
        ("-1", -1),
        ("0x7ffe", 0x7FFE),
        ("0644", 0o644),
        ('"a\\nb"', b"a\nb"),
        ('"cut"...', b"cut"),
        ('"\\x61\\1"', b"a\1"),
        ("[3, 4]", [3, 4]),
        ("[]", []),
        ("[1, ...]", [1, ...]),
        ("O_RDONLY|O_CLOEXEC", "O_RDONLY|O_CLOEXEC"),
        ("{st_mode=S_IFREG|0644, st_size=3}", {"st_mode": "S_IFREG|0644", "st_size": 3}),
        ("{st_size=3, ...}", {"st_size": 3}),
        ("{tv_sec=1, tv_nsec=0} /* 1970-01-01 */", {"tv_sec": 1, "tv_nsec": 0}),
        (
            '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}',
            {"sa_family": "AF_INET", "sin_port": 80, "sin_addr": b"127.0.0.1"},
        ),
        (
            '[{iov_base="ab", iov_len=2}, {iov_base=NULL, iov_len=0}]',
            [{"iov_base": b"ab", "iov_len": 2}, {"iov_base": None, "iov_len": 0}],
        ),
        (
            '{sin6_port=htons(7), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
            {"sin6_port": 7, "sin6_addr": b"::1", "sin6_scope_id": 0},
        ),
        ("{st_rdev=makedev(0x1, 0x3)}", {"st_rdev": "makedev(1, 3)"}),
        ("[{fd=3, events=POLLIN}]", [{"fd": 3, "events": "POLLIN"}]),
        ("~[KILL STOP]", "~[KILL STOP]"),
    ],
)
def test_texts_become_values(text: str, value: object) -> None:
    assert parse(text) == value


@given(st.binary(max_size=64), st.booleans())
def test_every_quoted_string_comes_back(data: bytes, hexadecimal: bool) -> None:
    assert parse(quote(data, force_hex=hexadecimal)) == data


@example('"\\')
@example('"\\xzz"')
@example("{a={b=[")
@given(st.text(alphabet='{}[]()=,"\\ a0x1~|./*', max_size=40))
def test_nothing_makes_it_fail(text: str) -> None:
    """What is not understood stays text."""
    parse(text)


def test_names_are_text_and_buffers_bytes() -> None:
    found = strings(parse('{path="/tmp/\\377", names=["a", "b"], n=3}'))
    assert found == {"path": "/tmp/\udcff", "names": ["a", "b"], "n": 3}
    assert isinstance(found, Struct)
    assert found.n == 3
    assert repr(found).startswith("{path=")
    with pytest.raises(AttributeError, match="no member 'm'; there are path, names, n"):
        found.m  # noqa: B018  # the access is what fails


def test_numbers_know_their_names() -> None:
    flags = Number(0o2000100, "O_RDONLY|O_CREAT|O_CLOEXEC")
    assert flags & 0o100
    assert "O_CREAT" in flags
    assert "O_EXCL" not in flags
    assert str(flags) == repr(flags) == "O_RDONLY|O_CREAT|O_CLOEXEC"
    assert flags + 1 == 0o2000101
