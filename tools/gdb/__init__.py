"""gdb's remote serial protocol: a machine that a real gdb debugs.

    diorama run -g 1234 ./program            # stops before the first instruction and waits
    gdb-multiarch -ex 'target remote :1234'

gdb sends packets, ``$m7ffe00,8#xx``, and gets one reply for each; a packet that lets the program go
on is answered when something has stopped it again.  ``packets`` is the framing, ``server`` the
socket, ``stub`` the state of one conversation; ``commands`` leads from the first letters of a
packet to the function that answers it, and those stand in a module per subject: ``registers``
(with their ``description``), ``memory``, ``points``, ``resume``, ``threads``, ``queries``,
``transfer`` (documents such as the auxiliary vector), ``files`` (the guest's files, so that gdb
needs no copy of them).  ``stops`` says why the world stands still.

What really stops, steps and watches is kernel.machine.debugger; nothing here knows how.  All is
done by the machine's one thread: in ``Debugger.on_stop`` while the world stands still, and in the
machine's poller while it runs.

See the chapter "Remote Protocol" of gdb's manual.  Prior art: gdbserver, qemu's gdbstub.
"""
