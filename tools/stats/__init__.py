"""Statistics: what a run did, added up.

``diorama stats`` and ``--stats`` count every system call of every process: how often, which errors,
how long the kernel worked for it and how long the caller slept in it, how many bytes it moved.
Beside the calls stand page faults by kind, context switches, and frames of memory.

- ``values``: a row, a process, a whole run; plain values, made by ``collect``.
- ``watching``: the observer that counts while a program runs.
- ``table``: the table for people; ``formats``: JSON and CSV.
- ``compare``: two JSON files, and what changed between them.
- ``sampling``, ``plot``: calls and memory over time, and their picture (matplotlib, an extra).

The time of a call ends where it sleeps and goes on where the task has the processor again, so time
in the kernel and time asleep add up to what ``strace -c -w`` calls the time of a call.  All times
are the machine's own: under ``--deterministic`` two runs give the same numbers.

The oracles are strace and getrusage(2): tests compare with both.
"""

from __future__ import annotations
