"""File systems of the kernel itself: what inodes are made of.

``tmpfs`` keeps files as frames of guest memory (the root in memory is one, ``root.py`` says what
is in it), ``devfs`` is a tmpfs with device nodes and the simple devices behind them, ``pipe`` is
both pipe(2) and FIFOs, ``memfd`` files that have no name, ``eventfd`` counters.  File systems that
show tasks (procfs) or need a terminal live above, in ``kernel.views``; host directories are in
``hostfs``.
"""
