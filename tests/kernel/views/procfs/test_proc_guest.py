"""/proc seen by a guest: the programs that live on it, and values that change with the state."""

from __future__ import annotations

import re

import pytest

from tests.support.guest import shell

pytestmark = pytest.mark.guest


@pytest.mark.row("K8")
def test_programs_that_read_proc(arch: str) -> None:
    result = shell(
        """
        sleep 100 & echo "child $!"; sleep 0.05
        ps -o pid,ppid,stat,comm
        top -b -n1
        free; uptime; mount; df /dev
        pidof sleep; kill %1; wait; pidof sleep || echo none
        """,
        arch,
        quiet=True,
    )
    text = result.text
    child = re.findall(r"child (\d+)", text)[0]
    assert re.search(rf"\n +{child} +2 S +sleep\n", text)
    assert re.search(r"\n +1 +0 SW +init\n", text)
    assert "Load average: 0." in text
    assert "proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)" in text
    assert re.search(r"\ndevtmpfs +\d+ +0 +\d+ +0% /dev\n", text)
    assert text.endswith(f"\n{child}\nnone\n")


def test_values_change_with_the_state(arch: str) -> None:
    result = shell(
        """
        cd /tmp; readlink /proc/self/cwd; grep Umask /proc/$$/status
        umask 077; grep Umask /proc/$$/status
        exec 7</etc/passwd; ls /proc/$$/fd; readlink /proc/$$/fd/7; read line <&7
        cat /proc/$$/fdinfo/7 | head -n 1
        ulimit -n 77; grep 'open files' /proc/$$/limits
        trap '' USR1; grep SigIgn /proc/$$/status
        before=$(grep processes /proc/stat); true | true; after=$(grep processes /proc/stat)
        [ "$before" = "$after" ] || echo counted
        mount -t tmpfs none /mnt; grep -c . /proc/mounts; grep /mnt /proc/self/mountinfo | wc -l
        echo other > /proc/sys/kernel/hostname; hostname
        env -i X=1 Y=2 /bin/busybox cat -A /proc/self/cmdline /proc/self/environ; echo
        """,
        arch,
        quiet=True,
    )
    assert result.text.splitlines() == [
        "/tmp", "Umask:\t0022", "Umask:\t0077", "0", "1", "2", "7", "/etc/passwd", "pos:\t30",
        "Max open files            77                   77                   files     ",
        "SigIgn:\t0000000000000204", "counted", "8", "1", "other",
        "/bin/busybox^@cat^@-A^@/proc/self/cmdline^@/proc/self/environ^@X=1^@Y=2^@",
    ]  # fmt: skip


def test_nothing_can_be_made(arch: str) -> None:
    """As on Linux: what is not there does not exist, whoever wants to make it."""
    result = shell(
        """
        for directory in /proc /proc/self /proc/self/fd /proc/self/task; do
            mkdir $directory/x; ln -s a $directory/x; mknod $directory/x p; touch $directory/x
        done
        mkdir /proc/self; rm /proc/uptime
        """,
        arch,
        quiet=True,
    )
    *missing, exists, refused = result.stderr.decode().splitlines()
    assert len(missing) == 16
    assert all(line.endswith(": No such file or directory") for line in missing), missing
    assert exists.endswith(": File exists")
    assert refused.endswith(": Operation not permitted")


def test_nobody_makes_files_in_the_kernels_own_file_systems(arch: str) -> None:
    """The errors are Linux's: sysfs has no create (EACCES) and no mkdir (EPERM), /proc no names."""
    result = shell("(: > /sys/x); mkdir /sys/y; (: > /proc/x); mkdir /proc/y", arch)
    assert [line.rpartition(": ")[2] for line in result.stderr.decode().splitlines()] == [
        "Permission denied", "Operation not permitted",
        "nonexistent directory", "No such file or directory",
    ]  # fmt: skip
