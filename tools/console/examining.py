"""Commands for registers and memory: regs, stack, disas, x."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tools.console import complete, formats, words
from tools.console.command import CommandError, command
from tools.console.tables import hex_dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.console.console import DebugConsole

LONGEST_DUMP: Final = 1 << 16
LONGEST_LISTING: Final = 1000
LONGEST_INSTRUCTION: Final = 16


@command("regs [NAME...]", "machine", "registers", complete=complete.registers)
def regs(console: DebugConsole, rest: str) -> None:
    """The registers of the selected task, or those that are named."""
    task = console.task
    registers = task.kernel.cpu.registers(task.context)
    found = dict(zip(task.kernel.arch.register_names, registers.general(), strict=True))
    if rest:
        known = {"pc": registers.pc, "sp": registers.sp} | found
        named = [name.removeprefix("$") for name in rest.split()]
        unknown = next((name for name in named if name not in known), None)
        if unknown is not None:
            raise CommandError(f"{task.kernel.arch.name} has no register {unknown}")
        found = {name: known[name] for name in named}
    lines = []
    for name, value in found.items():
        symbol = console.symbols.named(task, value).partition(" ")[2]
        lines.append(f"{name:<8} {value:#018x}  {_decimal(value)}{f'  {symbol}' if symbol else ''}")
    console.say("\n".join(lines))


def _decimal(value: int) -> int:
    """As a signed number."""
    return value - (value >> 63 << 64)


@command("stack [N]", "machine", "bt", "backtrace", "where")
def stack(console: DebugConsole, rest: str) -> None:
    """Who called whom in the program, the innermost first (N of them), as `trace -k` shows it."""
    count = words.count(rest, LONGEST_LISTING, LONGEST_LISTING)
    frames = console.symbols.stacks.of(console.task)[:count]
    lines = [f"#{level:<2} {frame.address:#x}  {frame}" for level, frame in enumerate(frames)]
    console.say("\n".join(lines))


@command("disas [ADDRESS] [N]", "machine", complete=complete.functions, repeats=True)
def disas(console: DebugConsole, rest: str) -> None:
    """N instructions (10) from the program counter or ADDRESS on; again: the next ones."""
    typed = rest.split()
    if len(typed) > 2:
        raise CommandError("usage: disas [ADDRESS] [N]")
    task = console.task
    pc = task.kernel.cpu.registers(task.context).pc
    start = words.address(console, typed[0]) if typed else pc
    wanted = words.count(typed[1] if len(typed) > 1 else "", 10, LONGEST_LISTING)
    data = _read(console, start, wanted * LONGEST_INSTRUCTION)
    lines, end = [], start
    engine = _disassembler(task.kernel.arch.name)
    for at, size, mnemonic, operands in _decoded(engine, data, start, wanted):
        arrow = "=>" if at == pc else "  "
        symbol = console.symbols.named(task, at).partition(" ")[2]
        where = f"{at:#x}{f' <{symbol}>' if symbol else ''}"
        code = data[at - start : at - start + size].hex()
        lines.append((arrow, where, code, f"{mnemonic} {operands}".rstrip()))
        end = at + size
    console.again = f"disas {end:#x} {wanted}"
    console.say("\n".join(_aligned(lines)))


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        yield "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]])


def _decoded(
    engine: Any, data: bytes, start: int, wanted: int
) -> Iterator[tuple[int, int, str, str]]:
    for at, (address, size, mnemonic, operands) in enumerate(engine.disasm_lite(data, start)):
        if at >= wanted:
            return
        yield address, size, mnemonic, operands


def _disassembler(arch: str) -> Any:  # Any: capstone has no types
    import capstone  # 30 ms that other sessions need not wait for

    if arch == "x86_64":
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    else:
        engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    engine.skipdata = True
    return engine


@command("x ADDRESS [N]", "machine", complete=complete.functions, repeats=True)
def examine(console: DebugConsole, rest: str) -> None:
    """N bytes (64) of memory from ADDRESS on; again: the next ones.

    ADDRESS is a number, a function, $REGISTER, or a sum of these without spaces: x $sp+16 32.
    Whatever the page's rights: a debugger reads all that is mapped.
    gdb's formats are known, too: x/4xg $sp (four words of 8 bytes), x/s $rdi, x/3i main, x/8db,
    x/2a $sp (addresses with their names).
    """
    if rest.startswith("/"):
        _formatted(console, *rest.partition(" ")[::2])
        return
    first, second = words.one_or_two(rest, "x ADDRESS [N]")
    start = words.address(console, first)
    size = words.count(second, 64, LONGEST_DUMP)
    data = _read(console, start, size)
    console.again = f"x {start + len(data):#x} {size}"
    console.say(hex_dump(start, data))


def _formatted(console: DebugConsole, spelled: str, rest: str) -> None:
    """``x/FORMAT ADDRESS``."""
    form = formats.parse(spelled)
    if not rest.strip():
        raise CommandError("usage: x/FORMAT ADDRESS")
    start = words.address(console, rest.strip())
    if form.form == "i":
        disas(console, f"{start:#x} {min(form.count, LONGEST_LISTING)}")
        return
    lines = []
    if form.form == "s":
        for _ in range(form.count):
            line, size = formats.string(start, _read(console, start, formats.LONGEST_STRING))
            lines.append(line)
            start += size
    else:
        data = _read(console, start, form.count * form.size)
        if len(data) < form.size:
            raise CommandError(f"only {len(data)} bytes are mapped at {start:#x}")
        named = partial(console.symbols.named, console.task)
        lines.append(formats.units(start, data, form, named))
        start += len(data)
    console.again = f"x{spelled} {start:#x}"
    console.say("\n".join(lines))


def _read(console: DebugConsole, start: int, size: int) -> bytes:
    mm = console.task.mm
    data = console.debugger.read(mm, start, size) if mm is not None else b""
    if not data:
        raise CommandError(f"nothing is mapped at {start:#x} (maps shows what is)")
    return data
