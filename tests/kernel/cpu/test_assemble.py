"""The committed machine code is what zig makes of the texts today."""

from __future__ import annotations

import importlib.util
import json

import pytest

from tests.kernel.cpu.assemble import TABLE, assemble


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang not installed")
def test_machine_code_is_up_to_date(arch: str) -> None:
    table = json.loads(TABLE.read_text())[arch]
    codes = assemble(arch, list(table))
    assert {text: code.hex() for text, code in zip(table, codes, strict=True)} == table
