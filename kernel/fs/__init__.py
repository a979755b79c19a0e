"""File systems of the kernel itself: what inodes are made of.

``tmpfs`` keeps files as frames of guest memory (the root in memory is one, ``root.py`` says what
is in it), ``devfs`` is a tmpfs with device nodes and the simple devices behind them, ``pipe`` is
both pipe(2) and FIFOs (``splice`` moves bytes between them), ``memfd`` files that have no name,
``eventfd`` counters, ``epoll`` waits for many files, ``inotify`` hears what happens to them.  What
can be waited for wakes its queue, and says which poll(2) bits that is about.  File systems that
show tasks (procfs) or need a terminal live above, in ``kernel.views``; host directories are in
``hostfs``.
"""
