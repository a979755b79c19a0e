"""What tests of file systems share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.volumes import Volume


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    (tmp_path / "in").mkdir()
    made = Volume(tmp_path / "in")
    yield made
    made.close()
