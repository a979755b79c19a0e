"""Every object of the kernel as plain data: what inspector, console, notebooks and tests look at.

Each function takes a system, a machine or a task and returns NamedTuples of plain values (numbers,
text, tuples); looking changes nothing.  ``plain`` makes JSON of them, ``source`` finds the lines of
Python that implement what is described.

    processes.py   tasks, signals, run_queue
    files.py       descriptors (shared open files have one ``identity``), pipes, mounts, inodes
    memory.py      memory_map, page_walk (the four tables, entry by entry), memory
    sockets.py     sockets
    waits.py       wait_queues, futexes
    graph.py       wait_graph: who waits for whom, and who is stuck
    plain.py       plain, source

/proc has the same facts in Linux's formats, and both ask the same objects.  Linux analogue:
``crash``, ``drgn``, ``lsof``, ``ss``.
"""

from __future__ import annotations

from kernel.machine.describe.files import descriptors, inodes, mounts, open_files, pipes
from kernel.machine.describe.graph import wait_graph
from kernel.machine.describe.memory import memory, memory_map, page_walk
from kernel.machine.describe.plain import plain, source
from kernel.machine.describe.processes import run_queue, signals, tasks
from kernel.machine.describe.sockets import sockets
from kernel.machine.describe.waits import futexes, wait_queues

__all__ = [
    "descriptors", "futexes", "inodes", "memory", "memory_map", "mounts", "open_files",
    "page_walk", "pipes", "plain", "run_queue", "signals", "sockets", "source", "tasks",
    "wait_graph", "wait_queues",
]  # fmt: skip
