"""``--user USER[:GROUP]``: who that is, by the guest's own /etc/passwd and /etc/group.

As docker has it: a number is a uid, whatever the names say; without GROUP the gid and the
supplementary groups are those of the user, 0 and none where the user is not listed; with GROUP it
is that group alone.  The files are those of the root file system, so volumes do not matter.  See
passwd(5), group(5).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import KernelError
from kernel.abi.files import AT_FDCWD, O_NONBLOCK, O_RDONLY
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from tools.config import MAX_ID
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.task.task import Task

_PIECE: Final = 1 << 16


class StartUser(NamedTuple):
    """Whose the first program is; ``groups`` are the supplementary ones."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


class _User(NamedTuple):
    name: bytes
    uid: int
    gid: int


class _Group(NamedTuple):
    name: bytes
    gid: int
    members: tuple[bytes, ...]


def start_user(init: Task, words: str | None) -> StartUser:
    """What ``USER[:GROUP]`` means in the guest.  DioramaError: there is no such user or group."""
    if words is None:
        return StartUser()
    user, _, group = words.partition(":")
    found = _listed(user, _users(init))
    if found is None and not _is_number(user):
        raise DioramaError(f"--user {words}: the guest's /etc/passwd has no user {user!r}")
    uid = found.uid if found is not None else int(user)
    if group:
        gid = _gid(init, words, group)
        return StartUser(uid, gid, (gid,))
    if found is None:
        return StartUser(uid, 0, (0,))
    others = (g.gid for g in _groups(init) if found.name in g.members)
    return StartUser(uid, found.gid, tuple(dict.fromkeys((found.gid, *others))))


def _gid(init: Task, words: str, group: str) -> int:
    if _is_number(group):
        return int(group)
    name = os.fsencode(group)
    gid = next((g.gid for g in _groups(init) if g.name == name), None)
    if gid is None:
        raise DioramaError(f"--user {words}: the guest's /etc/group has no group {group!r}")
    return gid


def _listed(user: str, users: Iterator[_User]) -> _User | None:
    if _is_number(user):
        return next((found for found in users if found.uid == int(user)), None)
    name = os.fsencode(user)
    return next((found for found in users if found.name == name), None)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal()


def _users(init: Task) -> Iterator[_User]:
    for name, _, uid, gid, *_ in _rows(init, b"/etc/passwd", 4):
        if _is_id(uid) and _is_id(gid):
            yield _User(name, int(uid), int(gid))


def _groups(init: Task) -> Iterator[_Group]:
    for name, _, gid, members, *_ in _rows(init, b"/etc/group", 4):
        if _is_id(gid):
            yield _Group(name, int(gid), tuple(members.split(b",")))


def _is_id(word: bytes) -> bool:
    return word.isdigit() and int(word) <= MAX_ID


def _rows(init: Task, path: bytes, least: int) -> Iterator[list[bytes]]:
    """The lines that have enough fields; none where there is no such file."""
    for line in _read(init, path).splitlines():
        fields = line.strip().split(b":")
        if len(fields) >= least:
            yield fields


def _read(init: Task, path: bytes) -> bytes:
    """All of a regular file of the guest, read as its root."""
    try:
        file = open_at(init, AT_FDCWD, path, OpenHow(O_RDONLY | O_NONBLOCK))
    except KernelError:
        return b""
    if not isinstance(file, OpenFile):
        file.close()
        return b""
    found = bytearray()
    try:
        while stat.S_ISREG(file.inode.mode):
            buffer = KernelBuffer.empty(_PIECE)
            if not file.read(init, buffer, None):
                break
            found += buffer.filled()
    except KernelError as error:
        where = os.fsdecode(path)
        raise DioramaError(f"--user: the guest's {where}: {error.text}") from None
    finally:
        file.drop()
    return bytes(found)
