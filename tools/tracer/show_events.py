"""Printers for what can be waited for: epoll, timerfd, signalfd, inotify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import SIGEV_NONE, SIGEV_THREAD_ID
from kernel.abi.structs import SIGEVENT
from kernel.fs.epoll import ALIGNED_EVENT, PACKED_EVENT
from tools.tracer.names import CONSTANTS, FLAGS
from tools.tracer.show_signals import name as signal_text
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, sequence

if TYPE_CHECKING:
    from struct import Struct

    from tools.tracer.view import Call

ARRAY_LIMIT: Final = 32


def _layout(call: Call) -> Struct:
    return PACKED_EVENT if call.task.kernel.arch.epoll_event_packed else ALIGNED_EVENT


def _event(call: Call, where: int) -> str | None:
    found = call.unpack(_layout(call), where)
    if found is None:
        return None
    events, data = found
    shown = fields((("u32", str(data & 0xFFFFFFFF)), ("u64", str(data))))
    return fields((("events", FLAGS["epoll"].text(events)), ("data", shown)))


@shows("*epoll_event")
def epoll_event(call: Call, i: int) -> str:
    """What to watch for, and the word that comes back with it."""
    where = call.values[i]
    return _event(call, where) or address(where)


@shows("*epoll_events")
def epoll_events(call: Call, i: int) -> str:
    """The events epoll_wait stored."""
    where, count = call.values[i], call.result or 0
    shown: list[str] = []
    for index in range(min(count, ARRAY_LIMIT)):
        text = _event(call, where + index * _layout(call).size)
        if text is None:
            return sequence([*shown, "..."]) if shown else address(where)
        shown.append(text)
    return sequence([*shown, "..."] if count > ARRAY_LIMIT else shown)


@shows("*sigevent")
def sigevent(call: Call, i: int) -> str:
    """How a timer or message queue tells."""
    found = call.unpack(SIGEVENT, call.values[i])
    if found is None:
        return address(call.values[i])
    value, signo, notify, tid = found
    number = value & 0xFFFFFFFF
    number -= (number & 0x80000000) << 1
    shown = fields((("sival_int", str(number)), ("sival_ptr", address(value))))
    signal = signal_text(signo) if notify != SIGEV_NONE else str(signo)
    pairs = [("sigev_value", shown), ("sigev_signo", signal)]
    pairs.append(("sigev_notify", CONSTANTS["sigev"].text(notify)))
    if notify == SIGEV_THREAD_ID:
        pairs.append(("sigev_notify_thread_id", str(tid)))
    return fields(pairs)
