"""Printers for processes: waiting, cloning, limits, usage, scheduling, futexes, capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi import process
from kernel.abi.process import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
    FUTEX_CLOCK_REALTIME,
    FUTEX_PRIVATE_FLAG,
)
from kernel.abi.structs import CAP_DATA, CAP_HEADER, CLONE_ARGS, RLIMIT, RUSAGE, TIMESPEC
from tools.tracer.names import CAPABILITY_BITS, CONSTANTS, FLAGS
from tools.tracer.show_signals import name as signal_text
from tools.tracer.show_times import pair
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

INFINITY = (1 << 64) - 1
CSIGNAL = 0xFF
FUTEX_COMMAND = 0x7F


def wait_status(status: int) -> str:
    """``{WIFEXITED(s) && WEXITSTATUS(s) == 3}`` without the braces' brackets."""
    if status & 0xFF == 0x7F:
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_text(status >> 8 & 0xFF)}}}"
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if status & 0x7F:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_text(status & 0x7F)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


@shows("*wait_status")
def wait_status_out(call: Call, i: int) -> str:
    """The status of the child that was found."""
    data = call.read(call.values[i], 4)
    if data is None or not call.result:
        return address(call.values[i])
    return f"[{wait_status(int.from_bytes(data, 'little'))}]"


USAGE = (
    "maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw "
    "nivcsw"
).split()


@shows("*rusage")
def rusage(call: Call, i: int) -> str:
    """Resource usage: the two times."""
    found = call.unpack(RUSAGE, call.values[i])
    if found is None or (call.name == "wait4" and not call.result):
        return address(call.values[i])
    user, system = (
        fields((("tv_sec", str(found[n])), ("tv_usec", str(found[n + 1])))) for n in (0, 2)
    )
    times = [("ru_utime", user), ("ru_stime", system)]
    if not call.detail.verbose:
        return fields(times, more=True)
    rest = [(f"ru_{name}", str(value)) for name, value in zip(USAGE, found[4:], strict=True)]
    return fields(times + rest)


def limit_text(value: int, infinity: str) -> str:
    """A limit: infinity, a multiple of 1024, or a number."""
    if value == INFINITY:
        return infinity
    if value > 1024 and value % 1024 == 0:
        return f"{value // 1024}*1024"
    return str(value)


@shows("*rlimit")
def rlimit(call: Call, i: int) -> str:
    """Soft and hard limit."""
    found = call.unpack(RLIMIT, call.values[i])
    if found is None:
        return address(call.values[i])
    infinity = "RLIM64_INFINITY" if call.name == "prlimit64" else "RLIM_INFINITY"
    return fields(
        (("rlim_cur", limit_text(found[0], infinity)), ("rlim_max", limit_text(found[1], infinity)))
    )


@shows("sched_policy")
def sched_policy(call: Call, i: int) -> str:
    """A scheduling policy."""
    return CONSTANTS["sched"].text(call.values[i])


@shows("*sched_param")
def sched_param(call: Call, i: int) -> str:
    """A priority."""
    data = call.read(call.values[i], 4)
    if data is None:
        return address(call.values[i])
    return f"[{int.from_bytes(data, 'little', signed=True)}]"


def _mask(data: bytes) -> str:
    bits = int.from_bytes(data, "little")
    return "[" + " ".join(str(n) for n in range(bits.bit_length()) if bits >> n & 1) + "]"


@shows("*cpu_mask")
def cpu_mask(call: Call, i: int) -> str:
    """A set of CPUs; its size is the argument before."""
    data = call.read(call.values[i], min(call.values[i - 1], 1024))
    return address(call.values[i]) if data is None else _mask(data)


@shows("*cpu_mask_out")
def cpu_mask_out(call: Call, i: int) -> str:
    """A set of CPUs; the result is its size."""
    data = call.read(call.values[i], min(call.result or 0, 1024))
    return address(call.values[i]) if data is None else _mask(data)


@shows("*groups")
def groups(call: Call, i: int) -> str:
    """Supplementary groups for the kernel."""
    return _groups(call, i, call.values[0])


@shows("*groups_out")
def groups_out(call: Call, i: int) -> str:
    """Supplementary groups from the kernel."""
    if not call.values[0]:
        return address(call.values[i])
    return _groups(call, i, call.result or 0)


def _groups(call: Call, i: int, count: int) -> str:
    if not 0 <= count <= 65536:
        return address(call.values[i])
    if not count:
        return "[]" if call.values[i] else "NULL"
    shown = min(count, 32)
    data = call.read(call.values[i], 4 * shown)
    if data is None:
        return address(call.values[i])
    found = [str(int.from_bytes(data[n : n + 4], "little")) for n in range(0, 4 * shown, 4)]
    return sequence([*found, "..."] if count > shown else found)


# --- clone ---------------------------------------------------------------------------------------


def clone_flags_text(flags: int, signal_mask: int = CSIGNAL) -> str:
    """``CLONE_VM|SIGCHLD``: flags and the exit signal in the low byte."""
    exit_signal = flags & signal_mask
    rest = flags & ~signal_mask
    parts = [FLAGS["clone"].text(rest)] if rest else []
    if exit_signal:
        parts.append(signal_text(exit_signal))
    return "|".join(parts) or "0"


