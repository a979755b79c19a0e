"""``-e trace=SET``, ``-e signal=SET``, ``-e status=SET``: what is shown.  See strace(1), Filtering.

A set is a list of members joined by commas; ``!`` before the list turns it around.  Members of a
trace set are names, ``/regex``, ``%class``, ``all``, ``none``; ``?`` before a member allows a name
that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel.abi.limits import PATH_MAX
from kernel.abi.signals import NSIG
from syscalls.declare import DECLARATIONS, Declaration
from tools.tracer.meant import call_like, like
from tools.tracer.show_basic import path_of_descriptor
from tools.tracer.show_signals import name as signal_name

if TYPE_CHECKING:
    from tools.tracer.view import Call

DUMPS = frozenset({"read", "reads", "r", "write", "writes", "w"})
"""Qualifiers that are no filters; see ``dump``."""
LOOKS = frozenset(
    "abbrev a verbose v raw x quiet q silent silence decode-fds decode-fd decode-pids "
    "decode-pid".split()
)
"""Those that say how a line looks; see ``qualifiers``."""
STATUSES = ("successful", "failed", "unfinished", "unavailable", "detached")

_CLASS_NAMES: Mapping[str, str] = {
    "process": "clone clone3 fork vfork execve execveat exit exit_group wait4 waitid kill tkill "
    "tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
    "signal": "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait "
    "rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack kill tkill tgkill pause signalfd "
    "signalfd4 pidfd_send_signal",
    "ipc": "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl",
    "network": "socket socketpair bind listen accept accept4 connect getsockname getpeername "
    "sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown setsockopt getsockopt sendfile "
    "getpmsg putpmsg",
    "memory": "mmap munmap mprotect mremap brk madvise msync mincore mlock mlock2 munlock mlockall "
    "munlockall remap_file_pages pkey_mprotect mbind shmat shmdt "
    "set_mempolicy get_mempolicy migrate_pages move_pages io_setup io_destroy",
    "creds": "getuid geteuid getgid getegid getresuid getresgid setuid setgid setreuid setregid "
    "setresuid setresgid setfsuid setfsgid getgroups setgroups capget capset prctl",
    "clock": "clock_gettime clock_settime clock_getres clock_adjtime adjtimex gettimeofday "
    "settimeofday time",
    "pure": "getpid getppid gettid getuid geteuid getgid getegid getpgrp",
    "stat": "stat",
    "lstat": "lstat",
    "fstat": "fstat newfstatat statx",
    "statfs": "statfs",
    "fstatfs": "fstatfs",
    "%stat": "stat lstat fstat newfstatat statx",
    "%statfs": "statfs fstatfs ustat",
}


def _is_file(declaration: Declaration) -> bool:
    """%file: calls that take a path."""
    if declaration.name in ("getcwd", "chdir"):
        return True
    return any(p.kind.show == "*path" for p in declaration.parameters)


def _is_descriptor(declaration: Declaration) -> bool:
    """%desc: calls that take or return a descriptor."""
    if declaration.name in _NOT_DESCRIPTORS or declaration.name in class_members("network"):
        return declaration.name == "sendfile"
    shows = {p.kind.show for p in declaration.parameters}
    wanted = {"fd", "dirfd", "*pollfds", "*fd_set", "*pipe_fds"}
    return bool(shows & wanted) or declaration.result == "NewFd"


_CLASS_TESTS: Mapping[str, Callable[[Declaration], bool]] = {
    "file": _is_file,
    "desc": _is_descriptor,
}
_NOT_DESCRIPTORS = frozenset({"close_range"})
_SYNONYMS = {
    "net": "network",
    "fd": "desc",
    "descriptor": "desc",
    "filesystem": "file",
    "mem": "memory",
}


class FilterError(ValueError):
    """An expression that strace would refuse; the text says why."""


class DescriptorSet:
    """``3,5``, ``all``, ``none``, ``!1``: which descriptors."""

    def __init__(self, text: str) -> None:
        self._inverted = text.startswith("!")
        self._members: set[int] = set()
        for word in text.removeprefix("!").split(","):
            if word == "all":
                self._inverted, self._members = not self._inverted, set()
            elif word.isdecimal():
                self._members.add(int(word))
            elif word != "none":
                raise FilterError(f"invalid descriptor {word!r}")

    def __contains__(self, fd: int) -> bool:
        return (fd in self._members) is not self._inverted


def class_members(name: str) -> frozenset[str]:
    """The calls of a class."""
    name = _SYNONYMS.get(name, name)
    if name in _CLASS_NAMES:
        return frozenset(_CLASS_NAMES[name].split())
    if name in _CLASS_TESTS:
        test = _CLASS_TESTS[name]
        return frozenset(d.name for d in DECLARATIONS.values() if test(d))
    hint = like(name, sorted({*_CLASS_NAMES, *_CLASS_TESTS}))
    raise FilterError(f"no class of system calls is called %{name}{hint}")


def _split(text: str) -> tuple[bool, list[str]]:
    """(inverted, members)."""
    inverted = text.startswith("!")
    return inverted, text.removeprefix("!").split(",")


def parse_trace(text: str, known: Iterable[str]) -> frozenset[str]:
    """The calls that ``-e trace=text`` selects among the known names."""
    names = frozenset(known)
    inverted, members = _split(text)
    chosen: set[str] = set()
    for member in members:
        chosen |= _member(member, names)
    return names - chosen if inverted else frozenset(chosen)


def _member(member: str, names: frozenset[str]) -> frozenset[str]:
    optional = member.startswith("?")
    member = member.removeprefix("?")
    member, at, personality = member.partition("@")
    if at and personality != "64":
        raise FilterError(f"{member}@{personality}: every program here is a 64-bit one")
    if member == "all":
        return names
    if member == "none":
        return frozenset()
    if member.startswith("%"):
        return class_members(member[1:]) & names
    if member.startswith("/"):
        try:
            pattern = re.compile(member[1:])
        except re.error as error:
            raise FilterError(f"bad regular expression {member[1:]!r}: {error}") from None
        return frozenset(name for name in names if pattern.search(name))
    if member in names:
        return frozenset((member,))
    if member in _OLD_CLASSES:
        return class_members(member) & names
    if optional:
        return frozenset()
    raise FilterError(f"invalid system call {member!r}{_hint(member, names)}")


def _hint(member: str, names: frozenset[str]) -> str:
    """What may have been meant; on a CPU without the older calls, what it has for one."""
    if not member:
        return " (names are joined by commas without blanks)"
    return call_like(member, sorted(names))


_OLD_CLASSES = frozenset({"file", "process", "network", "signal", "ipc", "desc", "memory"})


def parse_signals(text: str) -> frozenset[int]:
    """The signals that ``-e signal=text`` selects."""
    inverted, members = _split(text)
    numbers = {signal_name(n): n for n in range(1, NSIG + 1)}
    chosen: set[int] = set()
    for member in members:
        if member == "all":
            chosen.update(numbers.values())
        elif member.isdigit() and 0 < int(member) <= NSIG:
            chosen.add(int(member))
        elif member != "none":
            full = member.upper() if member.upper().startswith("SIG") else "SIG" + member.upper()
            if full not in numbers:
                number = member.lstrip("-").isdigit()
                hint = f" (1 to {NSIG})" if number else like(full, numbers)
                raise FilterError(f"invalid signal {member!r}{hint}")
            chosen.add(numbers[full])
    every = frozenset(numbers.values())
    return every - chosen if inverted else frozenset(chosen)


def parse_statuses(text: str) -> frozenset[str]:
    """The ends that ``-e status=text`` selects."""
    inverted, members = _split(text)
    chosen: set[str] = set()
    for member in members:
        if member == "all":
            chosen.update(STATUSES)
        elif member in STATUSES:
            chosen.add(member)
        elif member != "none":
            wanted = ", ".join(STATUSES)
            raise FilterError(f"invalid status {member!r}: want some of {wanted}")
    return frozenset(STATUSES) - chosen if inverted else frozenset(chosen)


def touches(call: Call, wanted: Filter) -> bool:
    """``-P`` and ``-e trace-fds=``: does a call name one of the paths, or use a descriptor that
    refers to one, or one of the descriptors?"""
    if call.declaration is None:
        return False
    paths = wanted.paths or frozenset()
    for index, (_, kind) in enumerate(call.declaration.parameters):
        if kind.show == "*path":
            found = call.read_string(call.values[index], PATH_MAX)
            if found is not None and found[0] in paths:
                return True
        elif kind.show in ("fd", "dirfd"):
            if wanted.descriptors is not None and call.values[index] in wanted.descriptors:
                return True
            path = path_of_descriptor(call, call.values[index])
            if path is not None and path.encode(errors="surrogateescape") in paths:
                return True
    return False


@dataclass(slots=True)
class Filter:
    """What is shown: None everywhere means everything."""

    calls: frozenset[str] | None = None
    signals: frozenset[int] | None = None
    statuses: frozenset[str] | None = None
    unknown: bool = field(default=True)
    paths: frozenset[bytes] | None = None
    descriptors: DescriptorSet | None = None

    @property
    def narrow(self) -> bool:
        """Does it take a look at the arguments?"""
        return self.paths is not None or self.descriptors is not None

    @property
    def detached(self) -> bool:
        """Are calls shown in which the tracer let a task go?"""
        return self.statuses is None or "detached" in self.statuses

    @classmethod
    def parse(cls, expressions: Iterable[str], known: Iterable[str]) -> Filter:
        """From the values of ``-e``; a bare set means ``trace=``.  The last of a kind counts."""
        found = cls()
        names = frozenset(known)
        for expression in expressions:
            qualifier, equals, text = expression.partition("=")
            if not equals:
                qualifier, text = "trace", expression
            if qualifier in ("trace", "t"):
                found.calls = parse_trace(text, names)
                found.unknown = text.startswith("!") or text == "all"
            elif qualifier in ("signal", "signals", "s"):
                found.signals = parse_signals(text)
            elif qualifier == "status":
                found.statuses = parse_statuses(text)
            elif qualifier in ("trace-fds", "trace-fd"):
                found.descriptors = DescriptorSet(text)
            elif qualifier not in DUMPS and qualifier not in LOOKS:
                raise FilterError(f"invalid qualifier {qualifier!r}")
        return found

    def call(self, name: str | None) -> bool:
        """Is this call shown?"""
        if self.calls is None:
            return True
        return self.unknown if name is None else name in self.calls

    def signal(self, number: int) -> bool:
        """Is this signal shown?"""
        return self.signals is None or number in self.signals

    def status(self, failed: bool) -> bool:
        """Is a call that ended so shown?"""
        if self.statuses is None:
            return True
        return ("failed" if failed else "successful") in self.statuses

    @property
    def unfinished(self) -> bool:
        """Are calls shown whose task died in them?"""
        return self.statuses is None or "unfinished" in self.statuses
