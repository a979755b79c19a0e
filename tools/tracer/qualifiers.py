"""``-e`` qualifiers that change how lines look: which calls are whole, undecoded, or quiet.

``abbrev=SET`` ``verbose=SET`` ``raw=SET`` ``quiet=SET`` ``decode-fds=SET`` ``decode-pids=SET``; see
strace(1).  What is shown at all is said by ``filters``, what is dumped by ``dump``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from tools.tracer.filters import FilterError, parse_trace
from tools.tracer.view import Detail

QUIET: Final = ("attach", "exit", "path-resolution", "personality", "thread-execve")
QUIET_NAMES: Final = {
    "attaching": "attach",
    "exits": "exit",
    "path-resolve": "path-resolution",
    "personalities": "personality",
    "thread-exec": "thread-execve",
    "superseded": "thread-execve",
}
DESCRIPTORS: Final = ("path", "socket", "dev", "pidfd", "eventfd", "signalfd")
PIDS: Final = ("comm", "pidns")
ALIASES: Final = {
    "a": "abbrev",
    "v": "verbose",
    "x": "raw",
    "q": "quiet",
    "silent": "quiet",
    "silence": "quiet",
    "decode-fd": "decode-fds",
    "decode-pid": "decode-pids",
}
QUALIFIERS: Final = frozenset(
    ("abbrev", "verbose", "raw", "quiet", "decode-fds", "decode-pids", *ALIASES)
)


def parse_members(kind: str, text: str, known: Iterable[str]) -> frozenset[str]:
    """``all``, ``none``, ``a,b``, ``!a,b`` of a fixed list."""
    every = frozenset(known)
    inverted = text.startswith("!")
    chosen: set[str] = set()
    for word in text.removeprefix("!").split(","):
        name = QUIET_NAMES.get(word, word) if kind == "quiet" else word
        if name == "all":
            chosen |= every
        elif name in every:
            chosen.add(name)
        elif name != "none":
            raise FilterError(f"invalid {kind} {word!r}")
    return every - chosen if inverted else frozenset(chosen)


@dataclass(slots=True)
class Looks:
    """How the lines of each call look.

    ``whole``: calls whose structures are not abbreviated; ``decoded``: those whose structures are
    shown at all; ``raw``: those whose arguments are numbers.  None stands for every call.
    """

    detail: Detail
    whole: frozenset[str] | None = frozenset()
    decoded: frozenset[str] | None = None
    raw: frozenset[str] | None = frozenset()
    quiet: frozenset[str] = frozenset()
    _made: dict[str, Detail] = field(default_factory=dict)

    @classmethod
    def parse(cls, expressions: Iterable[str], known: Iterable[str], detail: Detail) -> Looks:
        """From the values of ``-e``; the last of a kind counts.  FilterError: no such member."""
        found = cls(detail)
        names = frozenset(known)
        for expression in expressions:
            word, equals, text = expression.partition("=")
            kind = ALIASES.get(word, word)
            if not equals or kind not in QUALIFIERS:
                continue
            if kind == "abbrev":
                short = parse_trace(text, names)
                found.whole = None if not short else names - short
            elif kind == "verbose":
                found.decoded = parse_trace(text, names)
            elif kind == "raw":
                found.raw = None if text == "all" else parse_trace(text, names)
            elif kind == "quiet":
                found.quiet = parse_members("quiet", text, QUIET)
            elif kind == "decode-fds":
                fds = parse_members("decode-fds", text, DESCRIPTORS)
                found.detail = replace(found.detail, descriptors=fds)
            else:
                pids = parse_members("decode-pids", text, PIDS)
                found.detail = replace(found.detail, comms="comm" in pids)
        return found

    def of(self, name: str) -> Detail:
        """The detail of a call."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = replace(
                self.detail,
                verbose=self.whole is None or name in self.whole,
                structures=self.decoded is None or name in self.decoded,
                raw=self.raw is None or name in self.raw,
            )
        return made
