"""What a program finds, and what it must not: the caller's environment, files, descriptors."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.support.command import diorama, shell
from tests.support.guest import GuestResult, run_cli
from tools.busybox import find_busybox
from userland import build

pytestmark = pytest.mark.guest

SEEN = """
    #include <dirent.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <unistd.h>
    extern char **environ;
    int main(int argc, char **argv)
    {
        printf("%d %s\\n", argc, argv[0]);
        for (char **entry = environ; *entry; entry++)
            puts(*entry);
        DIR *all = opendir("/proc/self/fd");
        for (struct dirent *one; (one = readdir(all));)
            if (one->d_name[0] != '.' && atoi(one->d_name) != dirfd(all))
                printf("fd %s\\n", one->d_name);
        return 0;
    }"""


def guest(arch: str, *words: str) -> GuestResult:
    return run_cli("run", "-q", "--arch", arch, *words)


def complaint(result: GuestResult) -> str:
    text = result.stderr.decode()
    assert text.startswith("diorama: ")
    assert text.count("\n") == 1
    return text


@pytest.mark.row("K4", "R7")
def test_nothing_of_the_host_is_inherited(arch: str, work: Path) -> None:
    """Neither variables nor descriptors, whoever left them inheritable."""
    program = work / "seen"
    program.write_bytes(build.build_source("seen", arch, SEEN).read_bytes())
    program.chmod(0o755)
    with open(os.devnull) as extra:
        copy = os.dup2(extra.fileno(), 50)
        done = diorama("run", "./seen", env={"SECRET": "x"}, pass_fds=(copy,), cwd=work)
        os.close(copy)
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        "1 ./seen",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "fd 0",
        "fd 1",
        "fd 2",
    ]


def test_init_has_no_files_and_no_program(arch: str) -> None:
    script = "ls /proc/1/fd; cat /proc/1/environ /proc/1/cmdline /proc/1/maps; cat /proc/1/comm"
    result = guest(arch, "sh", "-c", script)
    assert (result.text, result.stderr) == ("init\n", b"")


def test_variables_that_are_named(arch: str, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIED", "from outside")
    monkeypatch.setenv("ALSO", "by the file")
    monkeypatch.delenv("ABSENT", raising=False)
    (work / "env").write_text("# comment\nA=1\nB=two words\nALSO\n")
    words = ("--env-file", "env", "-e", "COPIED", "-e", "ABSENT", "-e", "HOME=/tmp", "-e", "A=2")
    result = guest(arch, *words, "busybox", "env")
    assert result.text.splitlines() == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/tmp",
        "A=2",
        "B=two words",
        "ALSO=by the file",
        "COPIED=from outside",
    ]


def test_the_callers_files_are_the_start_users(arch: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    words = ("-u", "1000:100", "-v", f"{tmp_path}:/m", "-w", "/m", "sh", "-c")
    script = "id -u; id -g; echo x > made; stat -c '%u %g' mine made; chown 5 mine; mknod n c 1 3"
    result = guest(arch, *words, script)
    assert result.text.splitlines() == ["1000", "100", "1000 100", "1000 100"]
    assert b"chown: mine: Operation not permitted" in result.stderr
    assert b"mknod: n: Operation not permitted" in result.stderr
    assert (tmp_path / "made").stat().st_uid == os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of others")
def test_the_files_of_others_are_theirs(arch: str, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("")
    os.chown(tmp_path / "theirs", 1234, 55)
    result = guest(arch, "-v", f"{tmp_path}:/m:ro", "busybox", "stat", "-c", "%u %g", "/m/theirs")
    assert result.text == "1234 55\n"


def test_a_later_volume_covers_an_earlier_one(arch: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    (tmp_path / "one" / "sub").mkdir()
    one, two = (f"{tmp_path / name}:" for name in ("one", "two"))
    find = ("busybox", "find", "/m", "-type", "f")
    assert guest(arch, "-v", one + "/m", "-v", two + "/m", *find).text == "/m/two\n"
    inside = guest(arch, "-v", one + "/m", "-v", two + "/m/sub", *find).text
    assert sorted(inside.split()) == ["/m/one", "/m/sub/two"]
    assert guest(arch, "-v", two + "/m/sub", "-v", one + "/m", *find).text == "/m/one\n"
    assert guest(arch, "-v", two + "/deep/er/m", "busybox", "ls", "/deep/er/m").text == "two\n"


def test_fifos_and_devices_of_the_host_are_listed_only(arch: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    result = guest(arch, "-v", f"{tmp_path}:/m", "sh", "-c", "stat -c %F /m/fifo; cat /m/fifo")
    assert result.text == "fifo\n"
    assert b"No such device or address" in result.stderr


def test_a_tmpfs_of_a_size(arch: str) -> None:
    words = ("--read-only", "--tmpfs", "/s:size=64k", "sh", "-c")
    script = "dd if=/dev/zero of=/s/f bs=1k count=100 2>&1 | head -n1; stat -c %s /s/f; touch /x"
    result = guest(arch, *words, script)
    assert result.text == "dd: error writing '/s/f': No space left on device\n65536\n"
    assert b"Read-only file system" in result.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--tmpfs", "/etc/passwd"), "/etc/passwd"),
        (("-v", ".:/etc/passwd/x"), "/etc/passwd/x"),
        (("--memory", "100000000g"), "100000000g"),
        (("-v", "/dev/null:/x"), "/dev/null"),
        (("-w", "/etc/passwd"), "/etc/passwd"),
    ],
)
def test_options_that_cannot_be_had(work: Path, words: tuple[str, ...], part: str) -> None:
    result = run_cli("run", *words, "busybox", "true")
    assert result.status == 125
    if part != "100000000g":
        assert part in complaint(result)
    assert "internal error" not in complaint(result)


@pytest.fixture(params=["directory", "tar"])
def rootfs(request: pytest.FixtureRequest, arch: str, tmp_path: Path) -> str:
    """A root with a BusyBox of that CPU: /bin/busybox, /bin/sh and a script."""
    top = tmp_path / "root"
    (top / "bin").mkdir(parents=True)
    (top / "bin/busybox").write_bytes(find_busybox(arch).read_bytes())
    (top / "bin/script").write_text("#!/bin/sh\necho $0 $1\n")
    for file in (top / "bin").iterdir():
        file.chmod(0o755)
    (top / "bin/sh").symlink_to("busybox")
    (top / "etc").mkdir()
    if request.param == "directory":
        return str(top)
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(top, ".")
    return str(tmp_path / "root.tar")


def test_a_roots_own_program_decides_the_cpu(arch: str, rootfs: str) -> None:
    """By path, by the guest's PATH, through a link, a script: no --arch is needed."""
    words = ("run", "-q", "--rootfs", rootfs)
    assert run_cli(*words, "/bin/busybox", "uname", "-m").text == f"{arch}\n"
    assert run_cli(*words, "busybox", "uname", "-m").text == f"{arch}\n"
    assert run_cli(*words, "sh", "-c", "exec busybox uname -m").text == f"{arch}\n"
    assert run_cli(*words, "script", "x").text == "/bin/script x\n"


