"""Loading programs: from a file to an address space with a stack and an entry point.

execve(2) finds the file and asks each binary format in turn; two are here.  ``script`` knows
``#!``: it names an interpreter, which is executed instead.  ``elf`` reads the headers of an ELF64
file into plain data (an ``ElfImage``, kept with the inode, so that a second exec parses nothing);
``segments`` maps what the image says; ``stack`` writes what a program finds at its stack pointer:
the argument count, arguments, environment, and the auxiliary vector of ``auxv``.

A program that asks for an interpreter (PT_INTERP, the dynamic loader) is mapped together with it,
and the interpreter is entered first: it does in user code what remains, shared libraries and
relocations.  A static or static-PIE program is entered directly.

Everything is parsed with ``struct`` before anything is mapped, and a new address space is filled
beside the old one: a file that is no good leaves the caller unharmed, with ENOEXEC and a reason in
words.  Addresses are the same on every run: no randomization, so processes that run the same file
share its pages *and* the processor's translation of them.

Linux analogue: ``fs/binfmt_elf.c``, ``fs/binfmt_script.c``.  See elf(5), execve(2), getauxval(3).
"""
