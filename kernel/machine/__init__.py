"""The machine: the loop that makes everything else move.

    while it has tasks:
        task = the scheduler's next, or wait for the host when nobody can run
        let the processor run it until it traps
        handle the trap: system call, page fault, exception, end of its turn

``loop.py`` is that loop.  ``dispatch.py`` holds what is between a trap number and a handler: the
table of entries, the counts, and the second set of entries that is swapped in while somebody
observes.  ``pace.py`` is how time passes meanwhile; ``snapshot.py`` shows what every task is doing,
``deadlock.py`` notices when none of them ever will again.  Nothing here knows what a system call
means.

Linux analogue: ``entry/common.c``, ``sched/idle.c``.
"""
