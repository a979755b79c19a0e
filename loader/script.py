"""``#!`` lines.

The kernel looks at the first 256 bytes: after ``#!``, blanks, the interpreter's path, and the rest
of the line as *one* argument, without blanks at its ends.  The interpreter is started as
``interpreter [argument] script arguments...``.  Linux analogue: ``fs/binfmt_script.c``; see
execve(2), "Interpreter scripts".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel.abi.errors import ENOEXEC

BINPRM_BUF_SIZE: Final = 256
MAX_NESTING: Final = 5
"""How many interpreters may be scripts themselves: the next is ELOOP."""

_BLANKS: Final = b" \t"


class Script(NamedTuple):
    """What a ``#!`` line says."""

    interpreter: bytes
    argument: bytes | None

    def argv(self, path: bytes, argv: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Arguments of the interpreter; the script's argv[0] is replaced by its path."""
        optional = () if self.argument is None else (self.argument,)
        return (self.interpreter, *optional, path, *argv[1:])


def parse_script(head: bytes) -> Script | None:
    """The script behind the first bytes of a file; None if they are no ``#!`` line.

    Raises ENOEXEC when the line names no interpreter, or its path does not fit into 256 bytes (an
    argument that does not fit is cut, as in Linux).
    """
    if head[:2] != b"#!":
        return None
    head = head[:BINPRM_BUF_SIZE]
    line, newline, _ = head[2:].partition(b"\n")
    line, nul, _ = line.partition(b"\0")
    complete = bool(newline or nul) or len(head) < BINPRM_BUF_SIZE
    line = line.lstrip(_BLANKS)
    if not complete and not any(blank in line for blank in _BLANKS):
        raise ENOEXEC("the path after #! is too long")
    line = line.rstrip(_BLANKS) if complete else line
    end = next((index for index, byte in enumerate(line) if byte in _BLANKS), len(line))
    interpreter, argument = line[:end], line[end:].strip(_BLANKS)
    if not interpreter:
        raise ENOEXEC("nothing after #!")
    return Script(interpreter, argument or None)
