"""System call numbers per CPU, generated from the kernel's own headers.

x86_64 grew its table by hand since 2001; aarch64 came late and took the generic one, without the
calls that newer ones made superfluous (open, fork, stat...).  So names are shared, numbers are not.
"""

from __future__ import annotations

from syscalls.numbers import aarch64, x86_64

NUMBERS: dict[str, dict[str, int]] = {"x86_64": x86_64.NUMBERS, "aarch64": aarch64.NUMBERS}
"""CPU to (name to number)."""
