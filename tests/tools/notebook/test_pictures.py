"""Pictures for notebooks: well-formed, complete, alone; and drawn by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

import diorama
from tools.notebook.descriptors import descriptor_table
from tools.notebook.memory import size_text
from tools.notebook.svg import Canvas, shortened
from tools.notebook.tree import branches
from tools.notebook.views import Shown

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]
SVG = "{http://www.w3.org/2000/svg}"
SCRIPT = """
mkfifo /tmp/a /tmp/b
exec 3<>/tmp/a 4<>/tmp/b 7</etc/passwd 8<&7 9</etc/shells
cat <&3 >&4 3>&- 4>&- &
sleep 50 3>&- 4>&- &
exec cat <&4 >&3 3>&- 4>&-
"""


@pytest.fixture
def views(arch: str) -> Iterator[dict[str, Shown]]:
    """One of each, of a machine with a circle of two."""
    with diorama.boot(arch, memory="64m") as machine:
        process = machine.spawn("sh", "-c", SCRIPT)
        machine.run(seconds=0.4)
        yield {
            "tree": machine.processes(),
            "files": process.files(),
            "maps": process.maps(),
            "walk": process.page_walk(process.registers.pc),
            "hole": process.page_walk(0x123456789000),
            "waits": machine.wait_graph(),
        }


def parsed(view: Shown) -> ET.Element:
    """The picture as a tree of elements: it is well-formed."""
    return ET.fromstring(view._repr_html_())


def words(view: Shown) -> str:
    """All text in it."""
    return " ".join(text.strip() for text in parsed(view).itertext() if text.strip())


def test_every_picture_is_well_formed_and_alone(views: dict[str, Shown]) -> None:
    """Nothing is fetched, nothing runs, and no colour of the page is assumed."""
    for name, view in views.items():
        root = parsed(view)
        html = view._repr_html_()
        assert root.tag == "div", name
        assert not re.search(r"<(script|link|img|iframe|image)|url\(|@import|src=|href=", html), (
            name
        )
        assert "http" not in html.replace("http://www.w3.org/2000/svg", ""), name
        assert not re.search(r'fill="(black|white|#000|#fff)', html), name
        for shape in root.iter(f"{SVG}text"):
            assert shape.get("fill") == "currentColor", name
        for svg in root.iter(f"{SVG}svg"):
            width, height = float(svg.get("width", 0)), float(svg.get("height", 0))
            assert 100 < width < 3000, name
            assert height > 50, name
            assert svg.get("aria-label"), name


def test_shapes_stay_within_their_picture(views: dict[str, Shown]) -> None:
    for name, view in views.items():
        for svg in parsed(view).iter(f"{SVG}svg"):
            width, height = float(svg.get("width", 0)), float(svg.get("height", 0))
            for box in svg.iter(f"{SVG}rect"):
                x, y = float(box.get("x", 0)), float(box.get("y", 0))
                assert x >= -1, name
                assert x + float(box.get("width", 0)) <= width, name
                assert y >= -1, name
                assert y + float(box.get("height", 0)) <= height, name


def test_the_tree_shows_every_task(views: dict[str, Shown]) -> None:
    shown = words(views["tree"])
    assert "4 processes, 4 tasks" in shown
    for name in ("init", "cat", "sleep", "clock_nanosleep", "read", "sleeping"):
        assert name in shown
    assert str(views["tree"]).splitlines()[0] == "1 init S"
    assert [lead for lead, _ in branches(views["tree"])] == ["", "└─ ", "   ├─ ", "   └─ "]  # type: ignore[arg-type]


def test_shared_open_files_are_one_box(views: dict[str, Shown]) -> None:
    """/etc/passwd has two descriptors and other holders; /etc/shells is opened once."""
    root = parsed(views["files"])
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.count("/etc/passwd") == 1
    assert {"7", "8", "9"} <= set(texts)
    arrows = len(list(root.iter(f"{SVG}polygon")))
    assert arrows == sum(text is not None and text.isdigit() for text in texts) + sum(
        bool(re.fullmatch(r"pid \d+ fd \d+", text or "")) for text in texts
    )
    thick = [box for box in root.iter(f"{SVG}rect") if box.get("stroke-width") == "2"]
    assert thick


def test_a_descriptor_that_execve_closes_has_a_mark_that_is_explained(
    views: dict[str, Shown],
) -> None:
    kept = views["files"].described[0]  # type: ignore[attr-defined]
    assert "✕" not in descriptor_table([kept], 2)
    closed = descriptor_table([kept._replace(cloexec=True)], 2)
    assert f">{kept.fd}✕<" in closed
    assert "✕: closed by execve" in closed


def test_the_map_shows_areas_rights_and_gaps(views: dict[str, Shown]) -> None:
    shown = words(views["maps"])
    for text in ("[stack]", "/bin/busybox", "r-xp", "rw-p", "free", "are in memory"):
        assert text in shown
    lines = list(views["maps"])  # type: ignore[call-overload]
    assert all(f"{line.start:#x}" in shown for line in lines)


def test_the_walk_shows_four_tables_or_where_it_ends(views: dict[str, Shown]) -> None:
    shown = words(views["walk"])
    for text in ("PGD", "PUD", "PMD", "PTE", "offset 0x", "physical 0x", "references"):
        assert text in shown
    assert "not there" not in shown
    hole = words(views["hole"])
    assert "empty" in hole
    assert "PTE: not there" in hole
    assert "no frame" in hole
    assert "SEGV_MAPERR" in hole


def test_circles_of_waiters_are_red(views: dict[str, Shown]) -> None:
    html = views["waits"]._repr_html_()
    assert "2 tasks are stuck" in html
    assert "circle: " in html
    red = [path for path in parsed(views["waits"]).iter(f"{SVG}path")
           if path.get("stroke") == "#d9534f"]  # fmt: skip
    assert len(red) == 2


def test_pages_of_their_own_are_drawn_by_a_browser(views: dict[str, Shown], tmp_path: Path) -> None:
    """Light and dark: the page has ink, and is not one colour."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here")
    for name, view in views.items():
        page = tmp_path / f"{name}.html"
        view.save(page)
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    page = tmp_path / "all.html"
    page.write_text("".join(view._repr_html_() for view in views.values()), encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True, timeout=60, check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.count(b"<svg") == 5


def test_sizes_and_long_names() -> None:
    assert [size_text(n) for n in (0, 512, 4096, 1536 << 10, 3 << 40)] == [
        "0 B", "512 B", "4 KiB", "1.5 MiB", "3 TiB",
    ]  # fmt: skip
    assert shortened("a" * 10, 10) == "a" * 10
    assert shortened("abcdefghij", 5) == "ab…ij"
    canvas = Canvas('a "label" & <more>')
    canvas.text(0, 10, "<&>")
    ET.fromstring(canvas.render())


def test_a_process_that_has_ended_is_drawn_as_ended(arch: str) -> None:
    with diorama.boot(arch, memory="64m") as machine:
        process = machine.spawn("true")
        machine.run()
        for view, text in (
            (process.files(), "has ended"),
            (process.maps(), "has ended"),
            (process.page_walk(0x1000), "no memory any more"),
            (machine.wait_graph(), "0 tasks wait"),
        ):
            assert text in view._repr_html_()
            ET.fromstring(view._repr_html_())


def test_names_may_have_any_byte(arch: str) -> None:
    """Control characters, markup and bytes that are no text do not break a picture."""
    with diorama.boot(arch, memory="64m") as machine:
        script = "printf 'exec 3>\"/tmp/\\001<b>&\\377\\n\"; sleep 50' > /tmp/s; exec sh /tmp/s"
        process = machine.spawn("sh", "-c", script)
        machine.run(seconds=0.2)
        process.task.comm = b"<i>\x02\xff&"
        for view in (machine.processes(), process.files(), process.maps(), machine.wait_graph()):
            ET.fromstring(view._repr_html_())
        assert "&lt;b&gt;&amp;" in process.files()._repr_html_()
        assert "&lt;i&gt;" in machine.processes()._repr_html_()
