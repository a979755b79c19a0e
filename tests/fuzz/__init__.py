"""Random system calls against the whole kernel, without a processor.

The generator *is* the processor: a ``RandomCpu`` whose ``run`` answers with a system call drawn
from the declarations.  Everything else is real: the machine's loop, scheduler, signals, fork, exec,
files in memory, page tables.  Time is a number that jumps when everybody sleeps, so nothing waits.

- ``values``: for each argument kind, values that may work and values that should not;
- ``world``: the machine, its files, and the processor;
- ``test_random_calls``: no exception escapes, nothing hangs, every call succeeds at least once.
"""
