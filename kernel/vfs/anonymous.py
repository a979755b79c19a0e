"""Files without a place in the tree: pipes, memfds, eventfds.

They live in mounts that nobody sees; /proc/PID/fd shows their dentry's name, ``pipe:[7]``.
Linux: ``alloc_file_pseudo``, ``anon_inode_getfile``.
"""

from __future__ import annotations

from kernel.abi.files import ANON_INODE_FS_MAGIC, S_IFDIR
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.mount import Mount
from kernel.vfs.openfile import OpenFile


class AnonymousFile(OpenFile):
    """A file that is no place and no stream: lseek(2) goes nowhere, without an error.

    Linux: ``noop_llseek``.
    """

    __slots__ = ()

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        return 0


def hidden_mount(caller: Caller, fstype: bytes, magic: int = ANON_INODE_FS_MAGIC) -> Mount:
    """The machine's hidden mount of that type, made at first use."""
    mounts = caller.fs.mounts
    mount = mounts.anonymous.get(fstype)
    if mount is None:
        sb = SuperBlock(fstype, mounts.new_dev(), mounts.mounts[0].sb.now, magic)
        sb.root = Inode(sb, S_IFDIR | 0o500)
        mount = mounts.anonymous_mount(sb)
    return mount


def hidden_path(mount: Mount, name: bytes, inode: Inode) -> Path:
    """A place for a file that has none."""
    return Path(mount, Dentry(name, None, inode))
