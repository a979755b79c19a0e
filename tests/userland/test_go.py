"""Go: esbuild from npm, a static program whose runtime starts threads of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.counts import scaled
from tests.support.guest import GuestResult, run_guest
from tests.support.oracles import cannot_run
from tools.config import Volume
from tools.fetch import npm_directory

pytestmark = [pytest.mark.guest, pytest.mark.slow]

RUNS = 50
PROJECT = {
    "main.js": """import {add} from './add.js'
import {greet} from './greet.js'
console.log(greet('world'), add(1, 2))
""",
    "add.js": "export function add(first, second) { return first + second }\n",
    "greet.js": "export const greet = (name) => 'hello ' + name\n",
}
BUNDLE = (
    '(()=>{function r(o,t){return o+t}var e=o=>"hello "+o;console.log(e("world"),r(1,2));})();\n'
)


def program(arch: str) -> Path:
    """The fetched program."""
    place = npm_directory("esbuild", arch)
    if place is None:
        cannot_run("esbuild is not fetched (make fetch)")
    return place / "package" / "bin" / "esbuild"


def esbuild(arch: str, work: Path, *args: str) -> GuestResult:
    """Run it in a directory."""
    return run_guest(
        program(arch),
        *args,
        arch=arch,
        volumes=(Volume(str(work), b"/work"),),
        workdir=b"/work",
        timeout=120.0,
    )


@pytest.mark.row("K7", "X3", "X5")
def test_version(arch: str, tmp_path: Path) -> None:
    result = esbuild(arch, tmp_path, "--version")
    assert (result.status, result.text) == (0, "0.28.2\n")


@pytest.mark.row("K7", "X3", "X5")
def test_it_bundles_every_time(arch: str, tmp_path: Path) -> None:
    """Fifty times in a row in `make stress`: no run hangs, none differs."""
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    for _ in range(scaled(RUNS)):
        result = esbuild(arch, tmp_path, "main.js", "--bundle", "--minify", "--outfile=out.js")
        assert result.status == 0
        assert (tmp_path / "out.js").read_text() == BUNDLE
        (tmp_path / "out.js").unlink()


SERVE = """
sleep 60 | /bin/esbuild main.js --bundle --minify --outdir=out --serve=127.0.0.1:8000 --servedir=. &
until wget -q -O - http://127.0.0.1:8000/out/main.js; do sleep 0.1; done 2>/dev/null
wget -q -O - http://127.0.0.1:8000/greet.js
killall esbuild sleep
"""


@pytest.mark.row("K6", "K7", "X3", "X5")
def test_it_serves_a_guest_on_loopback(arch: str, tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    volumes = (Volume(str(tmp_path), b"/work"), Volume(str(program(arch)), b"/bin/esbuild"))
    result = run_guest(
        "busybox", "sh", "-c", SERVE, arch=arch, volumes=volumes, workdir=b"/work", timeout=120.0
    )
    assert result.text == BUNDLE + PROJECT["greet.js"]


@pytest.mark.row("K7", "X5")
def test_errors_are_the_programs_own(arch: str, tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("import './missing.js'\n")
    result = esbuild(arch, tmp_path, "main.js", "--bundle")
    assert result.status == 1
    assert b'Could not resolve "./missing.js"' in result.stderr
