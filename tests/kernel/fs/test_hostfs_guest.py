"""Guests on volumes: the programs that check themselves, a shell, and what the host has later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.guest import run_guest, shell
from tests.support.volumes import open_descriptors
from tools.config import Volume
from userland import build

pytestmark = [pytest.mark.guest]


@pytest.mark.row("R6")
@pytest.mark.parametrize("name", ["files", "directories", "memory", "mappings"])
def test_self_checking_programs_pass_on_a_volume(name: str, arch: str, tmp_path: Path) -> None:
    before = open_descriptors()
    result = run_guest(
        build.build(name, arch),
        arch=arch,
        volumes=(Volume(str(tmp_path), b"/work"),),
        workdir=b"/work",
    )
    assert (result.status, result.text) == (0, "ok\n")
    assert list(tmp_path.iterdir()) == [], "they clean up behind them"
    assert open_descriptors() == before


@pytest.mark.row("R6")
def test_a_shell_works_on_the_hosts_files(arch: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b\na\n")
    os.symlink("/etc/passwd", tmp_path / "link")
    script = """
        sort in > out && mkdir -p deep/er && cp out deep/er/copy && chmod 600 deep/er/copy
        find . | sort; cat link | head -n 1
        (echo appended >> out) && mv deep/er moved && rm -r deep
        dd if=/dev/zero of=big bs=100000 count=3 2>/dev/null; wc -c < big
    """
    result = shell(script, arch, volumes=(Volume(str(tmp_path), b"/w"),), workdir=b"/w")
    assert result.stderr == b""
    listing = ". ./deep ./deep/er ./deep/er/copy ./in ./link ./out".split()
    assert result.text.split("\n")[:7] == listing
    assert "root:" in result.text.split("\n")[7], "the guest's own /etc, not the host's"
    assert (tmp_path / "out").read_text() == "a\nb\nappended\n"
    assert (tmp_path / "moved" / "copy").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "big").stat().st_size == 300000
    assert not (tmp_path / "deep").exists()


@pytest.mark.row("R6")
def test_a_read_only_volume_and_one_file(arch: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("kept\n")
    volumes = (
        Volume(str(tmp_path), b"/ro", read_only=True),
        Volume(str(tmp_path / "f"), b"/etc/one/file"),
    )
    script = "cat /ro/f; echo x > /ro/f; rm /ro/f; touch /ro/g; echo more >> /etc/one/file"
    result = shell(script, arch, volumes=volumes)
    assert result.text == "kept\n"
    assert result.stderr.count(b"Read-only file system") == 3
    assert (tmp_path / "f").read_text() == "kept\nmore\n"


@pytest.mark.row("R6")
def test_another_user_on_a_volume(arch: str, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    (tmp_path / "mine").write_text("x")
    script = "stat -c %u:%g mine; touch new && stat -c %u new; chown 5 new"
    result = shell(
        script, arch, user="1234:77", volumes=(Volume(str(tmp_path), b"/w"),), workdir=b"/w"
    )
    assert result.text == "1234:77\n1234\n"
    assert b"Operation not permitted" in result.stderr


def test_programs_on_a_volume_share_their_text(arch: str, tmp_path: Path) -> None:
    program = build.build("hello", arch)
    (tmp_path / "hello").write_bytes(program.read_bytes())
    os.chmod(tmp_path / "hello", 0o755)
    script = "/w/hello; /w/hello; echo $?"
    result = shell(script, arch, volumes=(Volume(str(tmp_path), b"/w", read_only=True),))
    assert result.text == "hello\nhello\n7\n"
