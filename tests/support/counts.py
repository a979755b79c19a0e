"""How many times a test does its thing: the full count in `make stress`, a tenth otherwise."""

from __future__ import annotations

import os


def scaled(count: int) -> int:
    """``count`` under DIORAMA_STRESS=1, else a tenth of it, at least one."""
    return count if os.environ.get("DIORAMA_STRESS") == "1" else max(1, count // 10)
