"""How UNIX sockets find each other: paths, abstract names, and no name at all.  See unix(7).

A path is a file of type socket; the file leads to the socket that made it for as long as that is
open, and stays when it is not.  Abstract names begin with NUL, are no files, and go with the
socket; each type of socket has names of its own.  Linux: ``unix_bind``, ``unix_find_other``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EADDRINUSE,
    ECONNREFUSED,
    EEXIST,
    EINVAL,
    EPROTOTYPE,
)
from kernel.abi.files import AT_FDCWD, MAY_WRITE, S_IFMT, S_IFSOCK
from kernel.net.address import pack_unix, parse_unix
from kernel.net.message import Ancillary, Outgoing, Ucred
from kernel.net.socketfile import SocketFile
from kernel.vfs.create import mknod_at
from kernel.vfs.permissions import check_access
from kernel.vfs.walk import walk

if TYPE_CHECKING:
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.inode import Inode

_AUTOBIND_TRIES: Final = 1 << 20


class UnixNames:
    """The naming half of a UNIX socket.

    ``bound``: its name.  ``place``: the inode of a path name, or None.
    """

    __slots__ = ()

    bound: bytes
    place: Inode | None
    net: Network
    type: int

    def __str__(self) -> str:
        """For people: 'socket:[12] /run/server', 'socket:[12] @abstract'."""
        assert isinstance(self, SocketFile)
        shown = self.bound.decode("utf-8", "backslashreplace").replace("\0", "@", 1)
        return f"socket:[{self.inode.ino}]{' ' if shown else ''}{shown}"

    def take_name(self, task: Task, address: bytes) -> None:
        """bind(2).  EADDRINUSE, EINVAL for a second name; an empty name asks for any."""
        name = parse_unix(address)
        assert isinstance(self, SocketFile)
        if not name:
            if not self.bound:
                self.auto_name()
            return
        if self.bound:
            raise EINVAL("%s has a name already", self)
        if name[0] == 0:
            if (name, self.type) in self.net.abstract:
                raise EADDRINUSE(
                    "the abstract name %r belongs to %s",
                    name[1:],
                    self.net.abstract[name, self.type],
                )
            self.net.abstract[name, self.type] = self
        else:
            try:
                path = mknod_at(task, AT_FDCWD, name, S_IFSOCK | 0o777, 0)
            except EEXIST:
                raise EADDRINUSE("%s exists", name) from None
            self.place = path.dentry.inode
            self.net.places[self.place] = self
        self.bound = name

    def auto_name(self) -> None:
        """An abstract name of five hexadecimal digits that nobody has."""
        assert isinstance(self, SocketFile)
        start = self.net.random.below(_AUTOBIND_TRIES)
        name = b"\0%05x" % start
        while (name, self.type) in self.net.abstract:
            start = (start + 1) % _AUTOBIND_TRIES
            name = b"\0%05x" % start
        self.net.abstract[name, self.type] = self
        self.bound = name

    def drop_name(self) -> None:
        """The socket closes: nobody finds it any more."""
        if self.place is not None:
            self.net.places.pop(self.place, None)
        elif self.bound:
            self.net.abstract.pop((self.bound, self.type), None)

    def shown_name(self) -> bytes:
        """getsockname(2)."""
        return pack_unix(self.bound)


def find(task: Task, net: Network, address: bytes, type_: int) -> SocketFile:
    """The socket of a name, which the caller may write to.  ECONNREFUSED, EPROTOTYPE."""
    name = parse_unix(address)
    if not name:
        raise EINVAL("the name is empty")
    if name[0] == 0:
        found = net.abstract.get((name, type_))
    else:
        path = walk(task, AT_FDCWD, name)
        check_access(task.cred, path, MAY_WRITE)
        inode = path.dentry.inode
        if inode.mode & S_IFMT != S_IFSOCK:
            raise ECONNREFUSED("%s is %s, not a socket", path, inode.kind)
        found = net.places.get(inode)
    if found is None:
        raise ECONNREFUSED("no socket has the name %r", name)
    if found.type != type_:
        raise EPROTOTYPE("%s is of type %d, this one of type %d", found, found.type, type_)
    return found


def credentials_of(caller: Caller) -> Ucred:
    """Who the caller is, for the other end."""
    return Ucred(caller.tgid, caller.cred.euid, caller.cred.egid)


def attached(
    task: Task, message: Outgoing, sender: SocketFile, receiver: SocketFile | None
) -> Ancillary | None:
    """Files and credentials of a message; the latter if either side wants them (SO_PASSCRED)."""
    cred = message.cred
    if cred is None and (
        sender.options.passcred or (receiver is not None and receiver.options.passcred)
    ):
        cred = Ucred(task.tgid, task.cred.ruid, task.cred.rgid)
    if cred is None and not message.files:
        return None
    if cred is None:
        return Ancillary(message.files)
    return Ancillary(message.files, cred)


def remember_partner(socket: SocketFile, caller: Caller) -> None:
    """SO_PEERCRED and SO_PEERGROUPS of ``socket`` from now on."""
    socket.peer_cred = credentials_of(caller)
    socket.peer_groups = tuple(caller.cred.groups)
