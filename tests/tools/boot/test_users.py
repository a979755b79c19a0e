"""``--user``: names and numbers by the guest's own /etc/passwd and /etc/group, as docker has it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.support.guest import GuestResult, run_cli
from tools.busybox import find_busybox

pytestmark = pytest.mark.guest

WORDS = r"echo $(sed -n 's/^[UG]id:\s*\([0-9]*\).*/\1/p; s/^Groups://p' /proc/self/status)"
PASSWD = b"""\
# a comment
root:x:0:0:root:/root:/bin/sh
broken:x:a:b::/:/bin/sh
short:x

ann:x:500:50:Ann:/home/ann:/bin/sh
bob:x:501:501::/home/bob
again:x:500:77:::
123:x:7:8:::
m\xfcller:x:502:502:::
huge:x:4294967295:1:::
"""
GROUP = b"""\
root:x:0:
fifty:x:50:
wheel:x:10:root,ann
audio:x:29:bob,ann
wrong:x:nine:ann
annals:x:30:
"""


def who(result: GuestResult) -> str:
    """``uid gid groups...`` of what ran."""
    assert (result.status, result.stderr) == (0, b"")
    return result.text.rstrip()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("1000", "1000 1000 1000"),
        ("user", "1000 1000 1000"),
        ("root", "0 0 0 10"),
        ("4711", "4711 0 0"),
        ("4711:users", "4711 100 100"),
        ("user:4712", "1000 4712 4712"),
        ("1000:0", "1000 0 0"),
    ],
)
def test_users_of_the_root_in_memory(arch: str, user: str, expected: str) -> None:
    result = run_cli("run", "--arch", arch, "-u", user, "busybox", "sh", "-c", WORDS)
    assert who(result) == expected


def test_without_the_option_it_is_root_in_no_group(arch: str) -> None:
    assert who(run_cli("run", "--arch", arch, "busybox", "sh", "-c", WORDS)) == "0 0"


def test_the_environment_is_the_same_for_everybody(arch: str) -> None:
    words = ("run", "--arch", arch, "-u", "user", "busybox", "sh", "-c", "echo $HOME; pwd")
    assert run_cli(*words).text == "/root\n/\n"


def test_strace_has_the_option_too(arch: str, work: Path) -> None:
    words = ("-u", "user", "-o", "calls", "--arch", arch)
    assert who(run_cli("trace", *words, "busybox", "sh", "-c", WORDS)) == "1000 1000 1000"


def make_root(arch: str, top: Path) -> Path:
    """A root with a BusyBox and users of its own."""
    for name in ("bin", "etc", "proc"):
        (top / name).mkdir(parents=True)
    (top / "bin/busybox").write_bytes(find_busybox(arch).read_bytes())
    (top / "bin/busybox").chmod(0o755)
    for applet in ("sh", "sed", "id", "stat"):
        (top / "bin" / applet).symlink_to("busybox")
    (top / "etc/passwd").write_bytes(PASSWD)
    (top / "etc/group").write_bytes(GROUP)
    return top


@pytest.fixture(params=["directory", "tar"])
def rootfs(request: pytest.FixtureRequest, arch: str, tmp_path: Path) -> str:
    top = make_root(arch, tmp_path / "root")
    if request.param == "directory":
        return str(top)
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(top, ".")
    return str(tmp_path / "root.tar")


def test_a_root_has_its_own_users(rootfs: str) -> None:
    expected = {
        "ann": "500 50 50 10 29",
        "500": "500 50 50 10 29",  # the first line of that uid
        "ann:annals": "500 30 30",
        "bob": "501 501 501 29",
        "again": "500 77 77",
        "123": "123 0 0",  # a number is never a name
        os.fsdecode(b"m\xfcller"): "502 502 502",
    }
    found = {
        user: who(run_cli("run", "--rootfs", rootfs, "-u", user, "sh", "-c", WORDS))
        for user in expected
    }
    assert found == expected


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        ("user", "the guest's /etc/passwd has no user 'user'"),
        ("broken", "the guest's /etc/passwd has no user 'broken'"),
        ("huge", "the guest's /etc/passwd has no user 'huge'"),
        ("ann:wrong", "the guest's /etc/group has no group 'wrong'"),
    ],
)
def test_who_is_not_there_is_named(rootfs: str, user: str, complaint: str) -> None:
    for command in ("run", "trace"):
        result = run_cli(command, "--rootfs", rootfs, "--user", user, "sh")
        assert result.status == 125
        assert result.stderr.decode() == f"diorama: --user {user}: {complaint}\n"


@pytest.mark.skipif(os.getuid() != 0, reason="the root's own files are root's here")
def test_the_callers_files_are_the_listed_users(arch: str, tmp_path: Path) -> None:
    """In the root of the host as well, whose owner is known only once its /etc/passwd is read."""
    top = make_root(arch, tmp_path / "root")
    script = "stat -c '%u %g' / /etc /etc/passwd /bin/sh /v"
    volume = ("-v", f"{tmp_path}:/v")
    result = run_cli("run", "--rootfs", str(top), *volume, "-u", "ann", "sh", "-c", script)
    assert result.text.split("\n") == ["500 50"] * 5 + [""]


def test_a_volume_does_not_say_who_is_who(arch: str, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("user:x:1:2:::\n")
    volume = ("-v", f"{tmp_path}/passwd:/etc/passwd")
    words = ("run", "--arch", arch, *volume, "-u", "user", "busybox", "sh", "-c", WORDS)
    assert who(run_cli(*words)) == "1000 1000 1000"


@pytest.mark.parametrize("kind", ["none", "directory", "fifo", "link", "outside"])
def test_a_root_without_a_list_knows_numbers(arch: str, tmp_path: Path, kind: str) -> None:
    top = make_root(arch, tmp_path / "root")
    for name in ("passwd", "group"):
        place = top / "etc" / name
        place.unlink()
        if kind == "directory":
            place.mkdir()
        elif kind == "fifo":
            os.mkfifo(place)
        elif kind == "link":
            place.symlink_to(name)
        elif kind == "outside":  # a link of the guest's never leads to the host's own files
            place.symlink_to(tmp_path / name)
            (tmp_path / name).write_bytes(PASSWD)
    words = ("run", "--rootfs", str(top), "-u")
    assert who(run_cli(*words, "500", "sh", "-c", WORDS)) == "500 0 0"
    assert run_cli(*words, "ann", "sh").status == 125
