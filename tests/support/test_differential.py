"""The differential runner itself, on commands whose outcome is known."""

from __future__ import annotations

import pytest

from tests.support.differential import assert_same, busybox, outside, script


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.row("K8")
@pytest.mark.parametrize(
    "command",
    [
        busybox("echo", "hi", "  there"),
        busybox("cat", "a.txt", "nowhere", a_txt=b"one\n"),
        busybox("sort", "-n", stdin=b"10\n9\n1\n"),
        busybox("wc", "a.txt", a_txt=b"one two\nthree\n"),
        busybox("false"),
    ],
    ids=lambda command: "-".join(command.argv[1:3]),
)
def test_an_applet_alone(arch: str, command: object) -> None:
    assert_same(command, arch)  # type: ignore[arg-type]


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.row("K8")
def test_a_script_with_files(arch: str) -> None:
    text = """
    echo "$$ $0 $#"; pwd; umask
    for i in 3 1 2; do echo $i; done | sort > sorted
    ln -s sorted link; mkdir -p d/e; chmod 750 d; cp sorted d/e/copy
    sh -c 'kill -TERM $$'; echo $?
    exit 9
    """
    assert_same(script(text), arch, oracle="x86_64")


@pytest.mark.native
def test_outside_sees_the_same_world(arch: str) -> None:
    result = outside(script("pwd; cat /etc/hostname; env | sort; cat x", x=b"file\n"), "x86_64")
    assert result.stdout.split() == [
        b"/work",
        b"diorama",
        b"HOME=/root",
        b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        b"PWD=/work",
        b"SHLVL=1",
        b"file",
    ]
