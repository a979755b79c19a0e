"""What does a program do if one of its system calls fails?  Try it for each, one at a time.

    python docs/examples/fail_every_call.py [ERROR] PROGRAM [ARGS...]

runs PROGRAM once to count its calls, then once for each of them, with that one call failing with
ERROR (ENOMEM unless said), and prints where it died or hung, or said it had succeeded.
"""

from __future__ import annotations

import os
import sys

import diorama
from kernel.abi.errors import BY_NAME

IGNORED = "!exit,exit_group,execve,rt_sigreturn"
SECONDS = 5.0


def run_once(command: list[str], fail_at: int, error: str) -> tuple[str, int | None, str, int]:
    """(the call that failed, exit status or None, stdout, how many calls there were)."""
    count, failed = 0, ""

    def fail(call: diorama.Call) -> str | None:
        nonlocal count, failed
        count += 1
        if count != fail_at:
            return None
        failed = call.text
        return error

    with diorama.boot(memory="64m", deterministic=True) as machine:
        if "/" in command[0] and os.path.isfile(command[0]):  # one of the host's comes along
            guest = f"/bin/{os.path.basename(command[0])}"
            machine.mount(command[0], guest, read_only=True)
            command = [guest, *command[1:]]
        machine.on_call(IGNORED, fail)
        process = machine.spawn(*command, stdin=b"")
        machine.run(seconds=SECONDS)
        return failed, process.status, process.stdout, count


def main(words: list[str]) -> int:
    """The command line."""
    error = words.pop(0) if words and words[0] in BY_NAME else "ENOMEM"
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        _, status, output, calls = run_once(words, 0, error)
    except diorama.DioramaError as why:
        print(why, file=sys.stderr)
        return 1
    print(f"{' '.join(words)}: {calls} calls, exit status {status}")
    for number in range(1, calls + 1):
        failed, now, printed, _ = run_once(words, number, error)
        if now is None:
            print(f"hangs:   {failed} = {error}")
        elif 128 < now <= 192:
            print(f"dies:    {failed} = {error}, signal {now - 128}")
        elif now == status and printed != output:
            print(f"lies:    {failed} = {error}, but exit status {now}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
