"""A call as an object of ``--json``.

Other events are dicts that the JSON encoder writes.  Calls are most of a trace, and all but their
values is the same each time, so their text is put together from pieces, which is quicker.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import BY_NUMBER
from tools.tracer.show_basic import path_of_descriptor
from tools.tracer.shows import Show, show_for
from tools.tracer.text import address

if TYPE_CHECKING:
    from syscalls.kinds import Kind
    from tools.tracer.view import Call

ENCODE: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(slots=True)
class Entered:
    """A call that has been entered.

    ``texts``: what could be said of each argument; ``paths``: what its descriptors refer to.
    """

    call: Call
    number: int
    raw: tuple[int, ...]
    order: int
    time: int
    started: int
    entry: str
    texts: list[str | None]
    paths: dict[int, str | None]
    stack: list[str] | None
    wait: str = ""
    signals: int = 0


class Ending(NamedTuple):
    """What the end of a call adds."""

    exit: str
    result: str
    reason: str
    duration: int
    order: int
    marks: tuple[str, ...]
    late: bool  # was the entry missed
    shown_on_entry: bool
    explained: bool


class _Argument(NamedTuple):
    """One argument: its object up to the value, and what there is to know of its text."""

    head: str
    kind: Kind
    show: Show
    late: bool  # in every call: nothing can be said on entry
    descriptor: bool


class _Arguments(NamedTuple):
    """The arguments of a call; ``descriptors``: which of them refer to files."""

    all: tuple[_Argument, ...]
    descriptors: tuple[int, ...]


_ARGUMENTS: Final[dict[str, _Arguments]] = {}


def _arguments(call: Call) -> _Arguments:
    found = _ARGUMENTS.get(call.name)
    if found is None:
        parameters = call.declaration.parameters if call.declaration is not None else ()
        each = tuple(_argument(name, kind) for name, kind in parameters)
        found = _Arguments(each, tuple(i for i, one in enumerate(each) if one.descriptor))
        if call.declaration is not None:
            _ARGUMENTS[call.name] = found
    return found


def _argument(name: str, kind: Kind) -> _Argument:
    show = show_for(kind.show)
    late = show.late_if is None and kind.out and not show.early
    head = f'{{"name":{quoted(name)},"kind":{quoted(kind.name)},"value":'
    return _Argument(head, kind, show, late, kind.show in ("fd", "dirfd"))


def texts_on_entry(call: Call) -> list[str | None]:
    """The text of each argument; None if it cannot be known yet, or is not shown."""
    shown = call.shown or {}
    return [
        shown.get(i) or (None if argument.late else _early_text(call, i, argument))
        for i, argument in enumerate(_arguments(call).all)
    ]


def _early_text(call: Call, i: int, argument: _Argument) -> str | None:
    show = argument.show
    if show.late_if is not None and show.late_if(call, i):
        return None
    return show.text(call, i)


def _late_text(call: Call, i: int, argument: _Argument) -> str | None:
    if call.result is None:
        return address(call.values[i])
    return argument.show.shown(argument.kind, call, i)


def paths_on_entry(call: Call) -> dict[int, str | None]:
    """What the descriptors among the arguments refer to."""
    return {i: path_of_descriptor(call, call.values[i]) for i in _arguments(call).descriptors}


def _returned_path(call: Call) -> str:
    """What a new descriptor refers to."""
    if call.declaration is None or call.declaration.result != "NewFd":
        return "null"
    if call.result is None or call.failed:
        return "null"
    return _string(path_of_descriptor(call, call.result))


def _argument_texts(entered: Entered) -> str:
    """The objects of the arguments: name, kind, value, text, and the path of a descriptor."""
    call, texts, paths, values = entered.call, entered.texts, entered.paths, entered.call.values
    shown = call.shown or {}
    found = []
    for i, argument in enumerate(_arguments(call).all):
        text = texts[i] or shown.get(i) or _late_text(call, i, argument)
        said = "null" if text is None else quoted(text)
        path = _string(paths[i]) if argument.descriptor else "null"
        found.append(f'{argument.head}{values[i]},"text":{said},"path":{path}}}')
    return ",".join(found)


def call_text(entered: Entered, end: Ending) -> str:
    """The whole object; docs/tracing.md lists its keys."""
    call, task = entered.call, entered.call.task
    return (
        f'{{"event":"call","time":{entered.time},"pid":{task.tgid},"tid":{task.tid},'
        f'"comm":{_comm(task.comm)},"number":{entered.number},"name":"{call.name}",'
        f'"arguments":[{_argument_texts(entered)}],"raw":[{",".join(map(str, entered.raw))}],'
        f'{_result(call)},"reason":{quoted(end.reason) if end.reason else "null"},'
        f'"duration":{end.duration},"return_path":{_returned_path(call)},'
        f'"injected":{ENCODE(end.marks) if end.marks else "null"},'
        f'"stack":{"null" if entered.stack is None else ENCODE(entered.stack)},'
        f'"text":{{"entry":{"null" if end.late else quoted(entered.entry)},'
        f'"exit":{quoted(end.exit)},"result":{quoted(end.result)},'
        f'"shown_on_entry":{"true" if end.shown_on_entry else "false"},'
        f'"explained":{"true" if end.explained else "false"}}},'
        f'"order":[{entered.order},{end.order}]}}'
    )


def _result(call: Call) -> str:
    result = call.result
    if result is None:
        return '"return":null,"errno":null,"error":null'
    if not call.failed:
        return f'"return":{result},"errno":null,"error":null'
    error = BY_NUMBER.get(-result)
    name = f'"{error.__name__}"' if error is not None else "null"
    return f'"return":{result},"errno":{-result},"error":{name}'


@lru_cache(256)
def _comm(comm: bytes) -> str:
    return quoted(comm.decode(errors="replace"))


def _string(text: str | None) -> str:
    return "null" if text is None else quoted(text)
