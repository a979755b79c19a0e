"""Sockets: two programs that talk, on one machine or as if there were a wire between them.

A socket is an open file with a partner.  ``SocketFile`` holds what all of them share: options, a
pending error, which directions are shut down, one wait queue that is woken whenever ``poll`` may
have a new answer.  The families differ in how partners find each other and in what keeps its shape
on the way:

- ``unix_*``: by a path, an abstract name, or socketpair(2).  Beside bytes they carry *open files*
  (SCM_RIGHTS) and credentials.  A file on its way belongs to the message; ``inflight`` finds the
  cycles that a socket sent through itself would leave.
- ``tcp``: by address and port.  There is no wire on loopback, so there are no segments: what one
  end sends is at once in the other's receive queue, and what remains of TCP is what a program can
  see: the listen queue, half-closed connections, resets, TIME_WAIT.
- ``udp``: datagrams, to whoever has the port; what does not fit is lost, as on a wire.
- ``netlink``: questions to the kernel itself; here, which interfaces there are.
- ``host_*``: with ``--network host`` an Internet socket is a socket of the host instead, and
  ``publish`` leads connections from a host port to a guest's (``-p``).

A stream in one direction is a ``ByteQueue`` owned by its reader; a writer that finds it full sleeps
on its own socket's queue, and the reader wakes it.  ``ports`` knows who has bound what.

``Network`` is what one machine has of all this: names, ports, interfaces, and whether there is a
network at all (``none``, ``loopback``, ``host``).

See socket(7), unix(7), ip(7), tcp(7), udp(7), netlink(7).  Linux: net/socket.c, net/core/sock.c,
net/unix, net/ipv4.
"""
