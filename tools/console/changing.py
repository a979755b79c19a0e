"""``set``: change what a call gets, what it returns, registers, memory, the signal to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from syscalls.kinds import OPEN_FLAGS
from tools.console import complete, words
from tools.console.command import CommandError, command
from tools.tracer.filters import FilterError, parse_signals
from tools.tracer.show_signals import name as signal_name

if TYPE_CHECKING:
    from syscalls.declare import Declaration
    from syscalls.kinds import Kind
    from tools.console.console import DebugConsole

RED_ZONE: Final = 1024
"""Kept free below the stack pointer: leaf functions use 128 bytes there without moving it."""


@command("set WHAT ...", "changing", complete=complete.changes)
def set_(console: DebugConsole, rest: str) -> None:
    """Change an argument, a result, a register, memory or a signal.

    set arg N VALUE         where a call is entered; N is its place from 0, or its name;
                            a VALUE in quotes is put below the stack, and the argument points to it
    set result VALUE        where a call is entered: it is not made, and gives this; where it
                            returns: it gives this instead.  Errors by name: ENOENT
    set reg NAME VALUE      a register of the selected task
    set mem ADDRESS BYTES   hexadecimal pairs, or a text in quotes; read-only pages, too
    set signal NAME         where a signal is about to be delivered: another one, or 0 for none
    """
    what, _, more = rest.partition(" ")
    change = _CHANGES.get(what)
    if change is None:
        known = ", ".join(_CHANGES)
        raise CommandError(f"set changes {known}{f', not {what}' if what else ''} (help set)")
    change(console, more.strip())


def _argument(console: DebugConsole, rest: str) -> None:
    stop = console.at_call()
    if stop is None or stop.reason != "enter":
        raise CommandError("an argument can be set where a call is entered (break CALL)")
    which, _, text = rest.partition(" ")
    declaration = console.table.declaration(stop.number)
    register, kind = _register(console, declaration, which)
    text = text.strip()
    value = _place(console, text) if text[:1] in ("'", '"') else words.number(text, what="value")
    if kind is not None and kind.decode == OPEN_FLAGS:
        value = console.system.arch.open_flags_out(value)  # constants are the kernel's
    args = list(stop.args)
    args[register] = value & words.MASK64
    stop.args = tuple(args)
    console.changed_call(stop)


def _register(
    console: DebugConsole, declaration: Declaration | None, which: str
) -> tuple[int, Kind | None]:
    """Which of the six argument registers is meant, and what it holds."""
    if declaration is None:
        if which.isdigit() and int(which) < 6:
            return int(which), None
        raise CommandError("the call has no declaration: its arguments are 0 to 5")
    parameters = declaration.parameters
    names = [parameter.name for parameter in parameters]
    index = names.index(which) if which in names else int(which) if which.isdigit() else -1
    if not 0 <= index < len(parameters):
        known = ", ".join(f"{i} {name}" for i, name in enumerate(names)) or "none"
        raise CommandError(f"the call has no argument {which or 'without a name'} (it has {known})")
    return declaration.registers(console.system.arch.name)[index], parameters[index].kind


def _place(console: DebugConsole, text: str) -> int:
    """A text where no function keeps anything; its address."""
    data = words.data(text) + b"\0"
    task = console.task
    sp = task.kernel.cpu.registers(task.context).sp
    address = sp - RED_ZONE - len(data) & ~15
    _store(console, address, data)
    return address


def _result(console: DebugConsole, rest: str) -> None:
    stop = console.at_call()
    if stop is None:
        raise CommandError("a result can be set where a call is entered or returns (break, finish)")
    stop.result = words.result(rest)
    console.changed_call(stop)


def _reg(console: DebugConsole, rest: str) -> None:
    name, _, text = rest.partition(" ")
    task = console.task
    names = task.kernel.arch.register_names
    name = name.removeprefix("$")
    if name not in (*names, "pc", "sp"):
        raise CommandError(f"{task.kernel.arch.name} has no register {name or 'without a name'}")
    value = words.address(console, text.strip()) if text.strip() else None
    if value is None:
        raise CommandError("a value is missing: set reg NAME VALUE")
    if task.generator is not None:
        console.debugger.settle(task)
    registers = task.kernel.cpu.registers(task.context)
    before = registers.result
    if name == "pc":
        registers.pc = value
    elif name == "sp":
        registers.sp = value
    else:
        registers.set(name, value)
    _follow(console, name, value, result=registers.result != before)


def _follow(console: DebugConsole, name: str, value: int, *, result: bool) -> None:
    """At a call its arguments and result are the stop's; registers that carry them change both."""
    stop = console.at_call()
    if stop is None:
        return
    arguments = console.system.arch.syscall_argument_registers
    if stop.reason == "enter" and name in arguments:
        args = list(stop.args)
        args[arguments.index(name)] = value
        stop.args = tuple(args)
    elif stop.reason == "return" and result:
        stop.result = value - (value >> 63 << 64)
    else:
        return
    console.changed_call(stop)


def _mem(console: DebugConsole, rest: str) -> None:
    where, _, text = rest.partition(" ")
    if not where:
        raise CommandError("usage: set mem ADDRESS BYTES")
    _store(console, words.address(console, where), words.data(text.strip()))


def _store(console: DebugConsole, address: int, data: bytes) -> None:
    mm = console.task.mm
    written = console.debugger.write(mm, address, data) if mm is not None else 0
    if written < len(data):
        raise CommandError(f"only {written} of {len(data)} bytes are mapped at {address:#x}")


@command("send SIGNAL", "changing", complete=complete.signals)
def send(console: DebugConsole, rest: str) -> None:
    """Send a signal to the selected task's process; Ctrl-C is INT to all in the foreground."""
    number = _signal_number(rest) if rest else 0
    if not number:
        raise CommandError("want the name or number of one signal: send INT")
    send_to_group(console.task.group, SigInfo(number))


def _signal(console: DebugConsole, rest: str) -> None:
    stop = console.place()
    if stop.reason not in ("signal", "fault"):
        raise CommandError("a signal can be set where one is about to be delivered (catch signal)")
    stop.signal = _signal_number(rest)
    console.say(f"it will get {signal_name(stop.signal) if stop.signal else 'no signal'}")


def _signal_number(text: str) -> int:
    if text == "0":
        return 0
    try:
        found = parse_signals(text) if text else frozenset()
    except FilterError as error:
        raise CommandError(str(error)) from None
    if len(found) != 1:
        raise CommandError("want the name or number of one signal, or 0 for none")
    return min(found)


_CHANGES: Final[dict[str, Callable[[DebugConsole, str], None]]] = {
    "arg": _argument,
    "result": _result,
    "reg": _reg,
    "mem": _mem,
    "signal": _signal,
}
