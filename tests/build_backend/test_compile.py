"""The C part builds wherever Python is, or says in one line why not."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from build_backend import compile as build
from kernel.cpu.library import ENGINE_ABI, engine_path

BACKEND = Path(build.__file__).parent


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither compiler nor zig."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The backend as the installer imports it, from its own directory; setuptools needs nothing."""
    monkeypatch.syspath_prepend(str(BACKEND))
    module = importlib.import_module("backend")
    for name in ("get_requires_for_build_wheel", "get_requires_for_build_editable"):
        monkeypatch.setattr(module.build_meta, name, lambda settings=None: [])
    return module


def test_builds_with_an_empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert build.compiler() == [sys.executable, "-m", "ziglang", "cc"]
    made = build.build(tmp_path / "_engine.so")
    assert ctypes.CDLL(str(made)).engine_abi() == ENGINE_ABI
    assert os.listdir(tmp_path) == ["_engine.so"]


def test_cc_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{sys.executable} -some --flags")
    assert build.compiler() == [sys.executable, "-some", "--flags"]


def test_a_cc_that_does_not_exist_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.compiler()[0] != "no-such-compiler"


@pytest.mark.usefixtures("nothing")
def test_no_compiler_at_all_is_one_line() -> None:
    with pytest.raises(build.BuildError) as caught:
        build.compiler()
    assert "\n" not in str(caught.value)
    assert "ziglang" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "machine", "words"),
    [("win32", "AMD64", "win32"), ("linux", "riscv64", "riscv64"), ("linux", "i686", "i686")],
)
def test_unsupported_host_is_one_line(
    monkeypatch: pytest.MonkeyPatch, host: str, machine: str, words: str
) -> None:
    monkeypatch.setattr(sys, "platform", host)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(build.BuildError) as caught:
        build.check_host()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_zig_is_asked_for_only_without_a_compiler(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", sys.executable)
    assert backend.get_requires_for_build_wheel() == []
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    assert backend.ZIG in backend.get_requires_for_build_wheel()
    assert backend.ZIG in backend.get_requires_for_build_editable()


def test_backend_turns_failures_into_one_line(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as caught:
        backend.get_requires_for_build_wheel()
    assert str(caught.value).startswith("diorama: ")


def test_library_of_this_checkout_is_up_to_date() -> None:
    assert not build.is_stale(engine_path()), "run `python -m build_backend.compile`"
