"""Tampering with system calls: ``--inject``, with strace's grammar (strace(1), Tampering).

``SET[:error=E|:retval=N][:syscall=CALL][:signal=SIG][:delay_enter=T][:delay_exit=T]``
``[:poke_enter=@argN=HEX,...][:poke_exit=@argN=HEX,...][:when=FIRST[..LAST][+[STEP]]]``

A call with ``error`` or ``retval`` is not made; its result is invented.  ``poke_enter`` writes
bytes where an argument points to, before the call is made (and shown), ``poke_exit`` when it has
been.
``when`` counts the calls of each task separately.  Times are microseconds, or carry a unit: s, ms,
us, ns.  ``syscall``: the call without effect that strace makes instead of one whose result is
invented; here none has to be made.

Unlike strace's, a delay is not the whole tracer's: the task sleeps and others go on.  A signal ends
a delay early.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kernel.abi.errors import BY_NAME, BY_NUMBER, ERESTARTNOINTR, KernelError, Restart
from kernel.abi.results import NO_RETURN_VALUE
from kernel.events import Observer
from kernel.machine.dispatch import Door, Passage
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from kernel.wait import Interrupted, Sleep
from tools.tracer.filters import FilterError, class_members, parse_signals, parse_trace

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

LARGEST_WHEN: Final = 0xFFFF
MAX_ERRNO: Final = 4095
TRAP_WORDS: Final = 16
UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1, "": 1000}
INJECTED: Final = "INJECTED"
POKED: Final = "INJECTED: args"
BOTH: Final = "INJECTED: args, retval"
ARGUMENTS: Final = 6
Pokes = tuple[tuple[int, bytes], ...]
"""(index of the argument, bytes for where it points to)."""
DELAYED: Final = "DELAYED"
_TIME: Final = "microseconds, or with a unit: 10ms, 2s"
_POKES: Final = "@argN=HEX,... with N from 1 to 6 and two digits a byte"
_WANTED: Final = {
    "error": f"an error's name, or 1 to {MAX_ERRNO}",
    "retval": "0 to 2^63-1",
    "signal": "one signal",
    "delay_enter": _TIME,
    "delay_exit": _TIME,
    "poke_enter": _POKES,
    "poke_exit": _POKES,
    "syscall": "a call of %pure",
    "when": f"FIRST[..LAST][+[STEP]], from 1 to {LARGEST_WHEN}",
}


class Marks:
    """What was done to the call a task is in: ``INJECTED``, ``DELAYED``, both or nothing."""

    def __init__(self) -> None:
        self._marks: dict[int, tuple[str, ...]] = {}

    def of(self, tid: int) -> tuple[str, ...]:
        """The words that the end of the trace line carries."""
        return self._marks.get(tid, ())

    def set(self, tid: int, words: tuple[str, ...]) -> None:
        """For the call the task is entering."""
        if words:
            self._marks[tid] = words
        else:
            self._marks.pop(tid, None)


@dataclass(frozen=True, slots=True)
class When:
    """Which of a task's calls: from ``first``, every ``step``-th, to ``last``."""

    first: int = 1
    last: int = 1 << 62
    step: int = 1

    def hits(self, count: int) -> bool:
        """Is the ``count``-th call meant?  Counted from 1."""
        return self.first <= count <= self.last and not (count - self.first) % self.step


@dataclass(slots=True)
class Injection:
    """One ``--inject``.  ``counts``: calls so far by (tid, number)."""

    names: frozenset[str]
    result: int | None = None
    signal: int | None = None
    delay_enter: int = 0
    delay_exit: int = 0
    poke_enter: Pokes = ()
    poke_exit: Pokes = ()
    when: When = field(default_factory=When)
    counts: dict[tuple[int, int], int] = field(default_factory=dict)

    def marks(self, poked: bool) -> tuple[str, ...]:
        """How a line with it ends; ``poked``: bytes were really written."""
        if poked:
            injected: tuple[str, ...] = (BOTH if self.result is not None else POKED,)
        else:
            injected = (INJECTED,) if self.result is not None else ()
        return (*injected, DELAYED) if self.delay_enter or self.delay_exit else injected

    def hits(self, tid: int, number: int) -> bool:
        """Count one call; is it to be tampered with?"""
        count = self.counts.get((tid, number), 0) + 1
        self.counts[tid, number] = count
        return self.when.hits(count)


