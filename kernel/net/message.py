"""What goes with the bytes of a message: files, credentials, addresses, flags.

``Ancillary`` is what unix(7) calls ancillary data, on its way.  ``Outgoing`` is what one send(2)
or sendmsg(2) asked for, ``Incoming`` what one recvmsg(2) will report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kernel.net.socketfile import SocketFile
    from kernel.vfs.openfile import OpenFile
    from kernel.wait import Blocking


class Ucred(NamedTuple):
    """struct ucred: who sends, or who is at the other end.  See unix(7), SCM_CREDENTIALS."""

    pid: int
    uid: int
    gid: int


NOBODY = Ucred(0, 65534, 65534)
"""The credentials of what nobody signed."""


class Ancillary:
    """Files and credentials beside bytes.

    Each of ``files`` holds a reference while it is here.  Who takes the files away (a receiver)
    or drops the message calls ``release``.
    """

    __slots__ = ("cred", "files")

    def __init__(self, files: tuple[OpenFile, ...] = (), cred: Ucred = NOBODY) -> None:
        self.files = files
        self.cred = cred
        for file in files:
            file.refs += 1
            file.in_message(1)

    def joins(self, other: Ancillary) -> bool:
        """May a read take bytes of both at once?"""
        return not self.files and not other.files and self.cred == other.cred

    def release(self) -> None:
        """Let go of the files."""
        files, self.files = self.files, ()
        for file in files:
            file.in_message(-1)
            file.drop()

    def __repr__(self) -> str:
        return f"<Ancillary {len(self.files)} files cred={self.cred}>"


class Outgoing:
    """The parameters of one send.

    ``address``: a raw sockaddr, or None.  ``controls``: (level, type, data) of control messages
    that only the family understands.
    """

    __slots__ = ("address", "controls", "cred", "files", "flags")

    def __init__(self, flags: int = 0, address: bytes | None = None) -> None:
        self.flags = flags
        self.address = address
        self.files: tuple[OpenFile, ...] = ()
        self.cred: Ucred | None = None
        self.controls: list[tuple[int, int, bytes]] = []

    def hold_files(self, sending: Blocking[int]) -> Blocking[int]:
        """Go through the sleeps of a send; another thread may close the files meanwhile."""
        for file in self.files:
            file.hold()
        try:
            return (yield from sending)
        finally:
            for file in self.files:
                file.drop()


class Incoming:
    """One receive: what was asked, and what came.

    ``flags``: MSG_* of the call.  ``found``: MSG_* of the answer.  ``address``: the sender's
    sockaddr.  ``controls``: (level, type, data) of ready-made control messages.  ``files`` hold a
    reference each until they are installed or dropped.
    """

    __slots__ = ("address", "controls", "cred", "files", "flags", "found")

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags
        self.found = 0
        self.address = b""
        self.files: tuple[OpenFile, ...] = ()
        self.cred: Ucred | None = None
        self.controls: list[tuple[int, int, bytes]] = []

    def attach(self, ancillary: Ancillary, socket: SocketFile, peek: bool) -> None:
        """Take what came beside the bytes; with MSG_PEEK the message keeps its own."""
        if socket.options.passcred:
            self.cred = ancillary.cred
        files = ancillary.files
        if not files or self.files:
            return
        for file in files:
            file.refs += 1
        self.files = files
        if not peek:
            ancillary.release()

    def drop(self) -> None:
        """Nobody installs the files."""
        files, self.files = self.files, ()
        for file in files:
            file.drop()
