"""The inspector: a machine seen from outside, while it runs.

Two processes.  The machine has one Python thread, and anything else that runs bytecode beside it
would make every trap wait for the GIL; so what draws, highlights and listens to keys is another
process, fed through a UNIX socket that the machine's loop serves between traps.

    machine's side                          view's side
    server      the socket, who is attached     link       the other end of the socket
    consumer    one of them: requests           guest      a machine of our own, on a pty
    stream      events as messages              app        the screen: panes, keys
    outbox      what waits to be sent           terminal   the guest's terminal (pyte)
    hold        pause, step, resume             ...
    requests    descriptions on demand

    protocol    the lines between the two       place      where the sockets are

A consumer that stops reading fills its outbox and nothing else; one that goes away is detached.
"""