def parse_injection(text: str, known: Iterable[str], *, fault: bool = False) -> Injection:
    """From the value of ``--inject``; ``fault``: of ``-e fault``, whose error is ENOSYS if unsaid.

    FilterError: strace would refuse it too.
    """
    names, *options = text.split(":")
    found = Injection(parse_trace(names, known))
    seen: set[str] = set()
    for option in options:
        key, _, value = option.partition("=")
        if key in seen or (key in ("error", "retval") and seen & {"error", "retval"}):
            why = f"{key} twice" if key in seen else "error or retval, not both"
            raise FilterError(f"invalid inject argument {text!r}: {why}")
        seen.add(key)
        if key == "syscall":
            fine = value in class_members("pure")
        else:
            fine = _apply(found, key, value) and not (fault and key not in ("error", "when"))
        if not fine:
            raise FilterError(f"invalid inject argument {text!r}: {_refusal(option, fault)}")
    if fault and found.result is None:
        found.result = -BY_NAME["ENOSYS"].errno
    if not seen - {"when", "syscall"} and not fault:
        raise FilterError(f"invalid inject argument {text!r}: it does nothing ({_does()})")
    return found


def _does() -> str:
    return ", ".join(f"{key}=" for key in _WANTED if key not in ("when", "syscall"))


def _refusal(option: str, fault: bool) -> str:
    """What is wrong with ``key=value``, and what is wanted."""
    key = option.partition("=")[0]
    allowed = [name for name in _WANTED if not fault or name in ("error", "when")]
    if key not in allowed:
        return f"{option!r} is none of {', '.join(f'{name}=' for name in allowed)}"
    return f"{option!r}: want {_WANTED[key]}"


def _apply(found: Injection, key: str, value: str) -> bool:
    """One ``key=value``; False if it cannot be meant."""
    if key == "error":
        error = BY_NUMBER.get(int(value)) if value.isdecimal() else BY_NAME.get(value.upper())
        if value.isdecimal() and 0 < int(value) <= MAX_ERRNO:
            found.result = -int(value)
        elif error is not None and error.errno < 512:
            found.result = -error.errno
        else:
            return False
        return True
    if key == "retval":
        found.result = _number(value)
        return found.result is not None
    if key == "signal":
        found.signal = _signal(value)
        return found.signal is not None
    if key in ("delay_enter", "delay_exit"):
        delay = _delay(value)
        setattr(found, key, delay or 0)
        return delay is not None
    if key in ("poke_enter", "poke_exit"):
        pokes = _pokes(value)
        setattr(found, key, pokes)
        return bool(pokes)
    when = _when(value) if key == "when" else None
    found.when = when or found.when
    return when is not None


def _number(text: str) -> int | None:
    """Not negative, and within a register."""
    try:
        value = int(text, 0)
    except ValueError:
        return None
    return value if 0 <= value < 1 << 63 else None


def _signal(text: str) -> int | None:
    if text in ("", "all", "none") or "," in text or text.startswith("!"):
        return None
    try:
        (number,) = parse_signals(text)
    except FilterError:
        return None
    return number


def _pokes(text: str) -> Pokes:
    """``@arg1=HEX,@arg3=HEX``: each argument once, whole bytes.  Nothing if that is not it."""
    found: dict[int, bytes] = {}
    for word in text.split(","):
        match = re.fullmatch(r"@arg([1-9])=((?:[0-9a-fA-F]{2})+)", word, re.ASCII)
        if match is None or int(match[1]) > ARGUMENTS or int(match[1]) - 1 in found:
            return ()
        found[int(match[1]) - 1] = bytes.fromhex(match[2])
    return tuple(found.items())


def _delay(text: str) -> int | None:
    """Nanoseconds."""
    match = re.fullmatch(r"(\d+)(s|ms|us|ns|)", text, re.ASCII)
    return int(match[1]) * UNITS[match[2]] if match is not None else None


