"""The kernel: everything a program can ask of an operating system, written to be read.

Read it from the bottom up; imports point down this order only, and a test keeps it so:

``abi``      Linux's numbers, names and structures: errors, flags, layouts.
``arch``     what differs between x86_64 and aarch64, as data: registers, frames, struct variants.
``wait``     wait queues and the sleep protocol: the only way to sleep.
``cred``     who a task is and how much it may have, as values.
``events``   what observers (trace, statistics, debugger) get to see.
``clock``    clocks and timers.
``mm``       frames, page tables, VMAs, page faults, user copies.
``vfs``      paths, mounts, dentries, descriptors, locks, permissions.
``fs``       file systems and file-like things: tmpfs, host directories, pipes.
``task``     processes, signals, scheduling, exec, wait.
``views``    file systems that show tasks: procfs, terminals.
``cpu``      the emulated processor; the only room that knows Unicorn.
``machine``  the loop: pick a task, run it, handle its trap.
"""
