"""A small option parser: getopt_long(3) with docker's and strace's habits.

argparse cannot say what is asked for in one place (options that end at the program, ``-ff``
beside ``-f``, values that come only after ``=``, no abbreviations, one-line errors), and a parser
that is a table and a page of code starts in no time.

- Options end at the first word that is none, and at ``--``.
- ``--name VALUE``, ``--name=VALUE``, ``-n VALUE``, ``-nVALUE``; short flags may be joined: ``-it``.
- Of options such as ``-f`` and ``-ff`` the longest wins.
- ``[=VALUE]``: the value comes after ``=`` or not at all, never from the next word.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tools.errors import DioramaError

DraftT = TypeVar("DraftT", contravariant=True)


class UsageError(DioramaError):
    """The command line cannot be understood."""


@dataclass(frozen=True, slots=True)
class Option(Generic[DraftT]):
    """One option: ``apply(draft, value)`` writes down what it says.

    ``metavar`` is '' for a flag (its value is ''), 'X' for a required value, '[=X]' for one that
    only comes after ``=`` (else '').
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    apply: Callable[[DraftT, str], None]

    @property
    def takes_value(self) -> bool:
        """Whether a value must follow."""
        return bool(self.metavar) and not self.optional

    @property
    def optional(self) -> bool:
        """Whether a value may follow, after ``=``."""
        return self.metavar.startswith("[=")


class Parser(Generic[DraftT]):
    """Applies the words of a command line to a draft."""

    def __init__(self, command: str, options: Iterable[Option[DraftT]]) -> None:
        self.command = command
        self.options = tuple(options)
        self._named = {name: option for option in self.options for name in option.names}

    def parse(self, words: Sequence[str], draft: DraftT) -> list[str]:
        """Apply leading options to ``draft``; returns the words after them."""
        rest = list(words)
        while rest and rest[0].startswith("-") and rest[0] != "-":
            word = rest.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                self._long(word, rest, draft)
            else:
                self._short(word, rest, draft)
        return rest

    def _long(self, word: str, rest: list[str], draft: DraftT) -> None:
        """``--name``, ``--name VALUE``, ``--name=VALUE``."""
        name, equals, value = word.partition("=")
        option = self._find(name)
        if option.takes_value and not equals:
            value = self._next(name, option, rest)
        elif equals and not option.metavar:
            raise UsageError(f"{self.command}: option {name} takes no value")
        self._apply(option, name, value, draft)

    def _short(self, word: str, rest: list[str], draft: DraftT) -> None:
        """``-n``, ``-nVALUE``, ``-n VALUE``, ``-ab``, ``-ff``."""
        letters = word[1:]
        while letters:
            name = self._longest(letters)
            option = self._find(name)
            letters = letters[len(name) - 1 :]
            value = ""
            if option.takes_value:
                value, letters = letters or self._next(name, option, rest), ""
            self._apply(option, name, value, draft)

    def _longest(self, letters: str) -> str:
        """The longest option that the letters begin with; else their first, to complain about."""
        names = (f"-{letters[:length]}" for length in range(len(letters), 0, -1))
        return next((name for name in names if name in self._named), f"-{letters[0]}")

    def _find(self, name: str) -> Option[DraftT]:
        option = self._named.get(name)
        if option is None:
            like = difflib.get_close_matches(name, self._named, 1, 0.75) if name[2:] else []
            hint = f"{like[0]}? see" if like else "see"
            raise UsageError(
                f"{self.command}: unknown option {name} ({hint} diorama {self.command} --help)"
            )
        return option

    def _next(self, name: str, option: Option[DraftT], rest: list[str]) -> str:
        """The next word as a value."""
        if not rest:
            raise UsageError(f"{self.command}: option {name} needs a value, {option.metavar}")
        return rest.pop(0)

    def _apply(self, option: Option[DraftT], name: str, value: str, draft: DraftT) -> None:
        """Let the option write its value down; a complaint gets the option's name."""
        try:
            option.apply(draft, value)
        except ValueError as error:
            raise UsageError(f"{self.command}: {name}: {error}") from None
