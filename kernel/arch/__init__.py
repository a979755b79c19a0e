"""What differs between the CPUs we model, as data and a few small functions.

A kernel is mostly the same on every CPU.  What is not, is here: names and order of registers, how
far the program counter moves over a system-call instruction, the layout of ``struct stat``, the
picture of the registers that a signal handler finds on its stack, what a CPU exception means as a
signal, what the auxiliary vector and /proc/cpuinfo say about the processor.

The rest of the kernel holds one ``Arch`` value and asks it; ``if arch == ...`` appears nowhere
else (only in kernel.cpu, which drives the emulated processor, and in the tables of numbers).

``base`` defines the questions, ``x86_64`` and ``aarch64`` answer them.  Linux analogue: ``arch/``,
with ``asm/ptrace.h``, ``asm/sigcontext.h``, ``kernel/signal.c`` and ``kernel/traps.c``.
"""

from __future__ import annotations

from kernel.arch.registry import ARCHES, get_arch

__all__ = ["ARCHES", "get_arch"]
