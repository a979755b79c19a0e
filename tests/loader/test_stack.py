"""The picture on a new program's stack, read back the way a C library does."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.stack import StackImage, stack_image

TOP = 0x7FFFFFFFF000
AUXV = [(6, 4096), (26, 2)]
STRING = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"x"))


def image(argv: list[bytes], envp: list[bytes], execfn: bytes = b"/bin/p") -> StackImage:
    return stack_image(TOP, argv, envp, execfn, b"x86_64", bytes(range(16)), AUXV)


def word(stack: StackImage, address: int) -> int:
    return int(struct.unpack_from("<Q", stack.data, address - stack.sp)[0])


def string(stack: StackImage, address: int) -> bytes:
    start = address - stack.sp
    return stack.data[start : stack.data.index(b"\0", start)]


@given(st.lists(STRING, min_size=1, max_size=6), st.lists(STRING, max_size=6), STRING)
def test_read_back(argv: list[bytes], envp: list[bytes], execfn: bytes) -> None:
    stack = image(argv, envp, execfn)
    assert stack.sp % 16 == 0
    assert stack.sp + len(stack.data) == TOP
    assert word(stack, stack.sp) == len(argv)
    at = stack.sp + 8
    for argument in argv:
        assert string(stack, word(stack, at)) == argument
        at += 8
    assert word(stack, at) == 0
    at += 8
    for variable in envp:
        assert string(stack, word(stack, at)) == variable
        at += 8
    assert word(stack, at) == 0
    at += 8
    vector = {}
    while word(stack, at):
        vector[word(stack, at)] = word(stack, at + 8)
        at += 16
    assert vector[6] == 4096
    assert string(stack, vector[31]) == execfn
    assert string(stack, vector[15]) == b"x86_64"
    assert stack.data[vector[25] - stack.sp :][:16] == bytes(range(16))
    assert stack.data.endswith(bytes(8))


def test_the_fields_of_proc_stat() -> None:
    stack = image([b"prog", b"x"], [b"A=1"])
    start = stack.arg_start - stack.sp
    assert stack.data[start : stack.arg_end - stack.sp] == b"prog\0x\0"
    assert stack.data[stack.env_start - stack.sp : stack.env_end - stack.sp] == b"A=1\0"


@pytest.mark.parametrize("count", range(4))
def test_the_stack_pointer_is_aligned_for_any_number_of_words(count: int) -> None:
    assert image([b"p"] * (count + 1), []).sp % 16 == 0


def test_an_empty_argv_becomes_one_empty_argument() -> None:
    stack = image([], [])
    assert word(stack, stack.sp) == 1
    assert string(stack, word(stack, stack.sp + 8)) == b""
