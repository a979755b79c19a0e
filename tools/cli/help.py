"""Help texts, made from the option tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tools.cli.options import Option

OVERVIEW: Final = """\
Usage: diorama COMMAND [OPTIONS] [PROGRAM [ARGS...]]

Runs unmodified Linux programs on a working model of the Linux kernel.

  run       run a program            diorama run busybox sh -c 'ls -la / | wc -l'
  trace     show its system calls    diorama trace -f busybox sh -c 'date | cat'
  stats     count its system calls   diorama stats busybox find /
  debug     stop it, look, change    diorama debug -ex 'break openat' busybox cat /etc/passwd
  top       watch it, live           diorama top busybox sh
  shell     a shell inside           diorama shell -v "$PWD:/work" -w /work
  syscalls  what is supported        diorama syscalls --arch aarch64
  inspect   what is in a binary      diorama inspect busybox

`diorama COMMAND --help` shows a command's options; `diorama --version` the version.
"""

USAGE: Final = {
    "run": (
        "run [OPTIONS] PROGRAM [ARGS...]",
        "Runs PROGRAM, an ELF binary or a #! script for x86_64 or aarch64, and exits as it does.",
        """diorama run -v "$PWD:/work:ro" -w /work busybox find . -name '*.py'""",
    ),
    "trace": (
        "trace [OPTIONS] PROGRAM [ARGS...]",
        "Runs PROGRAM and shows each system call as strace does.",
        "diorama trace -f -e trace=openat,read -o calls.txt busybox sh -c 'cat /etc/passwd'",
    ),
    "stats": (
        "stats [OPTIONS] PROGRAM [ARGS...]",
        "Runs PROGRAM, then prints a table of its system calls on stderr.",
        "diorama stats --stats=calls.json busybox ls -lR /",
    ),
    "debug": (
        "debug [OPTIONS] PROGRAM [ARGS...]",
        "Stops PROGRAM before its first instruction and takes commands; `help` lists them.",
        """diorama debug -ex 'break write if fd == 1' -ex continue -ex fds busybox echo hello""",
    ),
    "top": (
        "top [OPTIONS] PROGRAM [ARGS...] | top --attach[=PATH|PID]",
        "Shows a running machine: its terminal, tasks, system calls, files, memory, waits.",
        "diorama top busybox sh    # ? in it shows the keys",
    ),
    "shell": (
        "shell [OPTIONS]",
        "Opens a BusyBox shell; where stdin is no terminal, it runs the script that comes there.",
        "echo 'uname -a; ps' | diorama shell --arch aarch64",
    ),
    "syscalls": (
        "syscalls [--arch CPU] [--json]",
        "Lists the supported system calls, from their declarations.",
        "diorama syscalls --json",
    ),
    "inspect": (
        "inspect [--json] [-d WHERE] ELF",
        "Shows what is in a binary and whether it can run here; nothing is executed.",
        "diorama inspect -d main ./program",
    ),
}


def overview() -> str:
    """``diorama --help``."""
    return OVERVIEW


def command_help(command: str, options: Iterable[Option[Any]]) -> str:
    """``diorama COMMAND --help``; Any, because the drafts of the commands differ."""
    usage, what, example = USAGE[command]
    lines = [f"Usage: diorama {usage}", "", what, "", f"  {example}", "", "Options:"]
    lines += [_line(option) for option in options]
    return "\n".join(lines) + "\n"


def _line(option: Option[Any]) -> str:
    """One option with its help, beside or, where it is long, below it."""
    names = ", ".join(option.names)
    if option.metavar:
        names += option.metavar if option.optional else f" {option.metavar}"
    gap = " " if len(names) < 26 else "\n" + " " * 29
    return f"  {names:<26}{gap}{option.help}"
