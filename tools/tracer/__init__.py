"""The tracer: every system call as one readable line, in the form strace has made familiar.

A trace line is made from the declaration of the call: each argument has a *kind*
(``syscalls.kinds``), each kind names a printer, and the printers live here, by subject.  So a call
that is declared is also traced, with no second table to keep in step.

- ``text``: quoting, numbers, times: how values look; no knowledge of calls.
- ``names``: flag and constant tables, their members taken from ``kernel.abi`` by name.
- ``view``: one call as printers see it: decoded arguments, result, a safe look into memory.
- ``shows``: the registry of printers; ``show_basic``, ``show_files``, ``show_terminal``,
  ``show_process``, ``show_signals``, ``show_times``, ``show_system``: the printers.
- ``calls``: the few calls whose line is more than its arguments in a row.
- ``results``: what stands after the ``=``.
- ``lines``: columns, prefixes, time stamps, unfinished and resumed lines, one file or many.
- ``filters``: ``-e trace=``, ``signal=``, ``status=``.
- ``strace``, ``raw``, ``summary``: the observers that put it together.

The oracle is strace itself: tests run programs under both and compare bytes.
"""

from __future__ import annotations
