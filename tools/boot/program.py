"""Which file PROGRAM means, on the host or in the guest.

A name without a slash is looked up on the caller's PATH, one with a slash is a path of the
caller's; either way the file is shown read-only at /bin/BASENAME.  Where a root file system is
given, or the path lies inside a volume, the guest's own path is meant and nothing is added.
``busybox`` and ``sh`` are names for the BusyBox of the wanted CPU.
"""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from kernel.abi.files import AT_FDCWD
from kernel.task.program import open_program
from tools.busybox import find_busybox, identify
from tools.errors import CannotRun, DioramaError, ProgramNotFound

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.config import RunConfig, Volume

ARCHES: Final = ("x86_64", "aarch64")
BUSYBOX_NAMES: Final = ("busybox", "sh")
_HOST_NAMES: Final = {"arm64": "aarch64", "amd64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Program:
    """``host``: the file to show in /bin, or None if the guest's own tree has it.

    ``path``: what execve is called with; ``argv0``: PROGRAM as typed; ``arch``: whose CPU;
    ``source``: where the host has the file, if it is known.
    """

    host: str | None
    path: bytes
    argv0: bytes
    arch: str
    source: str | None = None

    @property
    def is_busybox(self) -> bool:
        """Does it get applet links?"""
        return os.path.basename(self.host or os.fsdecode(self.path)).startswith("busybox")


def host_arch() -> str:
    """The CPU of the host, if it is one of ours, else x86_64."""
    machine = platform.machine().lower()
    name = _HOST_NAMES.get(machine, machine)
    return name if name in ARCHES else "x86_64"


def resolve(config: RunConfig) -> Program:
    """What to run.  ProgramNotFound, CannotRun, or a DioramaError with the reason."""
    typed = config.program or "sh"
    argv0 = os.fsencode(typed)
    if config.rootfs is not None:
        return Program(None, argv0, argv0, config.arch or "")  # "": its ELF header will tell
    if typed in BUSYBOX_NAMES:
        arch = config.arch or host_arch()
        return Program(str(find_busybox(arch)), b"/bin/" + argv0, argv0, arch)
    inside = _inside_volume(typed, config.volumes)
    if inside is not None:
        host, guest = inside
        return Program(None, guest, argv0, _cpu_of(host, config), host)
    host = _on_host(typed)
    name = os.fsencode(os.path.basename(host))
    return Program(host, b"/bin/" + name, argv0, _cpu_of(host, config))


def _on_host(typed: str) -> str:
    if "/" in typed:
        if not os.path.exists(typed):
            raise ProgramNotFound(f"{typed}: no such file")
        found = typed
    else:
        found = shutil.which(typed) or _unusable_on_path(typed)
    if os.path.isdir(found):
        raise CannotRun(f"{typed}: is a directory")
    if not os.access(found, os.X_OK):
        raise CannotRun(f"{typed}: is not executable (try chmod +x)")
    if not os.access(found, os.R_OK):
        raise CannotRun(f"{typed}: cannot be read")
    return os.path.realpath(found) if os.path.islink(found) else os.path.abspath(found)


def _unusable_on_path(typed: str) -> str:
    for directory in os.get_exec_path():
        if os.path.isfile(os.path.join(directory, typed)):
            raise CannotRun(f"{typed}: found in {directory}, but is not executable")
    raise ProgramNotFound(f"{typed}: not found on PATH")


def _inside_volume(typed: str, volumes: tuple[Volume, ...]) -> tuple[str, bytes] | None:
    """(host path, guest path) if the *guest* path as typed lies inside a volume."""
    if not typed.startswith("/"):
        return None
    guest = os.path.normpath(os.fsencode(typed))
    for volume in reversed(volumes):
        top = os.path.normpath(volume.guest)
        if guest == top:
            return volume.host, guest
        if guest.startswith(top.rstrip(b"/") + b"/"):
            rest = os.fsdecode(guest[len(top.rstrip(b"/")) + 1 :])
            return os.path.join(volume.host, rest), guest
    return None


def _cpu_of(host: str, config: RunConfig) -> str:
    """The CPU of a file: its ELF header's, or for a script (``#!``) the one asked for."""
    binary = identify(host)
    if binary is None or not binary.arch:
        return config.arch or host_arch()  # the loader says what is wrong with it
    if config.arch is not None and config.arch != binary.arch:
        raise CannotRun(f"{host}: is for {binary.arch}, and --arch says {config.arch}")
    return binary.arch


def cpus_for(program: Program, config: RunConfig) -> tuple[str, ...]:
    """The CPUs to try: one that is known, else the host's and then the other."""
    known = program.arch or config.arch
    first = host_arch()
    return (known,) if known else (first, *(arch for arch in ARCHES if arch != first))


def search_path(task: Task, name: bytes, environment: tuple[bytes, ...]) -> bytes:
    """Where a name without a slash is in the guest's own tree, by the guest's PATH.

    As execvp(3): the first file that may be executed; the name itself if there is none.
    """
    path = next((v[5:] for v in environment if v.startswith(b"PATH=")), b"")
    for directory in path.split(b":"):
        found = (directory or b".") + b"/" + name
        with suppress(KernelError):
            file = open_program(task, AT_FDCWD, found)
            file.drop()
            return found
    return name


def check_volumes(volumes: tuple[Volume, ...]) -> None:
    """Every volume must exist and be absolute on the guest's side."""
    for volume in volumes:
        if not os.path.exists(volume.host):
            raise DioramaError(f"volume {volume.host}: no such file or directory")
        if not volume.guest.startswith(b"/"):
            raise DioramaError(f"volume {os.fsdecode(volume.guest)}: not an absolute path")
