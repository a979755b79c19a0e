"""Which files does a program need?  Those it opened, by how often, and those it looked for in vain.

python docs/examples/files_used.py PROGRAM [ARGS...]
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import diorama


def files_used(machine: diorama.Machine, command: list[str]) -> tuple[Counter[str], Counter[str]]:
    """(found, missing) paths of a program and everything it starts."""
    found: Counter[str] = Counter()
    missing: Counter[str] = Counter()

    @machine.on_exit("%file")
    def note(call: diorama.Call) -> None:
        for name in ("pathname", "filename", "path"):
            if name in call.args and isinstance(path := call.args[name], str):
                if call.error is None:
                    found[path] += 1
                elif call.error == "ENOENT":
                    missing[path] += 1

    if "/" in command[0] and os.path.isfile(command[0]):  # a program of the host's comes along
        machine.mount(command[0], guest := f"/bin/{os.path.basename(command[0])}", read_only=True)
        command = [guest, *command[1:]]
    with note:
        machine.spawn(*command)
        machine.run()
    return found, missing


def main(words: list[str]) -> int:
    """The command line."""
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with diorama.boot() as machine:
            found, missing = files_used(machine, words)
    except diorama.DioramaError as error:
        print(error, file=sys.stderr)
        return 1
    for path, times in sorted(found.items()):
        print(f"{times:4d}  {path}")
    for path, times in sorted(missing.items()):
        print(f"{times:4d}  {path} (not there)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
