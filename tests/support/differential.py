"""The differential runner: one command outside and inside, and what differs.

*Outside* is the real kernel: the command runs in a chroot that holds the same files as the root in
memory (they come from the same table), in namespaces of its own, as pid 2 below an init, with the
same argv, environment, working directory and umask.  For the other CPU it runs under qemu-user,
where only the program itself, not its children, can be emulated.  *Inside* is Diorama.

The files of a command lie in a working directory, ``/work``; what it left there is compared too.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kernel.fs.root import DIRECTORIES, FILES, LINKS
from tests.support.guest import run_guest
from tests.support.oracles import cannot_run, program
from tools.busybox import find_busybox
from tools.config import DEFAULT_PATH, Volume
from tools.fetch import HOST_CPU
from tools.scratch import scratch

WORK: Final = "work"
HELPERS: Final = "tmp/.outside"  # what the run outside needs and the command is not to see
ENVIRONMENT: Final = {"PATH": DEFAULT_PATH.decode(), "HOME": "/root"}
DEVICES: Final = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
MEMORY_DEVICES: Final = 1
SECONDS: Final = 60.0

# A network of its own, with its loopback interface up, so that no command can harm the host's.
ALONE: Final = '"$0" ifconfig lo up; exec "$@"'
# Pid 1 outside: it starts the command as pid 2, leader of its own session, and reports its status.
INIT: Final = 'cd /work; umask 022; "$@"; exit $?'


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: an argv whose first word is a path or an applet's name."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.  ``files`` maps paths in /work to kind, mode and content."""

    status: int
    stdout: bytes
    stderr: bytes
    files: Mapping[str, tuple[str, int, bytes]]


def busybox(*argv: str, stdin: bytes = b"", **files: bytes) -> Command:
    """A BusyBox applet with input files; `_` in a file's keyword stands for a dot."""
    named = {name.replace("_", "."): content for name, content in files.items()}
    return Command(("/bin/busybox", *argv), stdin, named)


def script(text: str, stdin: bytes = b"", **files: bytes) -> Command:
    """A shell script."""
    return busybox("sh", "-c", text, stdin=stdin, **files)


def inside(command: Command, arch: str) -> Outcome:
    """On Diorama.  The program is the BusyBox of that CPU, or a path of the host."""
    with scratch("inside") as place:
        work = prepared(place / WORK, command)
        program_, args = _program(command)
        result = run_guest(
            program_,
            *args,
            arch=arch,
            stdin=command.stdin,
            volumes=(Volume(str(work), b"/work"),),
            workdir=b"/work",
            environment={k.encode(): v.encode() for k, v in command.environment.items()},
            quiet=True,
            timeout=SECONDS,
        )
        return Outcome(result.status, result.stdout, result.stderr, _tree(work))


def outside(command: Command, arch: str) -> Outcome:
    """On the real kernel, or for the other CPU under qemu-user."""
    with scratch("outside") as root:
        lay_out(root, arch)
        prepared(root / WORK, command)
        prefix = _enter(root, command.environment)
        if arch != HOST_CPU:
            emulator = program(f"qemu-{arch}-static")
            shutil.copy(emulator.resolve(), root / HELPERS / "qemu")
            prefix = [*prefix, f"/{HELPERS}/qemu", "-0", command.argv[0]]
        done = subprocess.run(
            [*prefix, *command.argv],
            input=command.stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Outcome(_status(done.returncode), done.stdout, done.stderr, _tree(root / WORK))


def assert_same(command: Command, arch: str, *, stderr: bool = True, oracle: str = "") -> Outcome:
    """Both must agree.  ``oracle`` names another CPU to ask outside, for scripts whose output does
    not depend on the CPU: qemu-user runs one program, not what that executes."""
    expected = outside(command, oracle or arch)
    if b"applet not found" in expected.stderr:
        raise AssertionError(f"no such applet outside: {command.argv}")
    got = inside(command, arch)
    assert got.stdout == expected.stdout
    assert got.status == expected.status
    assert got.files == expected.files
    if stderr:
        assert got.stderr == expected.stderr
    return got


def _program(command: Command) -> tuple[str, tuple[str, ...]]:
    """BusyBox by its name, so that argv[0] is the same in both worlds."""
    first, *args = command.argv
    return ("busybox" if first == "/bin/busybox" else first), tuple(args)


def prepared(work: Path, command: Command) -> Path:
    """The working directory with the command's files."""
    work.mkdir(parents=True)
    for name, content in command.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644)
    return work


