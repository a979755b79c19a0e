"""The machine: the loop that makes everything else move.

    while it has tasks:
        task = the scheduler's next, or wait for the host when nobody can run
        let the processor run it until it traps
        handle the trap: system call, page fault, exception, end of its turn

``loop.py`` is that loop.  ``dispatch.py`` holds what is between a trap number and a handler: the
table of entries, the counts, and the second set of entries that is swapped in while somebody
observes, with the doors where a call can be changed.  ``pace.py`` is how time passes meanwhile;
``snapshot.py`` shows what every task is doing, ``describe/`` every object as plain data;
``deadlock.py`` notices when nobody ever will go on; ``freezer.py`` brings sleeping calls back to
their start.  Nothing here knows what a system call means.

A debugger (``debugger.py``, with ``stops.py`` and ``points.py``) puts other turns in the place of
the loop's own while it is attached (``debugged.py``): turns that can stop before or after every
instruction and call.  ``watching.py`` tells them of what happens inside calls, ``gate.py`` of
signals.

Linux analogue: ``entry/common.c``, ``sched/idle.c``.
"""
