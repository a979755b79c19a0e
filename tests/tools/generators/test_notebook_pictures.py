"""The pictures of docs/python.md are what a machine draws."""

from __future__ import annotations

import re

import pytest

from tools.generators.notebook_pictures import TARGET, pictures
from tools.notebook.svg import Canvas


@pytest.mark.guest
def test_the_pictures_are_fresh() -> None:
    drawn = dict(pictures())
    assert len(drawn) == 3
    for name, svg in drawn.items():
        committed = (TARGET / name).read_text(encoding="utf-8")
        assert svg == committed, "run: python -m tools.generators.notebook_pictures"


def test_what_bends_beyond_the_edge_is_inside_the_picture() -> None:
    """A file is cut where its box ends; the arrows of two waiters lay half outside."""
    canvas = Canvas("arrows")
    canvas.curve((10, 10), (60, -40), (110, 10))
    canvas.curve((110, 20), (60, 80), (10, 20))
    found = re.search(r'viewBox="0 (-?\d+) (\d+) (\d+)"', canvas.render())
    assert found is not None
    top, width, height = map(int, found.groups())
    assert top <= -15
    assert width >= 110
    assert top + height >= 50
