"""A call as text: the part printed on entry, and the part printed on exit.

Most calls are their arguments in a row.  The few that are not have a function here.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from kernel.abi.memory import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from kernel.abi.process import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
)
from tools.tracer import (
    show_basic,
    show_events,
    show_files,
    show_ipc,
    show_net,
    show_sched,
    show_terminal,
)
from tools.tracer.results import DECODED_ON_EXIT
from tools.tracer.show_process import clone_flags_text, futex_rest
from tools.tracer.show_signals import mask_text
from tools.tracer.shows import show_for
from tools.tracer.text import address, hexadecimal

if TYPE_CHECKING:
    from tools.tracer.view import Call

__all__ = [
    "complete_on_entry",
    "entry_text",
    "exit_text",
    "show_basic",
    "show_events",
    "show_ipc",
    "show_net",
    "show_sched",
    "show_terminal",
]

CLONE_ARGS_HEAD: Final = Struct("<QQQQ")  # flags, pidfd, child_tid, parent_tid
# rt_sigreturn: where the blocked mask lies above the stack pointer, in the frame of each CPU.
SIGRETURN_MASK: Final = {"x86_64": 296, "aarch64": 168}
# Calls without a declaration whose arguments are worth naming: h = hex, d = decimal, a = address.
UNDECLARED: Final = {
    "membarrier": "hdd",
    "io_uring_setup": "da",
}


def entry_text(call: Call) -> str:
    """What can be said before the kernel acts; ends in ``, `` if the next argument is late."""
    special = _ENTRY.get(call.name)
    if special is not None:
        return special(call)
    if call.declaration is None:
        return ", ".join(_undeclared(call))
    show_net.remember_room(call)
    first_late = _first_late(call)
    text = ", ".join(_arguments(call, 0, first_late))
    more = first_late < len(call.values)
    return f"{text}, " if text and more and call.name not in _COMMA_ON_EXIT else text


def exit_text(call: Call) -> str:
    """The arguments that had to wait for the kernel."""
    special = _EXIT.get(call.name)
    if special is not None:
        return special(call)
    if call.declaration is None or call.name in _ENTRY:
        return ""
    first_late = _first_late(call)
    text = ", ".join(_arguments(call, first_late, len(call.values)))
    return f", {text}" if text and first_late and call.name in _COMMA_ON_EXIT else text


def complete_on_entry(call: Call) -> bool:
    """Was everything printed on entry?  Then a task that dies in the call leaves no gap."""
    if call.name in _EXIT or call.name in DECODED_ON_EXIT:
        return False
    return call.declaration is None or _first_late(call) >= len(call.values)


def _first_late(call: Call) -> int:
    assert call.declaration is not None
    for index, (_, kind) in enumerate(call.declaration.parameters):
        if show_for(kind.show).is_late(kind, call, index):
            return index
    return len(call.values)


def _arguments(call: Call, start: int, end: int) -> list[str]:
    """The shown arguments in a range."""
    assert call.declaration is not None
    found = []
    for index in range(start, end):
        if (call.name, index) in _HIDDEN and _HIDDEN[call.name, index](call):
            continue
        name, kind = call.declaration.parameters[index]
        if call.failed and kind.is_pointer and call.name in _ALL_AFTER:
            text: str | None = address(call.values[index])
        else:
            text = show_for(kind.show).shown(kind, call, index)
        if text is not None:
            found.append(f"{name}={text}" if call.detail.names else text)
    return found


def _undeclared(call: Call) -> list[str]:
    form = UNDECLARED.get(call.name, "hhhhhh")
    formats: dict[str, Callable[[int], str]] = {"h": hexadecimal, "a": address, "d": str}
    return [formats[letter](value) for letter, value in zip(form, call.values, strict=False)]


def _mremap_stays(call: Call) -> bool:
    flags = call.values[3]
    return not (flags & MREMAP_MAYMOVE and flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))


_HIDDEN: Final[dict[tuple[str, int], Callable[[Call], bool]]] = {("mremap", 4): _mremap_stays}
_ALL_AFTER: Final = frozenset({"epoll_pwait", "epoll_pwait2"})
"""Calls whose last pointers go in, but are shown after the call: by address if it failed."""
_COMMA_ON_EXIT: Final = frozenset({"ioctl"})


def _clone_entry(call: Call) -> str:
    flags, stack = call.values[:2]
    return f"child_stack={address(stack)}, flags={clone_flags_text(flags)}"


def _clone_exit(call: Call) -> str:
    flags, _, parent, child, tls = call.values
    text = ""
    if flags & (CLONE_PARENT_SETTID | CLONE_PIDFD):
        label = "pidfd" if flags & CLONE_PIDFD else "parent_tid"
        data = None if call.failed else call.read(parent, 4)
        shown = address(parent) if data is None else f"[{int.from_bytes(data, 'little')}]"
        text += f", {label}={shown}"
    if flags & CLONE_SETTLS:
        text += f", tls={address(tls)}"
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        text += f", child_tidptr={address(child)}"
    return text


def _clone3_entry(call: Call) -> str:
    return str(show_for("*clone_args").text(call, 0))


def _clone3_exit(call: Call) -> str:
    """The thread number that the kernel stored, if it was asked to."""
    found = call.unpack(CLONE_ARGS_HEAD, call.values[0])
    text = ""
    if found is not None and not call.failed and found[0] & CLONE_PARENT_SETTID:
        data = call.read(found[3], 4)
        if data is not None:
            text = f" => {{parent_tid=[{int.from_bytes(data, 'little')}]}}"
    return f"{text}, {call.values[1]}"


def _futex_entry(call: Call) -> str:
    where, op, value = call.values[:3]
    del op
    operation = show_for("futex_op").text(call, 1)
    return ", ".join([address(where), str(operation), str(value), *futex_rest(call)])


def _sigreturn_entry(call: Call) -> str:
    kernel = call.task.kernel
    offset = SIGRETURN_MASK[kernel.arch.name]
    try:
        frame = kernel.cpu.registers(call.task.context).sp
    except KernelError:
        return ""
    data = call.read(frame + offset, 8)
    return "" if data is None else f"{{mask={mask_text(int.from_bytes(data, 'little'))}}}"


def _sendfile_entry(call: Call) -> str:
    call.memo = show_files.offset_text(call, call.values[2])
    first, second = (show_for("fd").text(call, i) for i in (0, 1))
    return f"{first}, {second}, {call.memo}"


def _sendfile_exit(call: Call) -> str:
    moved = call.result is not None and call.result > 0 and call.values[2]
    after = f" => {show_files.offset_text(call, call.values[2])}" if moved else ""
    return f"{after}, {call.values[3]}"


_ENTRY: Final[dict[str, Callable[[Call], str]]] = {
    "clone": _clone_entry,
    "clone3": _clone3_entry,
    "futex": _futex_entry,
    "rt_sigreturn": _sigreturn_entry,
    "restart_syscall": lambda call: f"<... resuming interrupted {call.memo or 'system call'} ...>",
    "sendfile": _sendfile_entry,
}
_EXIT: Final[dict[str, Callable[[Call], str]]] = {
    "clone": _clone_exit,
    "clone3": _clone3_exit,
    "sendfile": _sendfile_exit,
}
