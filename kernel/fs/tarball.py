"""A root file system from a tar archive, unpacked into memory.

Owner, mode, times, links and device numbers are kept as they stand in the archive: they are
metadata of inodes of ours, so no right on the host is needed.  Nothing of the host's file system is
touched, and the archive is not trusted: a member can only name places inside the tree that is being
filled.  A ``..`` in a name is refused (as GNU tar does); symbolic links on the way to a member are
followed inside the tree only, as a usr-merged distribution needs (``lib -> usr/lib``).

See tar(5).
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from typing import IO, Final

from kernel.abi.errors import KernelError
from kernel.abi.files import (
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    makedev,
)
from kernel.fs.tmpfs import TmpfsLink
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.inode import Inode
from kernel.vfs.regular import RegularInode

CHUNK: Final = 1 << 20
NAME_MAX: Final = 255
MAX_LINKS: Final = 40
MAX_ID: Final = (1 << 32) - 2
NS: Final = 1_000_000_000
XATTR_PREFIX: Final = "SCHILY.xattr."

_SPECIAL: Final = {
    tarfile.CHRTYPE: S_IFCHR,
    tarfile.BLKTYPE: S_IFBLK,
    tarfile.FIFOTYPE: S_IFIFO,
}
_DAMAGE: Final = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    UnicodeError,
    OverflowError,
    ValueError,
    RecursionError,  # a chain of extended headers
)
"""What reading a damaged archive raises."""


class BadArchive(Exception):
    """The archive cannot be unpacked; the message says which member, and why."""


def unpack(stream: IO[bytes], root: Inode) -> int:
    """Fill the directory ``root`` from a tar, plain or compressed; returns how many members."""
    try:
        with tarfile.open(fileobj=stream, mode="r|*", errorlevel=2) as archive:
            return _unpack_members(archive, root)
    except BadArchive:
        raise
    except _DAMAGE as error:
        raise BadArchive(f"damaged or no tar archive: {error}") from error


def _unpack_members(archive: tarfile.TarFile, root: Inode) -> int:
    count = 0
    directories: list[tuple[Inode, int]] = []
    for member in archive:
        try:
            inode = _unpack_member(archive, member, root)
        except KernelError as error:
            why = error.reason or error.text
            raise BadArchive(f"{member.name}: {error.name}: {why}") from error
        if inode is not None and inode.mode & S_IFMT == S_IFDIR:
            directories.append((inode, _mtime(member)))
        count += 1
        archive.members = []  # type: ignore[attr-defined]  # kept for getmember(); a root has many
    for inode, mtime in directories:  # after their contents, which changed them
        inode.atime = inode.mtime = mtime
    return count


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Inode) -> Inode | None:
    parts = _parts(member.name)
    if not parts:
        if not member.isdir():
            raise BadArchive(f"{member.name!r}: the root is no directory")
        _set_owner(root, member)
        return root
    parent = _directory(root, parts[:-1])
    name = parts[-1]
    if member.islnk():
        _hard_link(root, parent, name, member)
        return None
    inode = _make(parent, name, member)
    if isinstance(inode, RegularInode):
        _fill(archive, member, inode)
    for key, value in member.pax_headers.items():
        if key.startswith(XATTR_PREFIX):
            inode.set_xattr(_encode(key[len(XATTR_PREFIX) :]), _encode(value), 0)
    inode.atime = inode.mtime = _mtime(member)
    return inode


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _parts(name: str) -> list[bytes]:
    """The components of a member's name; '.' and leading slashes mean nothing."""
    parts = [part for part in _encode(name).split(b"/") if part not in (b"", b".")]
    for part in parts:
        if part == b"..":
            raise BadArchive(f"{name!r}: a name with '..' could lead outside")
        if len(part) > NAME_MAX or b"\0" in part:
            raise BadArchive(f"{name[:80]!r}...: no file can have that name")
    return parts


def _directory(root: Inode, parts: list[bytes]) -> Inode:
    """The directory of that path, made as needed; links are followed inside the root."""
    todo = parts[::-1]
    stack = [root]
    links = 0
    while todo:
        part = todo.pop()
        if part == b"..":  # from a symbolic link's target
            if len(stack) > 1:
                stack.pop()
            continue
        here = stack[-1]
        below = here.lookup(part)
        if below is None:
            below = here.mkdir(part, S_IFDIR | 0o755, 0, 0)
        kind = below.mode & S_IFMT
        if kind == S_IFLNK:
            links += 1
            if links > MAX_LINKS:
                raise BadArchive(f"{_show(parts)}: too many symbolic links")
            target = _link_text(below)
            if target.startswith(b"/"):
                del stack[1:]
            todo += [p for p in reversed(target.split(b"/")) if p not in (b"", b".")]
        elif kind == S_IFDIR:
            stack.append(below)
        else:
            raise BadArchive(f"{_show(parts)}: {part!r} is no directory")
    return stack[-1]


