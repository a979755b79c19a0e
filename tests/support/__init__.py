"""What tests share: running guests, asking oracles, the markers behind the roadmap."""

from __future__ import annotations

import pytest

# Assertions in helpers explain themselves as those in tests do.
pytest.register_assert_rewrite("tests.support.differential", "tests.support.guest")
