"""``diorama inspect ELF``: what is in a binary; nothing runs."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tools.boot.program import BUSYBOX_NAMES, host_arch
from tools.busybox import find_busybox
from tools.cli.messages import show
from tools.cli.options import Option, Parser, UsageError
from tools.cli.run_options import cpu_named
from tools.errors import DioramaError
from tools.tracer.meant import like

if TYPE_CHECKING:
    from tools.elfview.image import Image

LONGEST_LISTING: Final = 1 << 20


@dataclass(slots=True)
class InspectDraft:
    """What was asked for."""

    json: bool = False
    disassemble: str | None = None
    arch: str | None = None


def _json(draft: InspectDraft, _: str) -> None:
    draft.json = True


def _disassemble(draft: InspectDraft, value: str) -> None:
    draft.disassemble = value


def _arch(draft: InspectDraft, value: str) -> None:
    draft.arch = cpu_named(value)


INSPECT_OPTIONS: Final = (
    Option(("--arch",), "CPU", "the CPU, for the names busybox and sh: x86_64, aarch64", _arch),
    Option(("--json",), "", "as one JSON object", _json),
    Option(
        ("-d", "--disassemble"),
        "WHERE",
        "instead, the instructions of a function, START-END or START+SIZE",
        _disassemble,
    ),
)


def inspect(words: Sequence[str]) -> int:
    """Print the report on one file, or a listing."""
    draft = InspectDraft()
    rest = Parser("inspect", INSPECT_OPTIONS).parse(words, draft)
    if len(rest) != 1:
        raise UsageError("inspect: one ELF file is wanted (see diorama inspect --help)")
    data = _read(rest[0], draft.arch)
    # Here and not above: pyelftools and capstone take longer to load than a program to start.
    from tools.elfview.image import Image
    from tools.elfview.report import as_text, report

    image = Image(data, rest[0])
    if draft.arch not in (None, image.machine):
        raise DioramaError(f"{rest[0]}: is for {image.machine}, and --arch says {draft.arch}")
    if draft.disassemble is not None:
        return show(_listing(image, draft.disassemble, as_json=draft.json))
    document = report(image)
    return show(json.dumps(document, indent=1) + "\n" if draft.json else as_text(document))


def _read(name: str, arch: str | None) -> bytes:
    """The file; a name that is no file here means what it means to ``run``.

    ``busybox`` and ``sh`` are the BusyBox of the wanted CPU; others are looked up on PATH.
    """
    path = name
    if "/" not in name and not os.path.exists(name):
        if name in BUSYBOX_NAMES:
            path = str(find_busybox(arch or host_arch()))
        else:
            path = shutil.which(name) or name
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DioramaError(f"{name}: not a regular file")
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DioramaError(f"{name}: {reason}") from None


def _open(path: str, flags: int) -> int:
    """A FIFO must not make us wait for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _listing(image: Image, where: str, *, as_json: bool) -> str:
    from tools.elfview.image import named_errors
    from tools.elfview.instructions import listing
    from tools.elfview.report import listing_plain, listing_text

    with named_errors(image.name):
        start, size = _range(image, where)
        instructions = listing(image, start, size)
        if as_json:
            return json.dumps(listing_plain(image, instructions), indent=1) + "\n"
        return listing_text(image, instructions)


def _range(image: Image, where: str) -> tuple[int, int]:
    """A function's name, START-END, START+SIZE; numbers as in C."""
    for function in image.functions:
        if function.name == where:
            return function.address, min(function.size or 64, LONGEST_LISTING)
    if where in image.named:  # another name of one: printf of _IO_printf
        address, size = image.named[where]
        return address, min(size or 64, LONGEST_LISTING)
    for separator in "-+":
        left, found, right = where.partition(separator)
        if found:
            try:
                start, other = int(left, 0), int(right, 0)
            except ValueError:
                continue
            size = other - start if separator == "-" else other
            if 0 < size <= LONGEST_LISTING:
                return start, size
            raise DioramaError(f"{where}: want 1 to {LONGEST_LISTING} bytes")
    raise DioramaError(f"{image.name}: no function is called {where}{like(where, image.named)}")
