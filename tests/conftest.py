"""Fixtures and end-of-run reports that all tests share."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kernel.abi.errors import KernelError
from tests.support import oracles

ARCHES = ("x86_64", "aarch64")

# How long an example takes depends on what else the host does.  The examples are the same in every
# run, so that none fails by luck; `make stress` draws new ones.
settings.register_profile(
    "diorama",
    deadline=None,
    derandomize=os.environ.get("DIORAMA_STRESS") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("diorama")

# Whoever started us (nohup, a background job) may ignore these, and programs inherit that: outside
# they would then do something else than inside.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
    signal.signal(_number, signal.SIG_DFL if _number != signal.SIGPIPE else signal.SIG_IGN)
if sys.platform == "linux":  # make ignores the two that the C library keeps for itself
    _rt_sigaction = {"x86_64": 13, "aarch64": 134}[platform.machine()]
    for _kept in (32, 33):
        ctypes.CDLL(None).syscall(_rt_sigaction, _kept, bytes(32), None, 8)


@pytest.fixture(params=ARCHES)
def arch(request: pytest.FixtureRequest) -> str:
    """Each of the two CPUs: every test that names it runs twice."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never fetch: `make fetch` did, or the test says what is missing."""
    monkeypatch.setenv("DIORAMA_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _same_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever starts the tests has a terminal, a language and habits; the tests have their own."""
    # PWD: a shell that has it asks where it is, and not every oracle's wrapper hands it on.
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LANGUAGE", "MPLBACKEND", "PWD")
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(("LC_", "TEXTUAL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / name))


@pytest.fixture(autouse=True)
def _reasons_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever error a test meets, its words and facts must fit: elsewhere few are ever read."""
    make = KernelError.__init__

    def make_and_read(error: KernelError, words: str = "", *facts: object, signal: int = 0) -> None:
        make(error, words, *facts, signal=signal)
        str(error)

    monkeypatch.setattr(KernelError, "__init__", make_and_read)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh directory that is also the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that counts with ``scaled`` belongs to `make stress`."""
    for item in items:
        function = getattr(item, "function", None)
        # Under hypothesis the function that was written is inside the one that is collected.
        inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
        if "scaled" in getattr(getattr(inner, "__code__", None), "co_names", ()):
            item.add_marker(pytest.mark.stress)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test whose oracle could not run, and every other skip, with its reason."""
    unanswered: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        (unanswered if reason.startswith(oracles.PREFIX) else others).append(
            (report.nodeid, reason)
        )
    if unanswered:
        terminalreporter.section("oracles that could not run")
        for nodeid, reason in unanswered:
            terminalreporter.line(f"{nodeid}: {reason.removeprefix(oracles.PREFIX)}")
    if others:
        terminalreporter.section("skipped")
        for nodeid, reason in others:
            terminalreporter.line(f"{nodeid}: {reason}")