def _when(text: str) -> When | None:
    """``FIRST[..LAST][+[STEP]]``."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?(\+(\d+)?)?", text, re.ASCII)
    if match is None:
        return None
    first = int(match[1])
    last = int(match[2]) if match[2] else None
    step = int(match[4]) if match[4] else 1
    if not 0 < first <= LARGEST_WHEN or not 0 < step <= LARGEST_WHEN:
        return None
    if last is not None and not first <= last <= LARGEST_WHEN:
        return None
    if last is None:
        last = 1 << 62 if match[3] else first
    return When(first, last, step)


class Tampering(Observer["Task"], Door):
    """The injections of one run: a door, which every call passes before anybody sees it, and a hook
    in the place of the call.

    ``_root``: without ``-f``, only this process is tampered with; the first that executes.
    ``_chosen``: what happens to the call a task is in.
    """

    def __init__(
        self, injections: list[Injection], table: SyscallTable, marks: Marks, *, follow: bool
    ) -> None:
        self.active = True
        self._injections = injections
        self._table = table
        self._marks = marks
        self._follow = follow
        self._root: int | None = None
        self._chosen: dict[int, Injection] = {}
        self._poked: dict[int, None] = {}
        names = frozenset().union(*(injection.names for injection in injections))
        self._numbers = sorted(table.numbers[name] for name in names)
        self.numbers = frozenset(self._numbers)

    def install(self, machine: Machine) -> None:
        """Stand before each call that an injection names."""
        machine.add_door(self)
        for number in self._numbers:
            machine.hook(number, self._hook)

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """The first is the program's."""
        self.adopt(task)

    def adopt(self, task: Task) -> None:
        """The first task with a program is the one that is meant without ``-f``."""
        if self._root is None and task.comm:
            self._root = task.tgid

    def enter(self, task: Task, passage: Passage) -> None:
        """Choose what happens to a call, and write what it is to find in memory."""
        self._chosen.pop(task.tid, None)
        self._poked.pop(task.tid, None)
        if not self.active or not (self._follow or task.tgid == self._root):
            return
        found = self._find(task.tid, passage.number)
        if found is None:
            self._marks.set(task.tid, ())
            return
        self._chosen[task.tid] = found
        self._poke(task, passage, found, found.poke_enter)

    def leave(self, task: Task, passage: Passage) -> None:
        """Write what the program is to find afterwards."""
        found = self._chosen.pop(task.tid, None)
        if found is not None and found.poke_exit:
            self._poke(task, passage, found, found.poke_exit)

    def _poke(self, task: Task, passage: Passage, found: Injection, pokes: Pokes) -> None:
        for index, data in pokes:
            where = passage.args[index]
            try:
                task.mem.write(where, data)
            except KernelError as error:
                name = self._table.name(passage.number)
                task.kernel.log(f"pid {task.tid}: {name}: cannot poke {where:#x}: {error.text}")
            else:
                self._poked[task.tid] = None
        self._marks.set(task.tid, found.marks(task.tid in self._poked))

    def _hook(self, task: Task, number: int, args: tuple[int, ...]) -> Any:
        """The result in place of the call's, a generator that sleeps, or None."""
        found = self._chosen.get(task.tid)
        if found is None:
            return None
        if found.signal is not None:
            send_to_task(task, SigInfo(found.signal, reason="--inject asked for it"))
        if found.delay_enter or found.delay_exit:
            return self._delayed(task, number, args, found)
        return found.result

    def _find(self, tid: int, number: int) -> Injection | None:
        """The last of the injections that name the call: as in strace, it replaces the others."""
        name = self._table.name(number)
        meant = [i for i in self._injections if name in i.names]
        return meant[-1] if meant and meant[-1].hits(tid, number) else None

    def _delayed(
        self, task: Task, number: int, args: tuple[int, ...], found: Injection
    ) -> Generator[Sleep, bool, Any]:
        """Sleep, make the call or invent its result, sleep."""
        patient = True
        if found.delay_enter:
            patient = yield from _pause(task, found.delay_enter)
        error: KernelError | None = None
        result: Any = found.result
        if result is None:
            try:
                result = self._call(task, number, args)
                if result.__class__ is not int and result is not NO_RETURN_VALUE:
                    if not patient:  # interrupted already: no other sleep is allowed
                        result.close()
                        raise ERESTARTNOINTR("a signal came in the delay")
                    result = yield from result
            except Restart:
                raise
            except KernelError as raised:
                error = raised
        if found.delay_exit and patient and not task.dead:
            yield from _pause(task, found.delay_exit)
        if error is not None:
            raise error
        return result

    def _call(self, task: Task, number: int, args: tuple[int, ...]) -> Any:
        trap = memoryview(bytearray(8 * TRAP_WORDS)).cast("Q")
        for index, word in enumerate((number, *args)):
            trap[index] = word
        return self._table.entries[number](task, trap)


def _pause(task: Task, nanoseconds: int) -> Generator[Sleep, bool, bool]:
    """Sleep that long; False if a signal came."""
    try:
        yield Sleep((), task.kernel.clock.monotonic() + nanoseconds)
    except Interrupted:
        return False
    return True
