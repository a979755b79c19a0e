"""Printers for signals, their sets, actions and siginfo."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from kernel.abi import signals
from kernel.abi.signals import (
    SA_RESTORER,
    SI_KERNEL,
    SI_QUEUE,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    SIGCHLD,
    SIGIO,
    SIGRTMIN,
    SIGSYS,
    signal_name,
)
from kernel.abi.structs import SIGACTION, STACK_T
from tools.tracer import style
from tools.tracer.names import FLAGS, prefixed
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal

if TYPE_CHECKING:
    from tools.tracer.view import Call

NSIG = 64
WAITS = frozenset({"epoll_pwait", "epoll_pwait2"})
FAULTS = {
    signals.SIGILL: "ILL_",
    signals.SIGFPE: "FPE_",
    signals.SIGSEGV: "SEGV_",
    signals.SIGBUS: "BUS_",
    signals.SIGTRAP: "TRAP_",
}
_CODES = {value: name for name, value in prefixed(signals, "SI_").items()}
_OF_SIGNAL = {
    signo: {value: name for name, value in prefixed(signals, prefix).items()}
    for signo, prefix in {**FAULTS, SIGCHLD: "CLD_", SIGIO: "POLL_"}.items()
}


def name(signo: int) -> str:
    """A signal, as ``-X`` asks: SIGINT, 2, or ``2 /* SIGINT */``."""
    return style.named(str(signo), abbrev(signo))


def abbrev(signo: int) -> str:
    """SIGINT, SIGRTMIN, SIGRT_1, or the number."""
    return "SIGRTMIN" if signo == SIGRTMIN else signal_name(signo)


def mask_text(mask: int) -> str:
    """``[INT TERM]``, or ``~[KILL STOP]`` where more than two thirds are in it."""
    return _mask_text(mask, style.chosen())


@lru_cache(256)
def _mask_text(mask: int, _style: str) -> str:
    inverted = mask.bit_count() >= NSIG * 2 // 3
    shown = ~mask if inverted else mask
    names = [style.named(str(n), abbrev(n)[3:]) for n in range(1, NSIG + 1) if shown >> (n - 1) & 1]
    return ("~" if inverted else "") + "[" + " ".join(names) + "]"


@shows("signal")
def signal(call: Call, i: int) -> str:
    """A signal number."""
    return name(call.values[i])


@shows("*sigset")
def sigset(call: Call, i: int) -> str:
    """A set of signals; the size argument must be the kernel's."""
    data = call.read(call.values[i], 8)
    sized = call.values[-1] if call.name.startswith("rt_sig") or call.name in WAITS else 8
    if data is None or sized != 8:
        return address(call.values[i])
    return mask_text(int.from_bytes(data, "little"))


def handler(value: int) -> str:
    """SIG_DFL, SIG_IGN or an address."""
    return style.named(hexadecimal(value), {0: "SIG_DFL", 1: "SIG_IGN"}.get(value) or f"{value:#x}")


@shows("*sigaction")
def sigaction(call: Call, i: int) -> str:
    """handler, mask, flags, and the restorer if there is one."""
    found = call.unpack(SIGACTION, call.values[i])
    if found is None or (call.result is not None and call.value(3) != 8):
        return address(call.values[i])
    function, flags, restorer, mask = found
    pairs = [
        ("sa_handler", handler(function)),
        ("sa_mask", mask_text(mask)),
        ("sa_flags", FLAGS["sigaction"].text(flags)),
    ]
    if flags & SA_RESTORER:
        pairs.append(("sa_restorer", address(restorer)))
    return fields(pairs)


@shows("*altstack")
def altstack(call: Call, i: int) -> str:
    """A stack for handlers."""
    found = call.unpack(STACK_T, call.values[i])
    if found is None:
        return address(call.values[i])
    sp, flags, size = found
    return fields(
        (
            ("ss_sp", address(sp)),
            ("ss_flags", FLAGS["altstack"].text(flags)),
            ("ss_size", str(size)),
        )
    )


def code_name(signo: int, code: int) -> str:
    """si_code, as ``-X`` asks."""
    text = _CODES.get(code) or _OF_SIGNAL.get(signo, {}).get(code) or f"{code & 0xFFFFFFFF:#x}"
    return style.named(str(code) if code < 0 else hexadecimal(code), text)


def siginfo_text(data: bytes) -> str:
    """siginfo_t: the head, and the members that this signal and code have."""
    signo, errno, code = struct.unpack_from("<iii", data)
    pairs = [("si_signo", name(signo)), ("si_code", code_name(signo, code))]
    if errno:
        pairs.append(("si_errno", str(errno)))
    if signo or code:
        pairs += _members(data, signo, code)
    return fields(pairs)


def _members(data: bytes, signo: int, code: int) -> list[tuple[str, str]]:
    pid, uid = struct.unpack_from("<iI", data, 16)
    sender = [("si_pid", str(pid)), ("si_uid", str(uid))]
    if code in (SI_USER, SI_TKILL):
        return sender
    if code == SI_TIMER:
        timer, overrun, value = struct.unpack_from("<iiQ", data, 16)
        return [
            ("si_timerid", hex(timer) if timer else "0"),
            ("si_overrun", str(overrun)),
            *_value(value),
        ]
    if code <= 0:
        value = struct.unpack_from("<Q", data, 24)[0]
        return sender + (_value(value) if code == SI_QUEUE or value else [])
    if signo == SIGCHLD:
        return sender + _child(data, code)
    if signo in FAULTS:
        return [("si_addr", address(struct.unpack_from("<Q", data, 16)[0]))]
    if code == SI_KERNEL:
        return []
    if signo == SIGIO:
        band, fd = struct.unpack_from("<qi", data, 16)
        return [("si_band", str(band)), ("si_fd", str(fd))]
    if signo == SIGSYS:
        where, number, _ = struct.unpack_from("<QiI", data, 16)
        return [("si_call_addr", address(where)), ("si_syscall", str(number))]
    return sender


def _value(value: int) -> list[tuple[str, str]]:
    signed = (value & 0x7FFFFFFF) - (value & 0x80000000)
    return [("si_int", str(signed)), ("si_ptr", address(value))]


def _child(data: bytes, code: int) -> list[tuple[str, str]]:
    status = struct.unpack_from("<i", data, 24)[0]
    utime, stime = struct.unpack_from("<qq", data, 32)
    shown = str(status) if code == signals.CLD_EXITED else name(status)
    return [("si_status", shown), ("si_utime", str(utime)), ("si_stime", str(stime))]


@shows("*siginfo")
def siginfo(call: Call, i: int) -> str:
    """siginfo_t."""
    data = call.read(call.values[i], 128)
    if call.name == "waitid" and data is not None and call.result == 0 and not any(data[:12]):
        return "{}"
    return address(call.values[i]) if data is None else siginfo_text(data)