@shows("clone_flags")
def clone_flags(call: Call, i: int) -> str:
    """The flags of clone(2)."""
    return clone_flags_text(call.values[i])


@shows("*clone_args")
def clone_args(call: Call, i: int) -> str:
    """The structure of clone3(2)."""
    size = call.value(i + 1)
    data = call.read(call.values[i], min(size, CLONE_ARGS.size)) if size >= 64 else None
    if data is None:
        return address(call.values[i])
    found = CLONE_ARGS.unpack(data.ljust(CLONE_ARGS.size, b"\0"))
    flags, pidfd, child, parent, signal, stack, stack_size, tls = found[:8]
    pairs = [("flags", FLAGS["clone"].text(flags))]
    for bit, label, value in (
        (CLONE_PIDFD, "pidfd", pidfd),
        (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, "child_tid", child),
        (CLONE_PARENT_SETTID, "parent_tid", parent),
    ):
        if flags & bit:
            pairs.append((label, address(value)))
    pairs.append(("exit_signal", signal_text(signal)))
    pairs += [("stack", address(stack)), ("stack_size", hexadecimal(stack_size))]
    if flags & CLONE_SETTLS:
        pairs.append(("tls", address(tls)))
    return fields(pairs)


# --- futex ---------------------------------------------------------------------------------------

_TIMED = (0, 6, 9, 11, 13)
_COUNTED = (3, 4, 5, 12)


@shows("futex_op")
def futex_op(call: Call, i: int) -> str:
    """The operation with its two flags."""
    value = call.values[i]
    command = CONSTANTS["futex"].by_value.get(value & FUTEX_COMMAND)
    extra = value & ~(FUTEX_COMMAND | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
    if command is None or extra:
        return CONSTANTS["futex"].text(value)
    text = command + ("_PRIVATE" if value & FUTEX_PRIVATE_FLAG else "")
    return text + ("|FUTEX_CLOCK_REALTIME" if value & FUTEX_CLOCK_REALTIME else "")


def futex_rest(call: Call) -> list[str]:
    """The last three arguments of futex(2), which depend on the operation."""
    _, op, _, timeout, second, third = call.values
    command = op & FUTEX_COMMAND
    if op & ~(FUTEX_COMMAND | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) or command > 13:
        return [address(timeout), address(second), hexadecimal(third)]
    if command == process.FUTEX_WAKE_BITSET:
        return [_bitset(third)]
    if command in _TIMED:
        when = pair(call, timeout, TIMESPEC, "nsec")
        if command == process.FUTEX_WAIT_BITSET:
            return [when, _bitset(third)]
        if command == process.FUTEX_WAIT_REQUEUE_PI:
            return [when, address(second)]
        return [when]
    if command in _COUNTED:
        rest = [str(timeout), address(second)]
        if command == process.FUTEX_WAKE_OP:
            return [*rest, _wake_op(third)]
        return rest if command == process.FUTEX_REQUEUE else [*rest, str(third)]
    return []


def _bitset(value: int) -> str:
    return "FUTEX_BITSET_MATCH_ANY" if value == 0xFFFFFFFF else f"{value:#x}"


def _wake_op(value: int) -> str:
    operations = ("SET", "ADD", "OR", "ANDN", "XOR")
    comparisons = ("EQ", "NE", "LT", "LE", "GT", "GE")
    op, comparison = value >> 28 & 7, value >> 24 & 15
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if value >> 31 else ""
    first = f"FUTEX_OP_{operations[op]}" if op < 5 else f"{op:#x}"
    second = f"FUTEX_OP_CMP_{comparisons[comparison]}" if comparison < 6 else f"{comparison:#x}"
    return (
        f"{shift}{first}<<28|{hexadecimal(value >> 12 & 0xFFF)}<<12|"
        f"{second}<<24|{hexadecimal(value & 0xFFF)}"
    )


# --- capabilities --------------------------------------------------------------------------------


@shows("*cap_header")
def cap_header(call: Call, i: int) -> str:
    """Version and pid."""
    found = call.unpack(CAP_HEADER, call.values[i])
    if found is None:
        return address(call.values[i])
    return fields((("version", CONSTANTS["cap_version"].text(found[0])), ("pid", str(found[1]))))


@shows("*cap_data")
def cap_data(call: Call, i: int) -> str:
    """The three sets."""
    header = call.unpack(CAP_HEADER, call.values[0])
    words = 1 if header is not None and header[0] == process._LINUX_CAPABILITY_VERSION_1 else 2
    data = call.read(call.values[i], words * CAP_DATA.size)
    if data is None:
        return address(call.values[i])
    sets = [0, 0, 0]
    for word in range(words):
        for index, value in enumerate(CAP_DATA.unpack_from(data, word * CAP_DATA.size)):
            sets[index] |= value << 32 * word
    names = ("effective", "permitted", "inheritable")
    return fields(
        (label, CAPABILITY_BITS.text(value)) for label, value in zip(names, sets, strict=True)
    )