def _show(parts: list[bytes]) -> str:
    return b"/".join(parts).decode("utf-8", "replace")


def _link_text(inode: Inode) -> bytes:
    if not isinstance(inode, TmpfsLink):
        raise BadArchive("a symbolic link of another file system is in the way")
    return inode.target


def _hard_link(root: Inode, parent: Inode, name: bytes, member: tarfile.TarInfo) -> None:
    parts = _parts(member.linkname)
    existing = _directory(root, parts[:-1]).lookup(parts[-1]) if parts else None
    if existing is None:
        raise BadArchive(f"{member.name}: a link to {member.linkname!r}, which is not there")
    if existing.mode & S_IFMT == S_IFDIR:
        raise BadArchive(f"{member.name}: a hard link to a directory")
    if parent.lookup(name) is existing:
        return
    _clear(parent, name, member)
    parent.link(name, existing)


def _make(parent: Inode, name: bytes, member: tarfile.TarInfo) -> Inode:
    mode, uid, gid = member.mode & 0o7777, member.uid, member.gid
    if not (0 <= uid <= MAX_ID and 0 <= gid <= MAX_ID):
        raise BadArchive(f"{member.name}: owner {uid}:{gid}")
    existing = parent.lookup(name)
    if member.isdir() and existing is not None and existing.mode & S_IFMT == S_IFDIR:
        _set_owner(existing, member)
        return existing
    _clear(parent, name, member)
    if member.isdir():
        return parent.mkdir(name, S_IFDIR | mode, uid, gid)
    if member.issym():
        return parent.symlink(name, _encode(member.linkname), uid, gid)
    if member.type in _SPECIAL:
        rdev = 0 if member.isfifo() else _device(member)
        return parent.mknod(name, _SPECIAL[member.type] | mode, rdev, uid, gid)
    if member.isreg():
        return parent.create(name, S_IFREG | mode, uid, gid)
    raise BadArchive(f"{member.name}: a member of unknown type {member.type!r}")


def _set_owner(inode: Inode, member: tarfile.TarInfo) -> None:
    inode.set_owner(member.uid, member.gid, member.mode & 0o7777)
    inode.atime = inode.mtime = _mtime(member)


def _device(member: tarfile.TarInfo) -> int:
    if not (0 <= member.devmajor < 1 << 32 and 0 <= member.devminor < 1 << 32):
        raise BadArchive(f"{member.name}: device {member.devmajor}:{member.devminor}")
    return makedev(member.devmajor, member.devminor)


def _clear(parent: Inode, name: bytes, member: tarfile.TarInfo) -> None:
    """A later member of the same name replaces an earlier one, but never a directory."""
    existing = parent.lookup(name)
    if existing is None:
        return
    if existing.mode & S_IFMT == S_IFDIR:
        raise BadArchive(f"{member.name}: a directory of that name comes earlier in the archive")
    parent.unlink(name, existing)
    if existing.nlink == 0:
        existing.evict()


def _fill(archive: tarfile.TarFile, member: tarfile.TarInfo, inode: RegularInode) -> None:
    source = archive.extractfile(member)
    assert source is not None
    at = 0
    while chunk := source.read(CHUNK):
        end = at + len(chunk)
        while at < end:  # a full file system writes less, then raises ENOSPC
            rest = chunk[at - end :]
            at += inode.write_at(at, KernelBuffer(rest), len(rest))
    if at != member.size:
        raise BadArchive(f"{member.name}: ends after {at} of {member.size} bytes")


def _mtime(member: tarfile.TarInfo) -> int:
    """In ns; exact where a pax header has it, which tarfile rounds to a float."""
    text = member.pax_headers.get("mtime", "")
    seconds, _, fraction = text.partition(".")
    if seconds.lstrip("-").isdigit() and len(seconds) < 19 and (not fraction or fraction.isdigit()):
        ns = int((fraction + "0" * 9)[:9])
        whole = int(seconds) * NS
        return whole - ns if seconds.startswith("-") else whole + ns
    return int(member.mtime) * NS
