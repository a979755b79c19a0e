"""Every file of /proc shows a value that changes with the state: a script looks before and after.

``PROBES`` names each file with what is read of it and what changes it; one guest per CPU runs all
of them.  A file that is missing from the table, and not named as constant, fails.
"""

from __future__ import annotations

import functools

import pytest

from kernel.views.procfs import process, root
from tests.support.guest import shell

pytestmark = pytest.mark.guest

ASLEEP = "& pid=$!; until grep -q 'S (sl' /proc/$pid/status; do :; done"
SLEEPER = f"sleep 100 {ASLEEP}"

# name: (a command that shows a value, commands that change it)
PROBES = {
    "loadavg": ("cut -d' ' -f5 /proc/loadavg", "true | true"),
    "meminfo": ("grep Shmem: /proc/meminfo", "head -c 200000 /dev/zero > /tmp/shown"),
    "mounts": ("wc -l < /proc/mounts", "mount -t tmpfs none /mnt"),
    "self": ("readlink /proc/self", "true"),
    "thread-self": ("readlink /proc/thread-self", "true"),
    "stat": ("grep processes /proc/stat", "true | true"),
    "uptime": ("cut -d' ' -f1 /proc/uptime", "usleep 20000"),
    "version": ("grep -c $(uname -r) /proc/version", None),
    "sys/kernel/hostname": ("cat /proc/sys/kernel/hostname", "hostname renamed"),
    "sys/kernel/domainname": (
        "cat /proc/sys/kernel/domainname",
        "echo example > /proc/sys/kernel/domainname",
    ),
    "sys/kernel/random/uuid": ("cat /proc/sys/kernel/random/uuid", "true"),
    "PID/auxv": (
        "od -An -v -tx8 $auxv | grep -c ' 000000000000000b 00000000000003e8'",
        "su user -c 'cat /proc/self/auxv' > /tmp/auxv; auxv=/tmp/auxv",
    ),
    "PID/cmdline": ("tr '\\0' ' ' < /proc/$pid/cmdline | tail -c 9", SLEEPER),
    "PID/comm": ("cat /proc/$$/comm", "echo named > /proc/$$/comm"),
    "PID/cwd": ("readlink /proc/$$/cwd", "cd /tmp"),
    "PID/environ": ("env cat /proc/self/environ | tr '\\0' ' '", "export SHOWN=1"),
    "PID/exe": ("readlink /proc/$pid/exe", f"cp /bin/busybox /tmp; /tmp/busybox {SLEEPER}"),
    "PID/fd": ("ls /proc/$$/fd", "exec 7</etc/passwd"),
    "PID/fdinfo": ("grep pos /proc/$$/fdinfo/7", "read line <&7"),
    "PID/limits": ("grep files /proc/$$/limits", "ulimit -Sn 77"),
    "PID/loginuid": ("cat /proc/$$/loginuid", None),
    "PID/maps": ("md5sum < /proc/$$/maps", "big=$(head -c 300000 /dev/zero | tr '\\0' a)"),
    "PID/smaps": ("md5sum < /proc/$$/smaps", "big=$(seq 50000)"),
    "PID/smaps_rollup": ("md5sum < /proc/$$/smaps_rollup", "unset big"),
    "PID/mem": ("heap | grep -c 'needle[.]found'", "x=needle y=found; z=$x.$y"),
    "PID/mounts": ("wc -l < /proc/$$/mounts", "mount -t tmpfs none /mnt"),
    "PID/mountinfo": ("wc -l < /proc/$$/mountinfo", "mount -t tmpfs none /mnt"),
    "net": ("cat /proc/net/tcp6", "nc -l -p 77 & until grep -q :004D /proc/net/tcp6; do :; done"),
    "PID/net": (
        "cat /proc/$$/net/tcp6",
        "nc -l -p 78 & until grep -q :004E /proc/net/tcp6; do :; done",
    ),
    "PID/oom_score": ("cat /proc/$$/oom_score", "echo 500 > /proc/$$/oom_score_adj"),
    "PID/oom_score_adj": ("cat /proc/$$/oom_score_adj", "echo 6 > /proc/$$/oom_score_adj"),
    "PID/root": (
        "readlink /proc/$pid/root",
        f"mkdir /tmp/jail; cp /bin/busybox /tmp/jail; chroot /tmp/jail /busybox {SLEEPER}",
    ),
    "PID/stat": ("cut -d' ' -f3 /proc/$pid/stat", "kill -STOP $pid; usleep 1000"),
    "PID/statm": ("cut -d' ' -f2 /proc/$$/statm", "huge=$(head -c 900000 /dev/zero | tr '\\0' a)"),
    "PID/status": ("grep Umask /proc/$$/status", "umask 077"),
    "PID/task": ("ls /proc/$pid/task | tr $pid x; ls /proc/$pid/task", SLEEPER),
    "PID/wchan": ("cat /proc/$pid/wchan", f"mkfifo /tmp/fifo; cat /tmp/fifo {ASLEEP}"),
}
CONSTANT = {
    "cmdline": "the kernel was started once",
    "cpuinfo": "the processor does not change",
    "devices": "drivers are not loaded at run time",
    "filesystems": "no more than drivers",
    "swaps": "there is no swap space",
    "version": "shows what uname(2) does",
    "PID/loginuid": "nobody logs in",
    "sys": "a directory",
    "sysvipc": "no applet makes such objects; userland/c/sysvipc.c looks",
}
BEFORE = """
auxv=/proc/self/auxv; pid=$$
heap() {
    range=$(grep heap /proc/$$/maps | cut -d' ' -f1)
    first=$((0x${range%-*} / 4096)); last=$((0x${range#*-} / 4096))
    dd if=/proc/$$/mem bs=4096 skip=$first count=$((last - first)) 2>/dev/null
}
"""


@functools.cache
def values(arch: str) -> dict[str, list[str]]:
    """What each probe showed: before and after."""
    script = [BEFORE]
    for name, (look, change) in PROBES.items():
        again = f"{change}\necho '--'; {look}" if change else "echo '--'"
        script.append(f"echo '== {name}'\n{look}\n{again}\n")
    result = shell("".join(script), arch, quiet=True)
    sections = [part.partition("\n") for part in result.text.split("== ")[1:]]
    return {name: text.split("--\n") for name, _, text in sections}


@pytest.mark.row("K8")
@pytest.mark.parametrize("name", PROBES)
def test_a_file_follows_the_state(arch: str, name: str) -> None:
    before, after = values(arch)[name]
    assert before or name in ("PID/wchan", "PID/mem")
    if PROBES[name][1] is not None:
        assert after
        assert before != after


def test_every_file_has_a_probe() -> None:
    names = {name.decode() for name in root._names(b"0" * 16)}
    names |= {f"PID/{name.decode()}" for name in process.PROCESS_FILES}
    assert names <= set(PROBES) | set(CONSTANT)
