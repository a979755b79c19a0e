"""Tasks: everything that runs, and what may happen to it.

A **Task** is what Linux calls a task: one flow of execution with registers, a signal mask and a
state.  What the world calls a process is a **ThreadGroup**: the tasks that share a pid, signal
actions, limits, children and a parent.  What tasks may share (address space, descriptors, working
directory, signal actions) are objects of their own; clone(2) says of each whether the child gets
the same one or a copy.

The life of a process, and the module that tells each part:

    clone.py      fork, vfork, threads: a new task beside its parent
    execve.py     a new program in an old task: the point of no return
    scheduler.py  who runs next; sleep.py: how a system call waits
    signals.py    a signal is sent: pending, ignored, or a reason to wake up
    delivery.py   a signal is taken on the way back to user code: handler frame, stop, death
    exit.py       the end: what is given back, who is told, who inherits the children
    wait.py       the parent asks how it went

Pid 1 is a task without user code, the kernel's own reaper.  Jobs (process groups, sessions, the
controlling terminal) are in jobs.py; credentials.py has the rules of setuid and its family.
Threads are tasks of one group: clone_forms.py says which combinations of sharing there are.
futex.py is the one lock primitive user code gets, futex_pi.py the kind that lends priority to its
owner, robust.py what becomes of locks whose owner dies.

Every task that sleeps does so as (number, raw arguments, restart block): never a host thread or a
Python frame that could not be rebuilt.  See sleep.py.
"""
