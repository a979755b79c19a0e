"""Files on their way between sockets, and the cycles they can make.

A message holds a reference to each file it carries.  A socket sent through itself, or two through
each other, would keep each other alive for ever once their descriptors are closed.  So when a
UNIX socket closes (and when much is on its way) the ones that only messages hold are looked at: a
socket is alive if somebody else holds it, or if it lies in the queue of a live one; what is left
is emptied, which closes it.  Linux: net/unix/garbage.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kernel.net.connection import ConnectionSocket
from kernel.net.socketfile import SocketFile

if TYPE_CHECKING:
    from kernel.net.message import Ancillary
    from kernel.net.network import Network


def drop_all(net: Network, attached: Iterable[Ancillary]) -> None:
    """Release what dropped messages carried; closing a file may drop more, so one at a time.

    Sockets in sockets in sockets would recurse: the network keeps a list instead.
    """
    net.falling.extend(attached)
    if net.dropping:
        return
    net.dropping = True
    try:
        while net.falling:
            net.falling.popleft().release()
    finally:
        net.dropping = False


def collect(net: Network) -> None:
    """Close the sockets that only they themselves keep alive."""
    if net.dropping or not net.files_in_flight:
        return
    candidates = [s for s in net.unix if s.inflight and s.inflight == s.refs]
    if not candidates:
        return
    suspects = dict.fromkeys(candidates)
    for socket in [s for s in net.unix if s not in suspects]:
        _mark(socket, suspects)
    drop_all(net, [a for s in suspects for a in s.clear_messages()])


def _mark(start: SocketFile, suspects: dict[SocketFile, None]) -> None:
    """Whatever lies in the queue of a live socket is alive."""
    todo = [start]
    while todo:
        for file in _carried(todo.pop()):
            if isinstance(file, SocketFile) and file in suspects:
                del suspects[file]
                todo.append(file)


def _carried(socket: SocketFile) -> Iterator[object]:
    for ancillary in socket.messages():
        yield from ancillary.files
    if isinstance(socket, ConnectionSocket):
        for embryo in socket.accepting:
            yield from _carried(embryo)
