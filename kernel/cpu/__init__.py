"""The processor: Unicorn behind a small protocol, with our own MMU.

``base`` says what a processor is; ``engine`` makes one from Unicorn and is the only module that
knows it; ``fake`` makes one from a script, for tests of the kernel.

One engine serves the whole machine.  Guest RAM is one block of host memory mapped into it once,
and Unicorn's virtual-TLB mode asks us at every TLB miss: C code (``mmu.c``) walks the running
process's page table, which lives in guest RAM and is edited by Python.  Everything that must
happen while guest code runs or within a microsecond is C, without Python.h:

* ``engine.c``  the state, one struct that Python sees as a memoryview; contexts and the run loop
* ``mmu.c``     the page-table walk behind a TLB miss; TLB flushes; dropping translated code
* ``trap.c``    hooks: system calls, exceptions, the block counter that ends time slices
* ``x86.c``, ``arm64.c``  what differs: entering user mode, instructions to answer or to forbid
* ``x86_decode.c``  finding what must not run (AVX, port input, iret) before it does
* ``registers.c``  register images of any context
* ``ranges.c``  page-table operations over ranges (fork, unmap, protect)
* ``ticker.c``  the thread that asks for attention, and host signals that do
* ``debug.c``   breakpoints and watchpoints: pages that only fetches see, rights withheld
* ``guard.c``   Unicorn's own abort() becomes an illegal instruction of the guest
* ``exits.c``   leaving out a check of Unicorn's that costs a third and is of no use here

Every decision is Python's: C reports, it never resolves a fault or interprets a system call.

The engine is never stopped from another thread: Unicorn would execute an instruction twice.  A
block hook counts blocks down and looks at the attention word instead, so stops happen between
instructions, at a block's start, with exact registers.
"""
