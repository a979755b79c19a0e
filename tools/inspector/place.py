"""Where a machine's socket is: in a directory of the user's own, named by diorama's process id."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from tools.errors import DioramaError

SUFFIX: Final = ".sock"
_LONGEST: Final = 107  # unix(7): sun_path is 108 bytes with its NUL


def directory() -> Path:
    """``$XDG_RUNTIME_DIR/diorama``, else ``/tmp/diorama-UID``."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "diorama" if runtime else Path(f"/tmp/diorama-{os.getuid()}")


def make_directory() -> Path:
    """The directory, made if need be.  DioramaError: it cannot be, or others may write to it."""
    place = directory()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise DioramaError(f"{place}: {error.strerror} (--inspect=PATH chooses another)") from None
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    if not private or found.st_uid != os.getuid():
        raise DioramaError(f"{place} is not a directory of yours alone; --inspect=PATH, please")
    return place


def listen(path: str | None) -> tuple[socket.socket, str]:
    """A listening socket only this user can connect to, and its path.  DioramaError if none."""
    name = path or str(make_directory() / f"{os.getpid()}{SUFFIX}")
    _check_length(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        _bind(listener, name)
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = "something is there already" if taken else error.strerror
        raise DioramaError(f"--inspect {name}: {why}") from None
    finally:
        os.umask(mask)
    return listener, name


def _check_length(name: str) -> None:
    if len(os.fsencode(name)) > _LONGEST:
        raise DioramaError(f"{name}: a socket's path has at most {_LONGEST} bytes")


def _bind(listener: socket.socket, name: str) -> None:
    """bind(2); a socket that nobody listens on any more makes room."""
    try:
        listener.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not _abandoned(name):
            raise
        os.unlink(name)
        listener.bind(name)


def _abandoned(name: str) -> bool:
    """Is it a socket whose machine is gone?"""
    if not stat.S_ISSOCK(os.lstat(name).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def running() -> list[Path]:
    """The sockets of the machines that run; those of machines that are gone are removed."""
    place = directory()
    found = []
    for path in sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []:
        with suppress(OSError):
            if _abandoned(str(path)):
                path.unlink()
            else:
                found.append(path)
    return found


def find(wanted: str) -> str:
    """The socket meant by ``--attach[=PATH|PID]``.  DioramaError names what there is."""
    if wanted.isdigit() and not os.path.exists(wanted):
        path = directory() / f"{wanted}{SUFFIX}"
        if path not in running():
            raise DioramaError(f"no diorama with process id {wanted} runs with --inspect")
        return str(path)
    if wanted:
        return wanted
    sockets = running()
    if not sockets:
        raise DioramaError("no machine runs with --inspect (diorama run --inspect PROGRAM)")
    if len(sockets) > 1:
        numbers = ", ".join(path.stem for path in sockets)
        raise DioramaError(f"several machines run; --attach=PID with one of {numbers}")
    return str(sockets[0])


def connect(path: str) -> socket.socket:
    """A connection to a machine.  DioramaError if nobody answers there."""
    _check_length(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        why = "its machine is gone" if error.errno == errno.ECONNREFUSED else error.strerror
        raise DioramaError(f"{path}: {why}") from None
    return connection
