"""The root in memory: one table of what a machine without a root file system finds.

Only what programs look for: the directories, the account files, a host name.  BusyBox, its applet
links and PROGRAM are put in by ``tools.boot``.  See hier(7), passwd(5), group(5), shells(5).
"""

from __future__ import annotations

from typing import Final

from kernel.abi.files import S_IFDIR, S_IFLNK, S_IFREG
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.inode import Inode
from kernel.vfs.regular import RegularInode

DIRECTORIES: Final = (
    (b"bin", 0o755), (b"dev", 0o755), (b"etc", 0o755), (b"home", 0o755), (b"lib", 0o755),
    (b"mnt", 0o755), (b"opt", 0o755), (b"proc", 0o555), (b"root", 0o700), (b"run", 0o755),
    (b"sbin", 0o755), (b"srv", 0o755), (b"sys", 0o555), (b"tmp", 0o1777), (b"usr", 0o755),
    (b"usr/bin", 0o755), (b"usr/lib", 0o755), (b"usr/local", 0o755), (b"usr/local/bin", 0o755),
    (b"usr/local/sbin", 0o755), (b"usr/sbin", 0o755), (b"usr/share", 0o755), (b"var", 0o755),
    (b"var/cache", 0o755), (b"var/lib", 0o755), (b"var/log", 0o755), (b"var/run", 0o755),
    (b"var/spool", 0o755), (b"var/tmp", 0o1777),
)  # fmt: skip

PASSWD: Final = b"""\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""

GROUP: Final = b"""\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
wheel:x:10:root
www-data:x:33:
utmp:x:43:
users:x:100:
user:x:1000:
nogroup:x:65534:
"""

PROFILE: Final = b"""\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""

FILES: Final = (
    (b"etc/passwd", 0o644, PASSWD),
    (b"etc/group", 0o644, GROUP),
    (b"etc/shadow", 0o640, b"root:*:19000:0:99999:7:::\nuser:*:19000:0:99999:7:::\n"),
    (b"etc/shells", 0o644, b"/bin/sh\n/bin/ash\n"),
    (b"etc/hosts", 0o644, b"127.0.0.1\tlocalhost\n127.0.1.1\tdiorama\n"),
    (b"etc/hostname", 0o644, b"diorama\n"),
    (b"etc/profile", 0o644, PROFILE),
    (b"etc/fstab", 0o644, b"proc\t/proc\tproc\tdefaults\t0\t0\n"),
    (b"etc/timezone", 0o644, b"UTC\n"),
    (b"etc/nsswitch.conf", 0o644, b"passwd: files\ngroup: files\nhosts: files\n"),
    (b"etc/services", 0o644, b"ssh\t22/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\n"),
    (b"etc/protocols", 0o644, b"ip\t0\tIP\nicmp\t1\tICMP\ntcp\t6\tTCP\nudp\t17\tUDP\n"),
    (b"etc/issue", 0o644, b"Diorama \\n \\l\n"),
    (b"etc/os-release", 0o644, b'NAME="Diorama"\nID=diorama\nPRETTY_NAME="Diorama"\n'),
)

LINKS: Final = ((b"etc/mtab", b"/proc/self/mounts"),)


def fill_root(root: Inode, hostname: bytes = b"diorama") -> None:
    """Put the table's entries into an empty root directory."""
    for path, mode in DIRECTORIES:
        make_directory(root, path, mode)
    make_directory(root, b"home/user", 0o755, 1000, 1000)
    for path, mode, content in FILES:
        if path in (b"etc/hostname", b"etc/hosts"):
            content = content.replace(b"diorama", hostname)
        make_file(root, path, content, mode)
    for path, target in LINKS:
        make_link(root, path, target)


def _parent(root: Inode, path: bytes) -> tuple[Inode, bytes]:
    *parents, name = path.strip(b"/").split(b"/")
    here = root
    for part in parents:
        below = here.lookup(part)
        here = below if below is not None else here.mkdir(part, S_IFDIR | 0o755, 0, 0)
    return here, name


def make_directory(
    root: Inode, path: bytes, mode: int = 0o755, uid: int = 0, gid: int = 0
) -> Inode:
    """A directory, with its parents; an existing one is left alone."""
    parent, name = _parent(root, path)
    return parent.lookup(name) or parent.mkdir(name, S_IFDIR | mode, uid, gid)


def make_file(
    root: Inode, path: bytes, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0
) -> Inode:
    """A regular file with this content; replaces an existing name."""
    parent, name = _parent(root, path)
    _remove(parent, name)
    inode = parent.create(name, S_IFREG | mode, uid, gid)
    assert isinstance(inode, RegularInode)
    inode.write_at(0, KernelBuffer(content), len(content))
    return inode


def make_link(root: Inode, path: bytes, target: bytes) -> Inode:
    """A symbolic link; replaces an existing name that is no directory."""
    parent, name = _parent(root, path)
    _remove(parent, name)
    inode = parent.symlink(name, target, 0, 0)
    assert inode.mode & S_IFLNK == S_IFLNK
    return inode


def _remove(parent: Inode, name: bytes) -> None:
    existing = parent.lookup(name)
    if existing is not None:
        parent.unlink(name, existing)
