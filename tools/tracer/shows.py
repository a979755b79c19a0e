"""The registry of printers: from what a kind ``show``s to the function that prints it.

A printer gets the call and the index of its argument, and returns the text, or None if the argument
is not shown (the mode of an open without O_CREAT).

Arguments whose kind is ``out`` are *late*: what they show is written by the kernel, so they are
printed after the call, and as plain addresses if it failed.  strace prints everything before the
first late argument on entry, and the rest on exit; so do we.  Three exceptions: ``early`` printers
show an out argument on entry (poll's array), ``late_if`` decides per call (the third argument of
fcntl), and ``on_failure`` printers show something better than an address after an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from syscalls.kinds import Kind
from tools.tracer.names import CONSTANTS, FLAGS
from tools.tracer.text import address
from tools.tracer.view import Call

Printer = Callable[[Call, int], "str | None"]
LateIf = Callable[[Call, int], bool]


class Show(NamedTuple):
    """A printer and when it runs."""

    text: Printer
    early: bool = False
    late_if: LateIf | None = None
    on_failure: bool = False

    def is_late(self, kind: Kind, call: Call, i: int) -> bool:
        """Is the argument printed after the call?"""
        if self.late_if is not None:
            return self.late_if(call, i)
        return kind.out and not self.early

    def shown(self, kind: Kind, call: Call, i: int) -> str | None:
        """The text of an argument, now."""
        if call.failed and kind.is_pointer and self.is_late(kind, call, i) and not self.on_failure:
            return address(call.values[i])
        return self.text(call, i)


SHOWS: dict[str, Show] = {}


def shows(
    name: str,
    *,
    early: bool = False,
    late_if: LateIf | None = None,
    on_failure: bool = False,
) -> Callable[[Printer], Printer]:
    """Register a printer for ``Kind.show == name``."""

    def register(printer: Printer) -> Printer:
        SHOWS[name] = Show(printer, early, late_if, on_failure)
        return printer

    return register


def show_for(name: str) -> Show:
    """The printer of a kind; flags and constants come from their tables."""
    found = SHOWS.get(name)
    if found is None:
        found = SHOWS[name] = _from_table(name)
    return found


def _from_table(name: str) -> Show:
    family, _, table = name.partition(":")
    if family == "flags":
        flags = FLAGS[table]
        return Show(lambda call, i: flags.text(call.values[i]))
    if family == "const":
        constants = CONSTANTS[table]
        return Show(lambda call, i: constants.text(call.values[i]))
    raise KeyError(f"no printer shows {name!r}")
