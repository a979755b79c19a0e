"""Processors for the tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.cpu.rig import Rig, rig


@pytest.fixture
def machine(arch: str) -> Iterator[Rig]:
    """A bare processor of each CPU."""
    with rig(arch) as made:
        yield made


@pytest.fixture
def x86() -> Iterator[Rig]:
    """A bare x86_64."""
    with rig("x86_64") as made:
        yield made


@pytest.fixture
def arm64() -> Iterator[Rig]:
    """A bare aarch64."""
    with rig("aarch64") as made:
        yield made
