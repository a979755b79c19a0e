"""Arguments as Python values: numbers that know their names, strings, structures.

There is one set of decoders, the tracer's, and it makes text.  ``parse`` reads that text back into
values, so a structure shown as ``{st_mode=S_IFREG|0644, st_size=3}`` is a dictionary here, and what
the trace learns to show, the library can read.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final, NamedTuple, Self

_TOKEN: Final = re.compile(r"[^,={}\[\]()\"]+")
_NUMBER: Final = re.compile(r"-?(0x[0-9a-f]+|\d+)", re.ASCII)
_COMMENT: Final = re.compile(r"\s*/\*.*?\*/")
_ESCAPES: Final = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12, "\\": 92, '"': 34}
_UNWRAPPED: Final = frozenset({"htons", "htonl", "inet_addr", "makedev"})


class Number(int):
    """An integer with the text a trace shows for it: flags, modes, descriptors, signals.

    ``str`` gives the text, and ``"O_CREAT" in flags`` asks for one of the names.
    """

    text: str

    def __new__(cls, value: int, text: str) -> Self:
        made = super().__new__(cls, value)
        made.text = text
        return made

    def __contains__(self, name: str) -> bool:
        return name in self.text.split("|")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class Struct(dict[str, Any]):  # Any: numbers, strings, lists, structures
    """A C structure by member: ``found["st_size"]`` or ``found.st_size``.

    Members that are flags, and whatever else is no number and no string, are the trace's text.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no member {name!r}; there are {', '.join(self)}") from None

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name}={value!r}" for name, value in self.items()) + "}"


def parse(text: str) -> Any:
    """The value of a shown argument: None for NULL, int, bytes, list, Struct, else the text."""
    reader = _Reader(_COMMENT.sub("", text) if '"' not in text else text)
    try:
        value = reader.value()
    except (IndexError, ValueError):  # an escape that is cut, a number that is none
        return text
    return value if reader.at_end else text


def strings(value: Any) -> Any:
    """The same with text in place of bytes: what the kernel takes for names."""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, list):
        return [strings(item) for item in value]
    if isinstance(value, Struct):
        return Struct((name, strings(item)) for name, item in value.items())
    return value


class _Named(NamedTuple):
    """A member whose name is inside: ``inet_pton(AF_INET6, "::1", &sin6_addr)``."""

    name: str
    value: Any


class _Reader:
    """Reads one value after the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Was everything understood?"""
        return not self._text[self._at :].strip()

    def _skip(self, wanted: str) -> bool:
        rest = self._text[self._at :]
        bare = rest.lstrip()
        if not bare.startswith(wanted):
            return False
        self._at += len(rest) - len(bare) + len(wanted)
        return True

    def value(self) -> Any:
        """One value."""
        if self._skip("{"):
            return self._struct()
        if self._skip("["):
            return self._list("]")
        if self._skip('"'):
            return self._string()
        if self._skip("..."):
            return ...
        return self._word()

    def _struct(self) -> Any:
        found = Struct()
        while not self._skip("}"):
            start = self._at
            name = _TOKEN.match(self._text, self._at)
            if name is not None:
                self._at = name.end()
            if name is not None and self._skip("="):
                found[name[0].strip()] = self.value()
            else:  # {fd, ...}, {B1 exit, ...}: no names
                self._at = start
                value = self.value()
                if isinstance(value, _Named):
                    found[value.name] = value.value
                else:
                    found[str(len(found))] = value
            self._skip(",")
            if self._at == start:
                break
        found.pop("...", None)
        return Struct((k, v) for k, v in found.items() if v is not ...)

    def _list(self, end: str) -> list[Any]:
        found: list[Any] = []
        while not self._skip(end):
            start = self._at
            found.append(self.value())
            self._skip(",")
            if self._at == start:
                break
        return found

    def _string(self) -> bytes:
        text, at = self._text, self._at
        found = bytearray()
        while at < len(text) and text[at] != '"':
            if text[at] != "\\":
                found.append(ord(text[at]) & 0xFF)
                at += 1
            elif text[at + 1] == "x":
                found.append(int(text[at + 2 : at + 4], 16))
                at += 4
            elif text[at + 1] in "01234567":
                digits = re.compile(r"[0-7]{1,3}").match(text, at + 1)
                assert digits is not None
                found.append(int(digits[0], 8))
                at = digits.end()
            else:
                found.append(_ESCAPES.get(text[at + 1], ord(text[at + 1])))
                at += 2
        self._at = at + 1
        self._skip("...")
        return bytes(found)

    def _word(self) -> Any:
        match = _TOKEN.match(self._text, self._at)
        word = match[0].strip() if match is not None else ""
        if match is not None:
            self._at = match.end()
        if self._skip("("):
            inner = self._list(")")
            if word == "inet_pton" and len(inner) == 3:
                return _Named(str(inner[2]).lstrip("&"), inner[1])
            if word in _UNWRAPPED and len(inner) == 1:
                return inner[0]
            return f"{word}({', '.join(map(str, inner))})"
        return _scalar(word)


def _scalar(word: str) -> Any:
    if word == "NULL":
        return None
    if not _NUMBER.fullmatch(word):
        return word
    if re.fullmatch(r"0\d+", word, re.ASCII):
        return int(word, 8)
    return int(word, 0)
