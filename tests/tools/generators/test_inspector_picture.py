"""docs/pictures/inspector.svg is what the inspector shows."""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest

from tools.generators.inspector_picture import PICTURE, ROOT, busybox_mark

pytestmark = pytest.mark.guest

PANES = ("terminal", "calls", "tasks", "files", "memory", "waits", "kernel")
DRAW = "import sys; from tools.generators.inspector_picture import draw; sys.stdout.write(draw())"


def drawn() -> str:
    """In a process of its own: Textual has one application at a time."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW], cwd=ROOT, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def words(svg: str) -> list[str]:
    """The texts of a picture: Textual's frame and colours may be those of another version."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    shown = [html.unescape(text).replace("\xa0", " ").strip() for text in texts]
    return [text for text in shown if any(c.isalnum() for c in text)]


def test_the_picture_is_repeatable_and_fresh() -> None:
    first, second = drawn(), drawn()
    assert first == second  # virtual time, and who looks changes nothing
    text = PICTURE.read_text(encoding="utf-8")
    if busybox_mark() in text:
        assert words(first) == words(text), "run: python -m tools.generators.inspector_picture"
    else:  # another BusyBox makes other calls; the screen is the same
        assert set(PANES) <= set(words(first)) & set(words(text))


def test_every_pane_is_in_the_picture() -> None:
    found = words(PICTURE.read_text(encoding="utf-8"))
    for pane in PANES:
        assert pane in found
    assert any("paused" in text for text in found)