def _tree(work: Path) -> dict[str, tuple[str, int, bytes]]:
    """Everything below a directory: kind, permission bits, content or target."""
    found = {}
    for path in sorted(work.rglob("*")):
        name = path.relative_to(work).as_posix()
        mode = path.lstat().st_mode & 0o7777
        if path.is_symlink():
            found[name] = ("link", 0, os.readlink(os.fsencode(path)))
        elif path.is_dir():
            found[name] = ("directory", mode, b"")
        elif path.is_file():
            found[name] = ("file", mode, path.read_bytes())
        else:
            found[name] = ("other", mode, b"")
    return found


def lay_out(root: Path, arch: str) -> None:
    """The root in memory, on the host."""
    for directory in (root, root.parent):
        directory.chmod(0o755)  # mkdtemp's 0700 would shut out everyone but root
    for name, mode in DIRECTORIES:
        directory = root / os.fsdecode(name)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(mode)
    for name, mode, content in FILES:
        file = root / os.fsdecode(name)
        file.write_bytes(content)
        file.chmod(mode)
    for name, target in LINKS:
        (root / os.fsdecode(name)).symlink_to(os.fsdecode(target))
    shutil.copy(find_busybox(arch), root / "bin" / "busybox")
    (root / HELPERS).mkdir()
    shutil.copy(find_busybox(HOST_CPU), root / HELPERS / "busybox")
    for applet in _applets():
        link = root / applet
        if not link.exists() and not link.is_symlink():
            link.symlink_to("/bin/busybox")
    for device, minor in DEVICES.items():
        os.mknod(root / "dev" / device, stat.S_IFCHR, os.makedev(MEMORY_DEVICES, minor))
        (root / "dev" / device).chmod(0o666)


@functools.cache
def _applets() -> tuple[str, ...]:
    """Where BusyBox wants its links."""
    command = [str(find_busybox(HOST_CPU)), "--list-full"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(done.stdout.split())


def _enter(root: Path, environment: Mapping[str, str]) -> list[str]:
    """What starts a command as pid 2 in that root, in namespaces of its own."""
    reason = namespaces_missing()
    if reason:
        cannot_run(reason)
    return [
        *network_of_its_own(root),
        *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
        *(f"--mount-proc={root}/proc", "chroot", str(root)),
        *(f"/{HELPERS}/busybox", "sh", "-c", INIT, "init", f"/{HELPERS}/busybox", "env", "-i"),
        *(f"{name}={value}" for name, value in {**ENVIRONMENT, **environment}.items()),
        *(f"/{HELPERS}/busybox", "setsid"),
    ]


def network_of_its_own(root: Path) -> list[str]:
    """What starts a command that sees no interface of the host's."""
    return ["unshare", "--net", "sh", "-c", ALONE, str(root / HELPERS / "busybox")]


@functools.cache
def namespaces_missing() -> str:
    """Why there can be no chroot with a /proc of its own here; '' if there can."""
    if shutil.which("unshare") is None or shutil.which("chroot") is None:
        return "unshare and chroot are not on PATH"
    with tempfile.TemporaryDirectory() as scratch:
        command = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
        command += [f"--mount-proc={scratch}", "chroot", "/", "true"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no namespaces for a native run: {done.stderr.strip()}" if done.returncode else ""


def _status(returncode: int) -> int:
    """As a shell has it."""
    return 128 - returncode if returncode < 0 else returncode
