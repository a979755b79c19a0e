"""Where the world stands, in words: a line for each stop, in strace's terms where it has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kernel.machine.debugger import Watchpoint
from tools.cli.messages import one_line
from tools.console.points import call_values
from tools.tracer.calls import entry_text, exit_text
from tools.tracer.results import result_text
from tools.tracer.show_signals import name as signal_name
from tools.tracer.show_signals import siginfo_text
from tools.tracer.strace import end_text
from tools.tracer.view import Call, Detail

if TYPE_CHECKING:
    from kernel.machine.debugger import Stop
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.console.symbols import Symbols

STRING_LIMIT = 64
MOST_SHOWN = 16
"""Of the bytes that were written."""


def task_name(task: Task) -> str:
    """``2 busybox``; of a thread that is not the leader ``2/5 redis``."""
    number = str(task.tid) if task.tid == task.tgid else f"{task.tgid}/{task.tid}"
    return f"{number} {one_line(os.fsdecode(task.comm))}"


def stop_text(stop: Stop, call: Call | None, symbols: Symbols) -> str:
    """One line, beginning with the task.  ``call``: the one it enters or leaves, if it does."""
    return f"{task_name(stop.task)} {_what(stop, call, symbols)}"


def _what(stop: Stop, call: Call | None, symbols: Symbols) -> str:
    if call is not None:
        if stop.reason == "enter":
            return f"enters {entering(call)}"
        return f"returns from {returning(call)}"
    if stop.reason in ("signal", "fault"):
        return _signal(stop, symbols)
    if stop.reason in ("fork", "vfork", "clone") and stop.other is not None:
        thread = stop.other.tgid == stop.task.tgid
        word = "thread" if thread else "child"
        return f"made the {word} {stop.other.tid} by {stop.reason}"
    if stop.reason == "exec":
        return f"executes {one_line(os.fsdecode(stop.task.comm))} from now on"
    if stop.reason == "exit":
        return end_text(stop.status)
    if stop.reason == "thread_exit":
        return "(thread) has ended"
    if stop.reason == "watchpoint":
        return _watched(stop, symbols)
    return f"{_REASONS.get(stop.reason, 'stops')} {place(stop.task, symbols)}"


_REASONS = {
    "start": "is about to start",
    "breakpoint": "stops",
    "step": "stepped",
    "pause": "interrupted",
}


def place(task: Task, symbols: Symbols) -> str:
    """``at 0x401000 main``."""
    return f"at {symbols.named(task, task.kernel.cpu.registers(task.context).pc)}"


def call_of(stop: Stop, table: SyscallTable) -> Call:
    """The call as the tracer's printers take it; ``notes`` is what its entry shows."""
    call = call_values(stop, table).call
    call.detail = Detail(string_limit=STRING_LIMIT)
    call.notes = entry_text(call)
    return call


def entering(call: Call) -> str:
    """``openat(AT_FDCWD, "/etc/passwd", O_RDONLY)``; what the kernel will write is left out."""
    late = call.notes.endswith(", ") or (not call.notes and call.values)
    return f"{call.name}({call.notes}{'...' if late else ''})"


def returning(call: Call) -> str:
    """The whole line: ``read(3, "root"..., 1024) = 1024``."""
    entry, call.notes = call.notes, ""
    if call.result is None:
        return f"{call.name}({entry})"
    text = f"{call.name}({entry}{exit_text(call)}) = {result_text(call)}"
    call.notes = entry
    return text


def _signal(stop: Stop, symbols: Symbols) -> str:
    info = siginfo_text(stop.info.pack()) if stop.info is not None else ""
    name = signal_name(stop.signal) if stop.signal else "no signal"
    verb = "faults," if stop.reason == "fault" else "is about to get"
    return f"{verb} {name} {info}".rstrip() + f" {place(stop.task, symbols)}"


def _watched(stop: Stop, symbols: Symbols) -> str:
    point = stop.point
    text = f"accessed {symbols.named(stop.task, stop.address)}"
    if isinstance(point, Watchpoint):
        start, end = _changed(point.old, point.new)
        old, new = point.old[start:end], point.new[start:end]
        where = symbols.named(stop.task, point.address + start)
        text = f"wrote {where}: {_bytes(old)} -> {_bytes(new)}"
        if len(point.new) in (1, 2, 4, 8):
            text += f" ({_number(old)} -> {_number(new)})"
    return f"{text} {place(stop.task, symbols)}"


def _changed(old: bytes, new: bytes) -> tuple[int, int]:
    """Of many bytes those from the first to the last that is another now; all of a few, where the
    same was written again, and where some are not mapped any more.
    """
    if len(new) <= 8 or len(new) != len(old) or new == old:
        return 0, len(old)
    others = [at for at, byte in enumerate(new) if byte != old[at]]
    return others[0], others[-1] + 1


def _bytes(data: bytes) -> str:
    return data[:MOST_SHOWN].hex(" ") + ("..." if len(data) > MOST_SHOWN else "")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)
