"""What a handler can return beside a number, and how errors travel in the result register."""

from __future__ import annotations

from typing import Final, TypeAlias

NoReturnValue: TypeAlias = int
"""Result type of calls that replace the registers (execve, rt_sigreturn) or never come back."""

NO_RETURN_VALUE: Final = 1 << 64
"""Returned by such a call: the machine leaves the registers alone.  No register can hold it."""

MAX_ERRNO: Final = 4095
"""Results in [-4095, -1] are errors, as in Linux's IS_ERR_VALUE."""
