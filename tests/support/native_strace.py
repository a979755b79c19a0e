"""The real strace around the real kernel: one command in a root like the one in memory.

The root is the differential runner's (``tests.support.differential``): the same files, devices and
/proc as inside, in namespaces of its own, so that strace's ``-f`` sees what ``diorama trace -f``
sees.  strace itself runs outside the root but inside the namespaces, where its pids are the
program's.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from typing import Final

from tests.support import oracles
from tests.support.differential import (
    ENVIRONMENT,
    WORK,
    Command,
    lay_out,
    namespaces_missing,
    network_of_its_own,
    prepared,
)
from tests.support.guest import run_cli
from tools.fetch import HOST_CPU
from tools.scratch import scratch
from userland.build import build_source

SECONDS: Final = 120.0
NO_PIDS: Final = 99
TRACER: Final = 9000
"""strace's own pids are from here on, so that the command's are those it has inside: 2, 3, ..."""
# Pid 1 of the namespaces: it starts pid 2, and waits for strace, its grandchild, to write the rest.
INIT: Final = f"""
mount -t proc proc "$1/proc"; hostname diorama; umask 022; shift; cd /; ulimit -Sn 1024
echo 1 2>/dev/null >/proc/sys/kernel/ns_last_pid || exit {NO_PIDS}
sh -c 'echo {TRACER} >/proc/sys/kernel/ns_last_pid; exec "$@"' sh "$@" <&0
status=$?
while grep -qs "State:.[RSD]" /proc/90[0-9][0-9]/status; do sleep 0.01; done
exit $status
"""
# What becomes the command.  It makes few calls, so that little has to be cut from the trace, and
# says where to cut even if its execve is not shown: by a write that fails.
MARK: Final = re.compile(r"write\((-1|0xf+|4294967295), .*= -1 EBADF")
ENTER: Final = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[4096], *variables[64];
    int at = 2, count = 0;
    cpu_set_t first = {{1}};
    int pids = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
    write(pids, "2", 1);
    close(pids);
    sched_setaffinity(0, sizeof first, &first);
    setsid();
    if (chroot(argv[1]) || chdir("/"))
        return 126;
    while (strcmp(argv[at], "--"))
        variables[count++] = argv[at++];
    variables[count] = 0;
    argv += at + 1;
    snprintf(path, sizeof path, "%s%s", strchr(argv[0], '/') ? "" : "/bin/", argv[0]);
    write(-1, "the command is next", 19);
    execve(path, argv, variables);
    return 127;
}
"""


def strace_trace(command: Command, options: Sequence[str]) -> str:
    """What ``strace OPTIONS`` says of the command on this host's kernel, from its execve on."""
    strace = oracles.program("strace")
    if HOST_CPU != "x86_64" or not oracles.can_chroot():
        oracles.cannot_run("strace needs an x86_64 Linux host and root")
    if reason := namespaces_missing():
        oracles.cannot_run(reason)
    with scratch("strace") as place:
        root, output = place / "root", place / "trace"
        root.mkdir()
        lay_out(root, "x86_64")
        prepared(root / WORK, command)
        variables = {**ENVIRONMENT, **command.environment}
        words = [
            *network_of_its_own(root),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
            *("--mount-proc", "sh", "-c", INIT, "init", str(root)),
            *(str(strace), "-D", "-f", "-o", str(output), *options),
            *(str(build_source("enter", "x86_64", ENTER)), str(root)),
            *(f"{name}={value}" for name, value in variables.items()),
            *("--", *command.argv),
        ]
        with open(place / "in", "w+b") as given, open(place / "out", "w+b") as out:
            for file in (given, out):  # as the test's own temporary files are
                os.fchmod(file.fileno(), 0o600)
            given.write(command.stdin)
            given.seek(0)
            done = subprocess.run(
                words,
                stdin=given,
                stdout=out,
                stderr=out,
                timeout=SECONDS,
                check=False,
            )
        if done.returncode == NO_PIDS:
            oracles.cannot_run("the pids of a new namespace cannot be chosen here")
        if not output.exists() or not output.stat().st_size:
            oracles.cannot_run("strace is not permitted here")
        return _of_the_command(output.read_text(errors="surrogateescape"), command.argv[0])


def _of_the_command(text: str, program: str) -> str:
    """Without what set the scene."""
    lines = text.splitlines(keepends=True)
    wanted = f'/{os.path.basename(program)}", ['
    for index, line in enumerate(lines):
        if MARK.search(line):
            lines = lines[index + 1 :]
            break
    for index, line in enumerate(lines):
        if "execve(" in line and wanted in line and "= 0" in line:
            lines = lines[index:]
            break
    return "".join(lines)


def diorama_trace(
    command: Command, arch: str, options: Sequence[str], beside: Sequence[str] = ()
) -> str:
    """What ``diorama trace OPTIONS`` says of it.  ``beside``: more of run's options."""
    with scratch("trace") as place:
        work = prepared(place / WORK, command)
        output = place / "trace"
        variables = [word for k, v in command.environment.items() for word in ("--env", f"{k}={v}")]
        run_cli(
            "trace",
            *("--arch", arch) if command.argv[0] == "busybox" else (),
            *("-f", "-o", str(output), *options, *beside, *variables),
            *("--volume", f"{work}:/{WORK}", "--timeout", str(SECONDS)),
            *command.argv,
            stdin=command.stdin,
        )
        return output.read_text(encoding="utf-8", errors="surrogateescape")
