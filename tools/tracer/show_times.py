"""Printers for times and timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import UTIME_NOW, UTIME_OMIT
from kernel.abi.structs import (
    ITIMERSPEC,
    ITIMERVAL,
    TIMESPEC,
    TIMEVAL,
    TIMEX,
    TIMEZONE,
    TMS,
    UTIMBUF,
)
from tools.tracer.names import CONSTANTS
from tools.tracer.shows import shows
from tools.tracer.text import address, calendar, fields, sequence

if TYPE_CHECKING:
    from struct import Struct

    from tools.tracer.view import Call

WORD = 0xFFFFFFFFFFFFFFFF
NS = 1_000_000_000


def pair(call: Call, where: int, layout: Struct, unit: str) -> str:
    """``{tv_sec=1, tv_nsec=2}``, or the address where it cannot be read."""
    found = call.unpack(layout, where)
    if found is None:
        return address(where)
    return fields((("tv_sec", str(found[0])), (f"tv_{unit}", str(found[1] & WORD))))


@shows("*timespec")
def timespec(call: Call, i: int) -> str:
    """Seconds and nanoseconds."""
    return pair(call, call.values[i], TIMESPEC, "nsec")


@shows("*timeval")
def timeval(call: Call, i: int) -> str:
    """Seconds and microseconds."""
    return pair(call, call.values[i], TIMEVAL, "usec")


@shows("*timespec_remain", on_failure=True)
def remaining(call: Call, i: int) -> str:
    """What was left of a sleep: written only when it was interrupted."""
    absolute = call.name == "clock_nanosleep" and call.value(1) & 1
    interrupted = call.result in (-4, -512, -513, -514, -516)
    if interrupted and not absolute:
        return pair(call, call.values[i], TIMESPEC, "nsec")
    return address(call.values[i])


@shows("*timezone")
def timezone(call: Call, i: int) -> str:
    """The old kernel time zone."""
    found = call.unpack(TIMEZONE, call.values[i])
    if found is None:
        return address(call.values[i])
    return fields((("tz_minuteswest", str(found[0])), ("tz_dsttime", str(found[1]))))


@shows("*itimerval")
def itimerval(call: Call, i: int) -> str:
    """An interval timer."""
    where = call.values[i]
    if call.unpack(ITIMERVAL, where) is None:
        return address(where)
    interval = pair(call, where, TIMEVAL, "usec")
    value = pair(call, where + TIMEVAL.size, TIMEVAL, "usec")
    return fields((("it_interval", interval), ("it_value", value)))


@shows("*itimerspec")
def itimerspec(call: Call, i: int) -> str:
    """A timer in nanoseconds."""
    where = call.values[i]
    if call.unpack(ITIMERSPEC, where) is None:
        return address(where)
    interval = pair(call, where, TIMESPEC, "nsec")
    value = pair(call, where + TIMESPEC.size, TIMESPEC, "nsec")
    return fields((("it_interval", interval), ("it_value", value)))


@shows("*time_out")
def time_out(call: Call, i: int) -> str:
    """time(2)'s old second place for its answer."""
    data = call.read(call.values[i], 8)
    if data is None:
        return address(call.values[i])
    seconds = int.from_bytes(data, "little", signed=True)
    return f"[{seconds} /* {calendar(seconds)} */]"


@shows("*tms")
def tms(call: Call, i: int) -> str:
    """Clock ticks used."""
    found = call.unpack(TMS, call.values[i])
    if found is None:
        return address(call.values[i])
    names = ("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")
    return fields((name, str(value)) for name, value in zip(names, found, strict=True))


@shows("*utimbuf")
def utimbuf(call: Call, i: int) -> str:
    """Access and modification time of utime(2)."""
    found = call.unpack(UTIMBUF, call.values[i])
    if found is None:
        return address(call.values[i])
    return fields(
        (name, f"{value} /* {calendar(value)} */")
        for name, value in zip(("actime", "modtime"), found, strict=True)
    )


def _file_time(call: Call, where: int) -> str:
    found = call.unpack(TIMESPEC, where)
    if found is None:
        return address(where)
    seconds, nanoseconds = found
    if nanoseconds == UTIME_NOW:
        return "UTIME_NOW"
    if nanoseconds == UTIME_OMIT:
        return "UTIME_OMIT"
    text = pair(call, where, TIMESPEC, "nsec")
    if not 0 <= nanoseconds < NS:
        return text
    return f"{text} /* {calendar(seconds, nanoseconds)} */"


@shows("*timespec_pair")
def timespec_pair(call: Call, i: int) -> str:
    """Access and modification time of utimensat(2)."""
    where = call.values[i]
    if call.read(where, 2 * TIMESPEC.size) is None:
        return address(where)
    return sequence((_file_time(call, where), _file_time(call, where + TIMESPEC.size)))


@shows("*timeval_pair")
def timeval_pair(call: Call, i: int) -> str:
    """Access and modification time of utimes(2)."""
    where = call.values[i]
    if call.read(where, 2 * TIMEVAL.size) is None:
        return address(where)
    return sequence(_micro_time(call, where + offset) for offset in (0, TIMEVAL.size))


def _micro_time(call: Call, where: int) -> str:
    text = pair(call, where, TIMEVAL, "usec")
    found = call.unpack(TIMEVAL, where)
    if found is None or not 0 <= found[1] < 1_000_000:
        return text
    return f"{text} /* {_calendar_micro(found[0], found[1])} */"


def _calendar_micro(seconds: int, microseconds: int) -> str:
    text = calendar(seconds)
    return text.replace("+0000", f".{microseconds:06d}+0000") if microseconds else text


@shows("clock_id")
def clock_id(call: Call, i: int) -> str:
    """A clock."""
    return CONSTANTS["clock"].text(call.values[i])


@shows("*timex")
def timex(call: Call, i: int) -> str:
    """adjtimex(2), abbreviated."""
    found = call.unpack(TIMEX, call.values[i])
    if found is None:
        return address(call.values[i])
    names = ("modes", "offset", "freq", "maxerror", "esterror")
    pairs = [(name, str(value)) for name, value in zip(names, found, strict=False)]
    return fields(pairs, more=True)
