"""``diorama syscalls``: what is supported, from the declarations and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from tools.cli.messages import show
from tools.cli.options import Option, Parser, UsageError
from tools.cli.run_options import ARCHES, cpu_named


@dataclass(slots=True)
class SyscallsDraft:
    """What was asked for."""

    arch: str | None = None
    json: bool = False


class Row(TypedDict):
    """One supported call on one CPU."""

    arch: str
    number: int
    name: str
    man: str
    family: str
    support: str
    note: str


def _arch(draft: SyscallsDraft, value: str) -> None:
    draft.arch = cpu_named(value)


def _json(draft: SyscallsDraft, _: str) -> None:
    draft.json = True


SYSCALLS_OPTIONS: Final = (
    Option(("--arch",), "CPU", "only this CPU's: x86_64, aarch64", _arch),
    Option(("--json",), "", "as JSON, one object per call and CPU", _json),
)


def syscalls(words: Sequence[str]) -> int:
    """Print the table of supported calls."""
    draft = SyscallsDraft()
    rest = Parser("syscalls", SYSCALLS_OPTIONS).parse(words, draft)
    if rest:
        raise UsageError(f"syscalls: unexpected argument {rest[0]}")
    arches = (draft.arch,) if draft.arch else ARCHES
    rows = [row for arch in arches for row in supported(arch)]
    return show(json.dumps(rows, indent=1) + "\n" if draft.json else "".join(_text(rows)))


def supported(arch: str) -> Iterator[Row]:
    """The declared calls of a CPU by number."""
    # Here and not above: loading every handler takes longer than `diorama run --help` should.
    from syscalls import load_families
    from syscalls.declare import DECLARATIONS
    from syscalls.numbers import NUMBERS

    load_families()
    numbered = [
        (number, declaration)
        for declaration in DECLARATIONS.values()
        if arch in declaration.arches
        and (number := NUMBERS[arch].get(declaration.name)) is not None
    ]
    for number, declaration in sorted(numbered, key=lambda pair: pair[0]):
        yield Row(
            arch=arch,
            number=number,
            name=declaration.name,
            man=declaration.man,
            family=declaration.family,
            support="partial" if declaration.partial else "full",
            note=declaration.partial or "",
        )


def _text(rows: Sequence[Row]) -> Iterator[str]:
    """The table for people: one block per CPU."""
    previous = ""
    for row in rows:
        if row["arch"] != previous:
            previous = row["arch"]
            count = sum(other["arch"] == previous for other in rows)
            yield f"{previous}: {count} system calls\n"
        note = f"  ({row['note']})" if row["note"] else ""
        yield f"{row['number']:>5}  {row['name']:<24} {row['man']:<26} {row['support']}{note}\n"
