"""Guest programs: what runs *on* the kernel.

``asm/`` has programs without any C library, one file per CPU (``NAME.ARCH.s``).  ``c/`` has C
programs, built statically against musl for both CPUs.  ``rust/`` has Rust programs, built where
rustc is found.  Each program checks itself: it exits with 0 (or a status its head comment names)
when the kernel did what the manual pages promise, and otherwise prints the failed expectation
with its line.  Each must pass on a real Linux first; the tests ask both.

:mod:`userland.build` builds them with the zig from PyPI and caches the result by content.
"""
