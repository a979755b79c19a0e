"""What is in a binary, said before anyone runs it: ``diorama inspect ELF``.

Nothing is executed here and no machine is booted.  pyelftools reads headers, sections, notes and
symbols; capstone reads instructions; both are imported by this package only, because loading them
takes longer than starting BusyBox.

- ``image``: the file opened: segments, sections, symbols, bytes by address.
- ``facts``: headers, notes, the dynamic section, as plain values ready for JSON.
- ``guess``: which language, and which of the linker's hardening options.
- ``golang``: what Go leaves in its binaries, stripped or not.
- ``instructions``: disassembly, system calls and their numbers.
- ``newer``: instructions that the emulated processors have not: AVX, LSE atomics, SVE.
- ``origin``, ``wrappers``: where a number comes from, in one function and through its callers.
- ``report``: all of it as one document, and the text for people.

The oracles are binutils, whose ``readelf`` and ``objdump`` tests compare with, and the programs
themselves: what they call when they run must have been found before.
"""

from __future__ import annotations
