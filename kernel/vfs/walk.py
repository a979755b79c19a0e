"""From a path to a place: the one path walk, with all its flags.

See path_resolution(7), symlink(7), openat2(2).  Linux: ``fs/namei.c``.

The walk takes the components one by one.  Before each it checks that it stands in a directory that
the caller may search; "." and ".." included, which is why ``file/.`` is ENOTDIR.  A symbolic link
pushes its own components; a magic link (/proc/PID/fd/N) jumps.  Trailing slashes ask for a
directory and follow a link that stands last.

How it ends is chosen by flags: the last name is resolved (``walk``), left alone (``walk_parent``,
for mkdir, unlink, rename), or may be missing (``walk_create``, for O_CREAT).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel.abi.errors import EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV
from kernel.abi.files import (
    AT_FDCWD,
    MAXSYMLINKS,
    MAY_EXEC,
    NAME_MAX,
    PATH_MAX,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
)
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import Inode
from kernel.vfs.mount import Mount
from kernel.vfs.permissions import check

# Our own flags, above the RESOLVE_* bits of openat2(2)
FOLLOW: Final = 0x100  # a symbolic link that stands last is followed
EMPTY: Final = 0x200  # '' means the start itself (AT_EMPTY_PATH)
DIRECTORY: Final = 0x400  # the result must be a directory
_PARENT: Final = 0x800
_CREATE: Final = 0x1000
_ROOTED: Final = 0x2000  # the walk has been at its root, or looked where that is
_JAIL: Final = RESOLVE_BENEATH | RESOLVE_IN_ROOT

_MISSING: Final = "%s: there is no '%s' in %s"
_DANGLING: Final = "%s: a symbolic link on the way leads to %s; there is no '%s' in %s"

Place = tuple[Mount, Dentry]


class Last(NamedTuple):
    """Where a new name would be: its directory, the name, and whether slashes followed it.

    ``name`` may be '.', '..' or '' (the path was all slashes): each operation has its own error
    for those.  ``path`` is the existing file, if the name exists and the walk looked.
    """

    parent: Path
    name: bytes
    slash: bool
    path: Path | None = None

    def __str__(self) -> str:
        """For people: the path the name has, or would have."""
        return f"{str(self.parent).rstrip('/')}/{self.name.decode('utf-8', 'backslashreplace')}"


def walk(caller: Caller, dirfd: int, path: bytes, flags: int = FOLLOW) -> Path:
    """The place ``path`` leads to, from ``dirfd`` if it is relative."""
    mount, dentry, _, _ = _walk(caller, dirfd, path, flags)
    return Path(mount, dentry)


def walk_parent(caller: Caller, dirfd: int, path: bytes) -> Last:
    """The directory of the last component, which is not looked up."""
    mount, dentry, name, slash = _walk(caller, dirfd, path, _PARENT)
    return Last(Path(mount, dentry), name or b"", slash)


def walk_create(caller: Caller, dirfd: int, path: bytes, flags: int) -> Last:
    """As ``walk``, but the last component may be missing: then ``path`` of the result is None."""
    mount, dentry, name, slash = _walk(caller, dirfd, path, flags | _CREATE)
    here = Path(mount, dentry)
    return Last(here, name or b"", slash, here if name is None else None)


def start_of(caller: Caller, dirfd: int, flags: int = EMPTY) -> Path:
    """The place a descriptor (or AT_FDCWD) stands for.  EBADF; ENOTDIR unless EMPTY."""
    if dirfd == AT_FDCWD:
        return caller.fs.cwd
    path = caller.fds.get_any(dirfd).path
    if not flags & EMPTY and path.dentry.inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("descriptor %d is %s, which is not a directory", dirfd, path)
    return path


def _walk(
    caller: Caller, dirfd: int, path: bytes, flags: int
) -> tuple[Mount, Dentry, bytes | None, bool]:
    """(mount, dentry, None, slash) of the result, or of the parent with the last name.

    ``todo`` holds the components still to come, the next one last.  This is the hottest loop of
    the room: everything that is rare is a call, everything that is not stands here.
    """
    if not path:
        return _walk_nothing(caller, dirfd, flags)
    start, root, flags = _begin(caller, dirfd, path, flags)
    mount, dentry = start.mount, start.dentry
    stripped = path.rstrip(b"/")
    slash = len(stripped) != len(path)
    todo = stripped.split(b"/")
    todo.reverse()
    links = 0
    followed = b""
    while todo:
        name = todo.pop()
        if not name:
            continue
        inode = dentry.inode
        if inode.mode & 0o170111 != 0o040111:  # not a directory that everybody may search
            _check_search(caller, inode, Path(mount, dentry), path)
        if not todo and flags & _PARENT:
            return mount, dentry, name, slash
        if name[0] == 46 and (name == b"." or name == b".."):
            if len(name) == 2:
                flags |= _ROOTED
                mount, dentry = _up(mount, dentry, root, flags)
            continue
        if slash and not todo and flags & _CREATE:
            raise EISDIR("%s: the name of a file to create ends with a slash", path)
        child = dentry.children.get(name)
        if child is None or inode.sb.volatile:
            child = _look_up(dentry, name)
            if child is None:
                if not todo and flags & _CREATE:
                    return mount, dentry, name, slash
                if links:
                    raise ENOENT(_DANGLING, path, followed, name, Path(mount, dentry))
                raise ENOENT(_MISSING, path, name, Path(mount, dentry))
        above = mount
        if child.mounts is not None:
            above, child = _cross(mount, child, flags)
        if child.inode.mode & 0o170000 == S_IFLNK and (todo or slash or flags & FOLLOW):
            links += 1
            if links > MAXSYMLINKS:
                raise ELOOP(
                    "%s: more than %d symbolic links, the last is %s",
                    path, MAXSYMLINKS, Path(above, child),
                )  # fmt: skip
            here, text = _follow(caller, (above, child), (mount, dentry), root, flags)
            mount, dentry = here
            followed = text
            slash = slash or (not todo and text[-1:] == b"/")
            todo += reversed(text.rstrip(b"/").split(b"/"))
            continue
        mount, dentry = above, child
    if (slash or flags & DIRECTORY) and dentry.inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR(
            "%s is %s, and a directory was asked for", Path(mount, dentry), dentry.inode.kind
        )
    return mount, dentry, (b"" if flags & _PARENT else None), slash


def _begin(caller: Caller, dirfd: int, path: bytes, flags: int) -> tuple[Path, Path, int]:
    """(where the walk starts, what it takes for its root, flags)."""
    if len(path) >= PATH_MAX:
        raise ENAMETOOLONG("the path has %d bytes, at most %d are allowed", len(path), PATH_MAX - 1)
    root = caller.fs.root
    if path[0] == 47:  # '/'
        if not flags & _JAIL:
            return root, root, flags | _ROOTED
        if flags & RESOLVE_BENEATH:
            raise EXDEV("%s: an absolute path leaves the directory (RESOLVE_BENEATH)", path)
    start = start_of(caller, dirfd, 0)
    if flags & _JAIL:
        return start, start, flags | _ROOTED
    return start, root, flags


def _look_up(dentry: Dentry, name: bytes) -> Dentry | None:
    if len(name) > NAME_MAX:
        raise ENAMETOOLONG(
            "the component '%.20s...' has %d bytes, at most %d are allowed",
            name, len(name), NAME_MAX,
        )  # fmt: skip
    return dentry.lookup(name)


def _walk_nothing(
    caller: Caller, dirfd: int, flags: int
) -> tuple[Mount, Dentry, bytes | None, bool]:
    if not flags & EMPTY:
        raise ENOENT("the path is empty")
    start = start_of(caller, dirfd)
    if flags & DIRECTORY and start.dentry.inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("%s is %s, and a directory was asked for", start, start.inode.kind)
    return start.mount, start.dentry, None, False


def _check_search(caller: Caller, inode: Inode, here: Path, path: bytes) -> None:
    if inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("%s: '%s' is %s, not a directory", path, here, inode.kind)
    check(caller.cred, inode, MAY_EXEC, here, path)


def _up(mount: Mount, dentry: Dentry, root: Path, flags: int) -> Place:
    """Where '..' leads: never above ``root``; out of a mount to where it is mounted."""
    top_mount, top = root.mount, root.dentry
    while True:
        if dentry is top and mount is top_mount:
            if flags & RESOLVE_BENEATH:
                raise EXDEV("'..' leaves %s (RESOLVE_BENEATH)", root)
            return mount, dentry
        if dentry is not mount.root:
            break
        if mount.parent is None:
            return mount, dentry
        if flags & RESOLVE_NO_XDEV:
            raise EXDEV("'..' leaves the mount on %s (RESOLVE_NO_XDEV)", Path(mount, dentry))
        mount, dentry = mount.parent, mount.mountpoint
    parent = dentry.parent
    return _cross(mount, parent, flags) if parent.mounts is not None else (mount, parent)


def _cross(mount: Mount, dentry: Dentry, flags: int) -> Place:
    """Onto what is mounted here, if anything is (seen through ``mount``)."""
    while dentry.mounts is not None:
        above = dentry.mounts.get(mount)
        if above is None:
            break
        if flags & RESOLVE_NO_XDEV:
            raise EXDEV("%s is a mount point (RESOLVE_NO_XDEV)", Path(mount, dentry))
        mount, dentry = above, above.root
    return mount, dentry


def _follow(
    caller: Caller, link: Place, directory: Place, root: Path, flags: int
) -> tuple[Place, bytes]:
    """Where to go on after a link, and the components to go through from there."""
    if flags & RESOLVE_NO_SYMLINKS:
        raise ELOOP("%s is a symbolic link (RESOLVE_NO_SYMLINKS)", Path(*link))
    inode = link[1].inode
    target = inode.follow(caller)
    if target is not None:
        return _jump(link, target, flags), b""
    text = inode.readlink(caller)
    if not text:
        raise ENOENT("%s is an empty symbolic link", Path(*link))
    if text[:1] != b"/":
        return directory, text
    if flags & RESOLVE_BENEATH:
        raise EXDEV("%s leads to %s, an absolute path (RESOLVE_BENEATH)", Path(*link), text)
    if flags & RESOLVE_NO_XDEV and (not flags & _ROOTED or root.mount is not directory[0]):
        raise EXDEV("%s leads to %s, on another mount (RESOLVE_NO_XDEV)", Path(*link), text)
    return (root.mount, root.dentry), text


def _jump(link: Place, target: Path, flags: int) -> Place:
    if flags & RESOLVE_NO_MAGICLINKS:
        raise ELOOP("%s is a magic link (RESOLVE_NO_MAGICLINKS)", Path(*link))
    if flags & _JAIL or (flags & RESOLVE_NO_XDEV and target.mount is not link[0]):
        raise EXDEV(
            "the magic link %s leads to %s, out of the directory or mount (RESOLVE_*)",
            Path(*link), target,
        )  # fmt: skip
    return target.mount, target.dentry