def test_refusals_of_a_root(arch: str, rootfs: str) -> None:
    other = "aarch64" if arch == "x86_64" else "x86_64"
    words = ("run", "--rootfs", rootfs)
    for program, status in (("/nope", 127), ("nope", 127), ("/etc", 126)):
        result = run_cli(*words, program)
        assert program in complaint(result)
        assert result.status == status
    result = run_cli(*words, "--arch", other, "/bin/busybox")
    assert result.status == 126
    assert arch in complaint(result)


def test_a_read_only_root_of_the_host(arch: str, rootfs: str) -> None:
    result = run_cli("run", "--read-only", "--rootfs", rootfs, "sh", "-c", "echo x > /made; pwd")
    assert result.text == "/\n"
    assert b"Read-only file system" in result.stderr
    if Path(rootfs).is_dir():
        assert not (Path(rootfs) / "made").exists()


def test_a_script_on_the_callers_path(arch: str, tmp_path: Path) -> None:
    (tmp_path / "greet").write_text("#!/bin/sh\necho greetings from $0\n")
    (tmp_path / "greet").chmod(0o755)
    script = 'PATH="$PWD:$PATH"; diorama run -q --busybox --arch "$1" greet'
    assert shell(script, arch, cwd=tmp_path).stdout == b"greetings from /bin/greet\n"
