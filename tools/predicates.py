"""Predicates: Python expressions over the decoded arguments of a system call, or over registers.

``path.startswith("/etc")``, ``fd == 1 and count > 100``, ``flags & O_CREAT``.  The names are those
of the call's declaration, which are the manual page's; ``path`` stands for the call's first path
whatever it is called there.  Flags and other numbers with names know them: ``"O_CREAT" in flags``.
Pointers to what the program hands to the kernel are followed: a path or a string is a ``str``, a
buffer ``bytes``, a list of strings a list, a structure a dictionary (``t["tv_sec"] > 1``).  What
only the kernel writes stays an address.

Besides there are ``task``, ``pid``, ``tid``, ``comm``, ``name`` (of the call), ``args`` (all
arguments as numbers), Linux's constants, and everything Python has built in.  Only the names that
occur in an expression are decoded.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from kernel import abi
from kernel.abi.errors import BY_NAME
from tools.library.values import Number, parse, strings
from tools.tracer.shows import show_for
from tools.tracer.view import Call, Detail

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.declare import Declaration

STRING_LIMIT: Final = 4096
BUFFER_LIMIT: Final = 1 << 20
LIST_LIMIT: Final = 1024
TASK_NAMES: Final = ("task", "pid", "tid", "comm")
CALL_NAMES: Final = ("name", "args")
ASSIGNS: Final = re.compile(r"[\w\]\)]\s*=(?!=)")
"""A name or an item before a single ``=``."""


class PredicateError(ValueError):
    """An expression that cannot be compiled, or names something that is not there."""


class Predicate:
    """A compiled expression.  ``names``: what of the call and the task it uses."""

    def __init__(self, text: str, known: Collection[str]) -> None:
        """PredicateError: no expression, or a name that is neither known nor Python's."""
        self.text = text.strip()
        self._code, self.names = compile_expression(self.text, known)

    def __call__(self, value: Callable[[str], Any]) -> bool:
        """Is it true?  ``value`` gives the value of a name; what it raises goes on."""
        return bool(evaluate(self._code, {name: value(name) for name in self.names}))

    def __str__(self) -> str:
        return self.text


def compile_expression(text: str, known: Collection[str]) -> tuple[CodeType, frozenset[str]]:
    """The code and which of the known names occur in it; constants of Linux are found, too."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        code = compile(tree, "<expression>", "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        if ASSIGNS.search(text):
            why += "; == compares"
        raise PredicateError(f"{text.strip()!r} is no expression: {why}") from None
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    free = used - bound
    unknown = sorted(free - set(known) - set(dir(builtins)) - set(constants()))
    if unknown:
        few = ", ".join(sorted(known)[:12])
        raise PredicateError(f"{unknown[0]!r} is unknown here (known: {few})")
    return code, frozenset(free & set(known))


def evaluate(code: CodeType, values: Mapping[str, Any]) -> Any:
    """The value of an expression."""
    # One dict for globals and locals: comprehensions and lambdas look into the globals only.
    try:
        return eval(code, {**constants(), **values})
    except SystemExit as error:
        if type(error) is SystemExit:  # exit() ends no session; what a signal raises goes on
            raise PredicateError("an expression cannot exit (quit does)") from None
        raise


@cache
def constants() -> Mapping[str, int]:
    """Linux's constants by name: O_CREAT, AF_UNIX, SIGTERM, MAP_SHARED..."""
    found: dict[str, int] = {name: error.errno for name, error in BY_NAME.items()}
    for module in iter_modules(abi.__path__):
        items = vars(import_module(f"{abi.__name__}.{module.name}")).items()
        found |= {k: v for k, v in items if k.isupper() and isinstance(v, int)}
    return found


class CallValues:
    """The values of one call, decoded when they are asked for."""

    def __init__(
        self, task: Task, name: str, declaration: Declaration | None, values: tuple[int, ...]
    ) -> None:
        detail = Detail(string_limit=STRING_LIMIT, verbose=True)
        self.call = Call(task, name, declaration, values, detail)

    def __call__(self, name: str) -> Any:
        """The value of a name.  KeyError: the call has no such argument."""
        if name in TASK_NAMES:
            return task_value(self.call.task, name)
        if name in CALL_NAMES:
            return self.call.name if name == "name" else self.call.values
        index = parameter_names(self.call.declaration)[name]
        return self._argument(index)

    def _argument(self, index: int) -> Any:
        call = self.call
        assert call.declaration is not None
        kind, value = call.declaration.parameters[index].kind, call.values[index]
        if not kind.is_pointer and kind.show not in ("dec", "hidden", "addr"):
            return Number(value, show_for(kind.show).text(call, index) or str(value))
        if not kind.is_pointer or not value or kind.out:
            return value
        if kind.show in ("*path", "*string"):
            found = call.read_string(value, STRING_LIMIT)
            return value if found is None else os.fsdecode(found[0])
        if kind.show == "*bytes":
            data = call.read(value, min(call.value(index + 1), BUFFER_LIMIT))
            return value if data is None else data
        if kind.show in ("*strings", "*environ"):
            return _strings(call, value)
        text = show_for(kind.show).shown(kind, call, index)
        return value if text is None else strings(parse(text))


def _strings(call: Call, address: int) -> list[str]:
    """An array of pointers to strings that ends with NULL."""
    found: list[str] = []
    while len(found) < LIST_LIMIT:
        word = call.read(address + 8 * len(found), 8)
        pointer = int.from_bytes(word or b"", "little")
        text = call.read_string(pointer, STRING_LIMIT) if pointer else None
        if text is None:
            break
        found.append(os.fsdecode(text[0]))
    return found


def parameter_names(declaration: Declaration | None) -> dict[str, int]:
    """Names to indexes; ``path`` is the first path where no argument has that name."""
    if declaration is None:
        return {}
    found = {parameter.name: i for i, parameter in enumerate(declaration.parameters)}
    paths = [i for i, p in enumerate(declaration.parameters) if p.kind.show == "*path"]
    if paths:
        found.setdefault("path", paths[0])
    return found


def call_names(declaration: Declaration | None) -> frozenset[str]:
    """Every name that a predicate on this call may use."""
    return frozenset((*parameter_names(declaration), *TASK_NAMES, *CALL_NAMES))


def task_value(task: Task, name: str) -> Any:
    """``task``, ``pid``, ``tid`` or ``comm``."""
    if name == "task":
        return task
    if name == "comm":
        return os.fsdecode(task.comm)
    return task.tgid if name == "pid" else task.tid


class RegisterValues:
    """The values of a predicate at an address: registers by name, and the task."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, name: str) -> Any:
        """The value of a name."""
        if name in TASK_NAMES:
            return task_value(self.task, name)
        registers = self.task.kernel.cpu.registers(self.task.context)
        if name in ("pc", "sp"):
            return registers.pc if name == "pc" else registers.sp
        return registers.get(name)


def register_names(task: Task) -> frozenset[str]:
    """Every name that a predicate at an address may use."""
    return frozenset((*task.kernel.arch.register_names, "pc", "sp", *TASK_NAMES))
