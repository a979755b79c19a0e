"""Every error says why, and its words fit its facts.

The sources are read: a raise that no test reaches must not be the one whose words cannot be put
together when somebody traces a program.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.abi.errors import BY_NAME, ENOENT, EPIPE, ERESTART_RESTARTBLOCK, KernelError

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("kernel", "syscalls", "loader")
PLACE = re.compile(r"%(?:%|[#0+]*\d*(?:\.\d+)?[a-z])")

BARE = {"loader/formats.py load": "no script: what the other formats said is the reason"}
"""``file function`` -> why its errors need no words."""

ELSEWHERE = {
    "kernel/fs/hosterrors.py from_host": "the host's own words",
    "kernel/net/host_socket.py _error": "the host's own words, with the guest's SIGPIPE",
    "kernel/net/socketfile.py broken_pipe": "the caller's words",
    "kernel/task/execve.py _ask_formats": "what the binary formats said",
    "kernel/task/wait.py _search": "made by _nobody",
    "kernel/task/sysv/sem.py operate": "made by _refused",
    "kernel/task/sysv/sem.py _operate_later": "made by _refused",
    "kernel/views/terminal/requests.py _set_group": "another error's words under another name",
    "syscalls/sched_attr.py sched_setattr": "another error's words under another name",
}
"""Raises whose words stand elsewhere, and where."""


class Site:
    """One place where an error is made: the call, the function around it, the module's words."""

    def __init__(self, file: str, function: str, node: ast.Call, words: dict[str, str]) -> None:
        self.place = f"{file}:{node.lineno}"
        self.key = f"{file} {function}"
        self.node = node
        self.words = words

    @property
    def text(self) -> str | None:
        """Its words, if they are to be read here: a literal, or a constant of the module."""
        arguments = self.node.args
        if self.name == "ERESTART_RESTARTBLOCK":
            arguments = arguments[1:]
        if not arguments:
            return ""
        first = arguments[0]
        if isinstance(first, ast.IfExp):
            first = first.body
        if isinstance(first, ast.Name):
            return self.words.get(first.id)
        value = first.value if isinstance(first, ast.Constant) else None
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str:
        function = self.node.func
        return function.id if isinstance(function, ast.Name) else ""

    @property
    def facts(self) -> int:
        return len(self.node.args) - (2 if self.name == "ERESTART_RESTARTBLOCK" else 1)


def _words(tree: ast.Module) -> dict[str, str]:
    """The module's constants that are text."""
    found = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = str(value.value)
    return found


def sites() -> Iterator[Site]:
    """Every error that is made, and every class that is raised through a variable."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_bytes(), file)
            words = _words(tree)
            inside: dict[ast.AST, str] = {}
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef):
                    inside |= dict.fromkeys(ast.walk(function), function.name)
            for node in ast.walk(tree):
                made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                if made and node.func.id in BY_NAME:  # type: ignore[attr-defined]
                    yield Site(file, inside.get(node, ""), node, words)  # type: ignore[arg-type]
                raised = node.exc if isinstance(node, ast.Raise) else None
                if isinstance(raised, ast.Name) and raised.id in BY_NAME:
                    bare = ast.copy_location(ast.Call(raised, [], []), raised)
                    yield Site(file, inside.get(node, ""), bare, words)
                if (
                    isinstance(raised, ast.Call)
                    and isinstance(raised.func, ast.Name)
                    and raised.func.id in ("kind", "error")
                ):
                    yield Site(file, inside.get(node, ""), raised, words)


def test_every_error_says_why() -> None:
    silent = [s.place for s in sites() if s.text == "" and s.key not in BARE]
    assert silent == []


def test_words_that_stand_elsewhere_are_known() -> None:
    found = {site.key for site in sites() if site.text is None}
    assert found - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) - found == set(), "listed and not there any more"


def test_the_words_have_a_place_for_every_fact() -> None:
    wrong = []
    for site in sites():
        starred = any(isinstance(argument, ast.Starred) for argument in site.node.args)
        if site.text is None or starred or site.key in BARE:
            continue
        places = [p for p in PLACE.findall(site.text) if p != "%%"]
        if len(places) != site.facts or (not site.facts and "%" in site.text):
            wrong.append(f"{site.place}: {site.text!r} with {site.facts} facts")
    assert wrong == []


def test_facts_are_given_apart() -> None:
    """An f-string is put together although nobody asks; facts are not."""
    formatted = [
        site.place
        for site in sites()
        for argument in site.node.args[:1]
        if isinstance(argument, ast.JoinedStr)
    ]
    assert formatted == []


def test_a_reason_is_put_together_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # else every reason is read at once, see conftest

    class Fact:
        asked = 0

        def __str__(self) -> str:
            Fact.asked += 1
            return "7"

    error = ENOENT("there is no %s among %d", Fact(), 3)
    assert Fact.asked == 0
    assert error.reason == str(error) == "there is no 7 among 3"
    assert Fact.asked == 2


def test_names_are_shown_as_text() -> None:
    assert ENOENT("there is no '%s'", b"caf\xc3\xa9\xff").reason == "there is no 'café\\xff'"


@pytest.mark.parametrize(
    "error",
    [ENOENT("100% sure"), EPIPE("100% sure", signal=13)],
)
def test_words_without_facts_are_no_format(error: KernelError) -> None:
    assert error.reason == "100% sure"


def test_a_restart_block_has_words_too() -> None:
    error = ERESTART_RESTARTBLOCK(("poll", (1, 2), None), "nothing is ready")
    assert (error.block[0], error.reason) == ("poll", "nothing is ready")
