"""A call as text: the part printed on entry, and the part printed on exit.

Most calls are their arguments in a row.  The few that are not have a function here.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

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
from tools.tracer.shows import Printer, Show, show_for
from tools.tracer.text import address, hexadecimal

if TYPE_CHECKING:
    from syscalls.kinds import Kind
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

WORD: Final = (1 << 64) - 1
CLONE_ARGS_HEAD: Final = Struct("<QQQQ")  # flags, pidfd, child_tid, parent_tid
# rt_sigreturn: where the blocked mask lies above the stack pointer, in the frame of each CPU.
SIGRETURN_MASK: Final = {"x86_64": 296, "aarch64": 168}
# Calls without a declaration whose arguments are worth naming: h = hex, d = decimal, a = address.
UNDECLARED: Final = {
    "membarrier": "hdd",
    "io_uring_setup": "da",
}


class _Part(NamedTuple):
    """One argument of a call, with everything that is known before the call is made."""

    label: str
    kind: Kind
    show: Show
    text: Printer
    hidden: Callable[[Call], bool] | None
    followed: bool  # is it a pointer whose target is shown, and not a string
    after: bool  # always shown after the call


class _Form(NamedTuple):
    """How the lines of a call are made; one for each call, made when it is met first."""

    parts: tuple[_Part, ...]
    plain: tuple[tuple[int, Printer], ...]  # of parts that need no second look; else empty
    first_late: int  # DYNAMIC: some argument decides in each call anew
    entry: Callable[[Call], str] | None
    exit: Callable[[Call], str] | None
    comma_on_exit: bool
    room: bool  # does the kernel overwrite a length that is needed afterwards


DYNAMIC: Final = -1
STRINGS: Final = frozenset("*path *string *path_out *bytes *bytes_out *strings *environ".split())
"""Pointers that ``-e verbose=none`` leaves alone."""
_FORMS: dict[str, _Form] = {}


def _form(call: Call) -> _Form:
    found = _FORMS.get(call.name)
    if found is None:
        found = _FORMS[call.name] = _made(call)
    return found


def _made(call: Call) -> _Form:
    assert call.declaration is not None
    parts = tuple(
        _Part(
            name,
            kind,
            show_for(kind.show),
            show_for(kind.show).text,
            _HIDDEN.get((call.name, index)),
            kind.is_pointer and kind.show not in STRINGS,
            kind.is_pointer and call.name in _ALL_AFTER,
        )
        for index, (name, kind) in enumerate(call.declaration.parameters)
    )
    late = DYNAMIC
    if all(part.show.late_if is None for part in parts):
        late = next((i for i, p in enumerate(parts) if p.kind.out and not p.show.early), len(parts))
    plain = tuple((index, part.text) for index, part in enumerate(parts))
    if any(part.hidden is not None or part.after for part in parts):
        plain = ()
    special = _ENTRY.get(call.name), _EXIT.get(call.name)
    room = any(part.kind.show in ("*socklen", "*msghdr_out") for part in parts)
    return _Form(parts, plain, late, *special, call.name in _COMMA_ON_EXIT, room)


def entry_text(call: Call) -> str:
    """What can be said before the kernel acts; ends in ``, `` if the next argument is late."""
    if call.detail.raw:
        return ", ".join(hexadecimal(value & WORD) for value in call.values)
    if call.declaration is None:
        special = _ENTRY.get(call.name)
        return special(call) if special is not None else ", ".join(_undeclared(call))
    form = _form(call)
    if form.entry is not None:
        return form.entry(call)
    if not form.parts:
        return ""
    if form.room:
        show_net.remember_room(call)
    first_late = form.first_late if form.first_late != DYNAMIC else _first_late(call)
    text = ", ".join(_arguments(call, form, 0, first_late))
    more = first_late < len(call.values)
    return f"{text}, " if text and more and not form.comma_on_exit else text


def exit_text(call: Call) -> str:
    """The arguments that had to wait for the kernel."""
    if call.detail.raw:
        return ""
    if call.declaration is None:
        special = _EXIT.get(call.name)
        return special(call) if special is not None else ""
    form = _form(call)
    if form.exit is not None:
        return form.exit(call)
    if form.entry is not None or form.first_late >= len(form.parts):
        return ""
    first_late = form.first_late if form.first_late != DYNAMIC else _first_late(call)
    text = ", ".join(_arguments(call, form, first_late, len(form.parts)))
    return f", {text}" if text and first_late and form.comma_on_exit else text


def complete_on_entry(call: Call) -> bool:
    """Was everything printed on entry?  Then a task that dies in the call leaves no gap."""
    if call.detail.raw:
        return True
    if call.name in _EXIT or call.name in DECODED_ON_EXIT:
        return False
    return call.declaration is None or _first_late(call) >= len(call.values)


def _first_late(call: Call) -> int:
    form = _form(call)
    if form.first_late != DYNAMIC:
        return form.first_late
    for index, part in enumerate(form.parts):
        if part.show.is_late(part.kind, call, index):
            return index
    return len(form.parts)


def _arguments(call: Call, form: _Form, start: int, end: int) -> list[str]:
    """The shown arguments in a range."""
    detail = call.detail
    failed = call.failed
    if form.plain and not failed and call.shown is None and detail.structures and not detail.names:
        plain = form.plain[start:end]
        return [text for index, show in plain if (text := show(call, index)) is not None]
    found = []
    for index in range(start, end):
        part = form.parts[index]
        if part.hidden is not None and part.hidden(call):
            continue
        shown: str | None
        if (part.followed and not detail.structures) or (part.after and failed):
            shown = address(call.values[index])
        elif failed:
            shown = part.show.shown(part.kind, call, index)
        else:
            shown = part.text(call, index)
        if shown is not None:
            if call.shown is not None:
                call.shown[index] = shown
            found.append(f"{part.label}={shown}" if detail.names else shown)
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
    where, _, value = call.values[:3]
    first = [address(where), str(show_for("futex_op").text(call, 1)), str(value)]
    if call.shown is not None:
        call.shown.update(enumerate(first))
    return ", ".join([*first, *futex_rest(call)])


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
