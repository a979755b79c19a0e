"""What stands after the ``=``: a number in its base, an error by name, and a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi import files, process
from kernel.abi.errors import (
    BY_NUMBER,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTSYS,
    Restart,
)
from syscalls.kinds import RESULTS
from tools.tracer.names import CONSTANTS, FLAGS
from tools.tracer.show_basic import describe_fd, pid_text
from tools.tracer.show_files import open_flags_abbrev, poll_note, select_note
from tools.tracer.show_signals import abbrev as signal_text
from tools.tracer.show_system import personality_abbrev
from tools.tracer.text import calendar, hexadecimal, mode_bits

if TYPE_CHECKING:
    from tools.tracer.view import Call


def result_text(call: Call) -> str:
    """Everything behind ``= ``."""
    assert call.result is not None
    if call.failed:
        return _error(call, -call.result)
    if call.detail.raw:
        return hexadecimal(call.result)
    if call.name in _SPECIAL:
        return _SPECIAL[call.name](call, call.result)
    show = RESULTS[call.declaration.result] if call.declaration else "dec"
    if show == "hex":
        return hexadecimal(call.result)
    if show == "oct":
        return mode_bits(call.result)
    if show == "fd":
        return describe_fd(call, call.result)
    if show == "pid":
        return pid_text(call, call.result)
    return str(call.result)


def _error(call: Call, number: int) -> str:
    error = BY_NUMBER.get(number)
    if error is None:
        return f"-1 (errno {number})"
    if issubclass(error, Restart):
        text = "Interrupted by signal" if error is ERESTART_RESTARTBLOCK else error.text
        return f"? {error.__name__} ({text})"
    return f"-1 {error.__name__} ({error.text})"


def _fcntl(call: Call, result: int) -> str:
    command = call.values[1]
    if command == files.F_GETFD:
        return f"{result:#x} (flags {FLAGS['fd'].abbrev(result)})" if result else "0"
    if command == files.F_GETFL:
        flags = open_flags_abbrev(call.task.kernel.arch.open_flags_in(result))
        return f"{hexadecimal(result)} (flags {flags})"
    if command == files.F_GET_SEALS:
        return f"{result:#x} (seals {FLAGS['seals'].abbrev(result)})" if result else "0"
    if command == files.F_GETSIG:
        return f"{result} ({signal_text(result)})" if result else "0"
    if command == files.F_GETLEASE:
        return f"{hexadecimal(result)} ({CONSTANTS['lock_type'].abbrev(result)})"
    if command in (files.F_DUPFD, files.F_DUPFD_CLOEXEC):
        return describe_fd(call, result)
    return str(result)


def _prctl(call: Call, result: int) -> str:
    option = call.values[0]
    if option == process.PR_GET_DUMPABLE:
        return f"{result} ({CONSTANTS['dumpable'].abbrev(result)})"
    if option == process.PR_GET_SECUREBITS and result:
        return f"{result:#x} ({FLAGS['securebits'].abbrev(result)})"
    return str(result)


def _time(call: Call, result: int) -> str:
    return f"{result} ({calendar(result)})"


def _personality(call: Call, result: int) -> str:
    return f"{hexadecimal(result)} ({personality_abbrev(result)})"


def _policy(call: Call, result: int) -> str:
    return f"{result} ({CONSTANTS['sched'].abbrev(result)})"


def _poll(call: Call, result: int) -> str:
    return f"{result}{poll_note(call)}" if call.detail.structures else str(result)


def _select(call: Call, result: int) -> str:
    return f"{result}{select_note(call)}" if call.detail.structures else str(result)


def _number(call: Call, result: int) -> str:
    return str(result)


def _signal(call: Call, result: int) -> str:
    return f"{result} ({signal_text(result)})"


_RESTART_BLOCK: Final = frozenset({"nanosleep", "clock_nanosleep", "poll", "restart_syscall"})
_NO_HANDLER: Final = frozenset({"pause", "rt_sigsuspend", "select", "pselect6", "ppoll"})


def interruption(call: Call) -> int:
    """The code with which a signal ends this call's sleep (signal(7), "Interruption ...")."""
    if call.name in _RESTART_BLOCK or (call.name == "futex" and call.value(3)):
        return ERESTART_RESTARTBLOCK.errno
    return ERESTARTNOHAND.errno if call.name in _NO_HANDLER else ERESTARTSYS.errno


_SPECIAL: Final[dict[str, Callable[[Call, int], str]]] = {
    "fcntl": _fcntl,
    "ioctl": _number,
    "prctl": _prctl,
    "time": _time,
    "personality": _personality,
    "sched_getscheduler": _policy,
    "poll": _poll,
    "ppoll": _poll,
    "select": _select,
    "pselect6": _select,
    "rt_sigtimedwait": _signal,
    "futex": _number,
}
DECODED_ON_EXIT: Final = frozenset({"poll", "ppoll", "select", "pselect6"})
"""Calls that add something after the result: never complete on entry."""
