"""The binary interface of Linux: what a program and its kernel have agreed on, and nothing else.

A system call is a number in a register, six words of arguments, and structures in memory.  What
those numbers mean is the *ABI* (application binary interface), and Linux never changes it: a
program built in 2005 runs today because ``O_CREAT`` is still 64.  This room holds that agreement as
data, without behaviour:

- ``errors``: one exception class per errno, with Linux's number and text; ``kernel_error``: their
  base, and how it carries a reason; ``unused_errors``: those it never raises;
- ``files``, ``memory``, ``signals``, ``process``, ``clocks``, ``ioctls``, ``sockios``, ``limits``:
  flags and constants under their Linux names, as plain ``Final`` ints (an ``IntFlag`` costs a
  microsecond per test, an int 20 ns);
- ``structs``: structures that have the same layout on both CPUs.  Layouts that differ (``struct
  stat``, ``epoll_event``, signal frames) live in ``kernel.arch``.

It is the lowest room of the house: everyone may import it, it imports nobody.  Names for printing
are made from these modules by the tracer, so that a constant is written down once.
"""
