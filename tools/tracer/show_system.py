"""Printers for the machine: names, memory sums, prctl, personality, mmap flags."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kernel.abi import process
from kernel.abi.limits import PATH_MAX
from kernel.abi.structs import SYSINFO, UTSNAME
from tools.tracer import style
from tools.tracer.names import CONSTANTS, FLAGS
from tools.tracer.show_basic import text_at
from tools.tracer.show_signals import name as signal_text
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal

if TYPE_CHECKING:
    from tools.tracer.view import Call

MAP_TYPE = 0xF


@shows("*utsname")
def utsname(call: Call, i: int) -> str:
    """sysname and nodename; the rest with ``-v``."""
    found = call.unpack(UTSNAME, call.values[i])
    if found is None:
        return address(call.values[i])
    members = ("sysname", "nodename", "release", "version", "machine", "domainname")
    texts = [call.detail.quote(field.partition(b"\0")[0]) for field in found]
    shown = list(zip(members, texts, strict=False))
    return fields(shown) if call.detail.verbose else fields(shown[:2], more=True)


@shows("*sysinfo")
def sysinfo(call: Call, i: int) -> str:
    """Every member."""
    found = call.unpack(SYSINFO, call.values[i])
    if found is None:
        return address(call.values[i])
    uptime, one, five, fifteen, *rest = found
    names = (
        "totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap", "procs", "",
        "totalhigh", "freehigh", "mem_unit",
    )  # fmt: skip
    pairs = [("uptime", str(uptime)), ("loads", f"[{one}, {five}, {fifteen}]")]
    pairs += [(label, str(value)) for label, value in zip(names, rest, strict=True) if label]
    return fields(pairs)


@shows("map_flags")
def map_flags(call: Call, i: int) -> str:
    """The type of the mapping, then its flags."""
    return style.named(hexadecimal(call.values[i]), _map_flags(call.values[i]))


@lru_cache(256)
def _map_flags(value: int) -> str:
    kind, rest = CONSTANTS["map_type"].abbrev(value & MAP_TYPE), value & ~MAP_TYPE
    names, unknown = FLAGS["map"].split(rest)
    if rest and kind == "MAP_FILE":
        return "|".join([*names, f"{unknown:#x}"] if unknown else names)
    return "|".join([kind, *names, *([f"{unknown:#x}"] if unknown else [])])


@shows("personality")
def personality(call: Call, i: int) -> str:
    """A domain and its flags; all ones only asks."""
    value = call.values[i]
    return "0xffffffff" if value == 0xFFFFFFFF else personality_text(value)


def personality_text(value: int) -> str:
    """``PER_LINUX|ADDR_NO_RANDOMIZE``, as ``-X`` asks."""
    return style.named(hexadecimal(value), personality_abbrev(value))


def personality_abbrev(value: int) -> str:
    """``PER_LINUX|ADDR_NO_RANDOMIZE``."""
    domain = CONSTANTS["domain"].abbrev(value & 0xFF).replace(" /*  */", "")
    rest = value & ~0xFF
    return f"{domain}|{FLAGS['personality'].abbrev(rest)}" if rest else domain


# --- prctl: what is shown depends on the option ---------------------------------------------------

_NUMBER_OUT = (process.PR_GET_CHILD_SUBREAPER,)
_PLAIN = (process.PR_SET_CHILD_SUBREAPER, process.PR_SET_KEEPCAPS, process.PR_SET_TIMERSLACK)
_NOTHING = (
    process.PR_GET_DUMPABLE,
    process.PR_GET_KEEPCAPS,
    process.PR_GET_SECUREBITS,
    process.PR_GET_SECCOMP,
    process.PR_GET_TIMERSLACK,
)
_ALL_ZERO = (process.PR_SET_NO_NEW_PRIVS, process.PR_GET_NO_NEW_PRIVS)
_LATE = (
    process.PR_GET_NAME,
    process.PR_GET_PDEATHSIG,
    process.PR_GET_CHILD_SUBREAPER,
    process.PR_GET_TID_ADDRESS,
)


def _prctl_late(call: Call, i: int) -> bool:
    return i == 1 and call.values[0] in _LATE


@shows("prctl_arg", late_if=_prctl_late)
def prctl_arg(call: Call, i: int) -> str | None:
    """An argument of prctl(2); strace shows only those that the option has."""
    option, value = call.values[0], call.values[i]
    if option in _ALL_ZERO or option == process.PR_CAP_AMBIENT:
        return _ambient(i, value) if option == process.PR_CAP_AMBIENT else str(value)
    if option not in CONSTANTS["prctl"].by_value:
        return hexadecimal(value) if i else str(value)
    if option in _NOTHING or i > 1:
        return None if option in _KNOWN else hexadecimal(value)
    return _first(call, option, value)


def _ambient(i: int, value: int) -> str:
    if i == 1:
        return CONSTANTS["ambient"].text(value)
    return CONSTANTS["capability"].text(value) if i == 2 else str(value)


def _first(call: Call, option: int, value: int) -> str | None:
    """The first argument of options that have one."""
    if call.failed and option in _LATE:
        return address(value)
    match option:
        case process.PR_SET_NAME:
            return text_at(call, value, 15)
        case process.PR_GET_NAME:
            return text_at(call, value, PATH_MAX)
        case process.PR_SET_PDEATHSIG:
            return signal_text(value)
        case process.PR_GET_PDEATHSIG:
            data = call.read(value, 4)
            return address(value) if data is None else f"[{signal_text(data[0])}]"
        case process.PR_GET_CHILD_SUBREAPER:
            data = call.read(value, 4)
            return address(value) if data is None else f"[{int.from_bytes(data, 'little')}]"
        case process.PR_GET_TID_ADDRESS:
            data = call.read(value, 8)
            return address(value) if data is None else f"[{int.from_bytes(data, 'little'):#x}]"
        case process.PR_SET_DUMPABLE:
            return CONSTANTS["dumpable"].text(value)
        case process.PR_CAPBSET_READ | process.PR_CAPBSET_DROP:
            return CONSTANTS["capability"].text(value)
        case process.PR_SET_SECUREBITS:
            return FLAGS["securebits"].text(value)
    return str(value) if option in _PLAIN else hexadecimal(value)


_KNOWN = (
    *_NOTHING,
    *_PLAIN,
    *_LATE,
    process.PR_SET_NAME,
    process.PR_SET_PDEATHSIG,
    process.PR_SET_DUMPABLE,
    process.PR_CAPBSET_READ,
    process.PR_CAPBSET_DROP,
    process.PR_SET_SECUREBITS,
)


def _arch_late(call: Call, i: int) -> bool:
    return call.values[0] in (process.ARCH_GET_FS, process.ARCH_GET_GS)


@shows("arch_prctl_arg", late_if=_arch_late)
def arch_prctl_arg(call: Call, i: int) -> str:
    """A base address, or where to put one."""
    value = call.values[i]
    if not _arch_late(call, i) or call.failed:
        return address(value)
    data = call.read(value, 8)
    return address(value) if data is None else f"[{address(int.from_bytes(data, 'little'))}]"
