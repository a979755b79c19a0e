"""What users type behind a command: addresses, numbers, bytes, tasks."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from kernel.abi.errors import BY_NAME
from tools.console.command import CommandError
from tools.predicates import PredicateError, RegisterValues, compile_expression, evaluate
from tools.tracer.meant import like

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.console.console import DebugConsole

MASK64 = (1 << 64) - 1
REGISTER = re.compile(r"\$(\w+)")
HEX_PAIRS = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2}\s*)+)")


def address(console: DebugConsole, text: str) -> int:
    """``0x401000``, ``main``, ``main+16``, ``$sp-8``, ``$pc``.  CommandError else."""
    task = console.task
    registers = _registers(task, text)
    spelled = REGISTER.sub(lambda match: str(registers[match[1]]), text)
    typed = re.findall(r"[A-Za-z_][\w.@$]*", re.sub(r"0[xX][0-9a-fA-F]+", "", spelled))
    names = {
        name: found for name in typed if (found := console.symbols.address(task, name)) is not None
    }
    try:
        return number(spelled, names, "address") & MASK64
    except CommandError as error:
        raise CommandError(f"{error}{_unknown(console, typed, names)}") from None


def _unknown(console: DebugConsole, typed: list[str], names: dict[str, int]) -> str:
    """What may have been meant by a name that no symbol has."""
    missing = next((name for name in typed if name not in names), None)
    if missing is None:
        return ""
    known = console.symbols.names(console.task)
    return like(missing, known) if known else " (the program has no symbols)"


def with_registers(task: Task, text: str) -> str:
    """An expression with the values of registers in place of ``$NAME``, where there is one."""
    names = {*task.kernel.arch.register_names, "pc", "sp"}
    values = RegisterValues(task)
    return REGISTER.sub(
        lambda found: str(values(found[1])) if found[1] in names else found[0], text
    )


def _registers(task: Task, text: str) -> dict[str, int]:
    values = RegisterValues(task)
    found: dict[str, int] = {}
    for name in REGISTER.findall(text):
        if name not in (*task.kernel.arch.register_names, "pc", "sp"):
            raise CommandError(f"{task.kernel.arch.name} has no register ${name}")
        found[name] = values(name)
    return found


def number(text: str, names: dict[str, int] | None = None, what: str = "number") -> int:
    """A number, a constant of Linux, or an expression of them.  CommandError else."""
    value = _value(text, names or {}, what)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CommandError(f"{text} is no {what}")
    return value


def _value(text: str, names: dict[str, int], what: str) -> Any:  # Any: what an expression gives
    if not text:
        raise CommandError(f"{'an' if what[0] in 'aeiou' else 'a'} {what} is missing")
    try:
        code, _ = compile_expression(text, tuple(names))
        return evaluate(code, names)
    except PredicateError as error:
        reason = str(error).partition(" (known")[0]
        raise CommandError(f"{text} is no {what}: {reason}") from None
    except Exception as error:  # noqa: BLE001  # whatever the user's expression does
        raise CommandError(f"{text} is no {what}: {error}") from None


def result(text: str) -> int:
    """A call's result: a number, or an error by name, ``ENOENT`` or ``-ENOENT``."""
    name = text.removeprefix("-")
    if name in BY_NAME:
        return -BY_NAME[name].errno
    return number(text, what="result")


def count(text: str, default: int, most: int) -> int:
    """How many; ``default`` where nothing is typed."""
    found = number(text, what="count") if text else default
    if not 0 < found <= most:
        raise CommandError(f"{text}: want 1 to {most}")
    return found


def data(text: str) -> bytes:
    """Bytes: pairs of hexadecimal digits, or a string or bytes in Python's quotes."""
    if not text:
        raise CommandError("the bytes are missing: hexadecimal pairs, or a text in quotes")
    if text[0] in "\"'bB" and text[-1:] in ("'", '"'):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            raise CommandError(f"{text} is no text in quotes") from None
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, bytes):
            return value
    match = HEX_PAIRS.fullmatch(text)
    if match is None:
        raise CommandError(f"{text}: want hexadecimal pairs (90 90) or a text in quotes")
    return bytes.fromhex(match[1])


def task(console: DebugConsole, text: str) -> Task:
    """A task by its number."""
    if not text.isdigit():
        raise CommandError(f"{text or 'nothing'} is no number of a task (tasks lists them)")
    found = console.system.tasks.get(int(text))
    if found is None:
        raise CommandError(f"there is no task {text} (tasks lists them)")
    if found.context is None or found.dead:
        raise CommandError(f"task {text} runs no user code")
    return found


def one_or_two(rest: str, usage: str) -> tuple[str, str]:
    """One word, or two."""
    words = rest.split()
    if not 1 <= len(words) <= 2:
        raise CommandError(f"usage: {usage}")
    return words[0], words[1] if len(words) == 2 else ""
