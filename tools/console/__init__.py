"""``diorama debug``: our own console for matters of the kernel.

gdb looks at a program from its own side: lines, variables, instructions.  This console stands on
the other side of the system call.  It stops where a call with certain arguments is made, where a
signal is about to be delivered, where an address is executed or written; at a stop it shows what
the *kernel* has: tasks, page tables, descriptors, wait queues, futexes, mounts; and it changes what
a call gets and what it returns.

``command`` declares commands: one declaration gives the command, its help, its completion and its
line in docs/debugging.md.  ``breaking`` (break, catch, watch: they make ``points``), ``running``
(continue, step, finish), ``examining`` (regs, stack, disas, x), ``changing`` (set, send),
``objects`` (tasks, maps, fds, waits...) and ``python`` (print, source) hold the commands;
``words`` reads what is typed behind them, ``formats`` gdb's ``x/4xg``, ``complete`` completes it.
``console`` is the dialogue, called by ``kernel.machine.debugger`` while the world stands still;
``stops`` and ``calls`` say in words where it stands; ``symbols`` knows names of addresses;
``input`` brings the lines, from a terminal, from stdin, from files; ``start`` boots.
"""

from __future__ import annotations
