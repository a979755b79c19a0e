"""Memory: from a frame of emulated RAM to the pointer a program passes to read(2).

Bottom up, one concept per module:

* ``physical``: the RAM itself, one anonymous host mapping, and the per-frame bytes (reference
  count, flags) that Python and the C part of the CPU share.
* ``frames``: the allocator over it: reference counts, reclaim, commit accounting.
* ``ranges``: mechanism on page tables, over whole ranges: map, unmap, protect, fork, move.  A
  protocol with a Python reference implementation; the CPU brings a C twin that does the same.
* ``page_table``: the entry format and helpers to look at tables.
* ``tlb``: how losses of rights are reported to whoever caches translations.
* ``vma``: the virtual memory areas of a process, sorted, never overlapping.
* ``space``: the state of an address space and the moves all verbs are made of; then a module per
  verb, each over a ``Space``: ``mapping`` (mmap, munmap), ``protect``, ``remap``, ``brk``,
  ``advise`` (madvise, msync, mincore), ``lock``, ``fork``.  ``address_space`` gives them names.
* ``fault``: the one place that decides what a page fault means.
* ``pager``, ``page_cache``, ``shared``, ``rmap``: where the pages of a mapped file come from and go
  to, memory shared without a file, and from a file's pages back to who maps them.
* ``usercopy``, ``buffer``, ``userbuffer``: the one door to the bytes of a program.  ``peek`` is the
  debugger's own.

Two decisions shape all of it.  Page tables are real: they live in the emulated RAM, the emulated
MMU walks them, and nothing else says what is mapped.  And policy stays apart from mechanism: the
range operations know entries and counts, never areas, files, or errors other than "no frame left".

A fault returns a verdict and never raises a signal: this room lies below the tasks.
"""
