"""/proc/sys: what can be asked of the kernel, and a little that can be told.  See proc(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, EPERM
from kernel.cred import CAP_LAST, CAP_SYS_ADMIN
from kernel.fs.inotify import MAX_QUEUED
from kernel.mm.space import MAX_MAP_COUNT, MMAP_MIN_ADDR
from kernel.vfs.fdtable import NR_OPEN
from kernel.vfs.mount import MOUNT_MAX
from kernel.views.procfs.ipc_files import ipc_limits, mqueue_limits
from kernel.views.procfs.network_files import sysctl_net
from kernel.views.procfs.nodes import Factory, constant, directory, text

if TYPE_CHECKING:
    from kernel.task.task import Task

PIPE_MAX_SIZE = 1 << 20
FILE_MAX = (1 << 63) - 1
NGROUPS_MAX = 65536
OVERFLOW_ID = 65534
PTY_MAX = 4096
UTS_LENGTH = 64


def _number(value: int) -> Factory:
    """A constant of this kernel."""
    return constant(b"%d\n" % value)


def _hostname(task: Task) -> bytes:
    return _encoded(task.kernel.names.host) + b"\n"


def _set_hostname(task: Task, data: bytes) -> None:
    """As sethostname(2)."""
    task.kernel.names.host = _name(task, data)


def _domainname(task: Task) -> bytes:
    return _encoded(task.kernel.names.domain) + b"\n"


def _set_domainname(task: Task, data: bytes) -> None:
    task.kernel.names.domain = _name(task, data)


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(task: Task, data: bytes) -> str:
    if not task.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("renaming the machine needs CAP_SYS_ADMIN")
    name = data.partition(b"\n")[0].partition(b"\0")[0]
    if len(name) > UTS_LENGTH:
        raise EINVAL("the name has %d bytes, at most %d are allowed", len(name), UTS_LENGTH)
    return name.decode("utf-8", "surrogateescape")


def _uuid(raw: bytes) -> bytes:
    """Random bytes as a version 4 UUID."""
    value = bytearray(raw)
    value[6] = value[6] & 0x0F | 0x40
    value[8] = value[8] & 0x3F | 0x80
    digits = bytes(value).hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts).encode() + b"\n"


def _new_uuid(task: Task) -> bytes:
    return _uuid(task.kernel.random.bytes(16))


def _release(task: Task) -> bytes:
    return task.kernel.names.release.encode() + b"\n"


def _system(task: Task) -> bytes:
    return task.kernel.names.system.encode() + b"\n"


def _version(task: Task) -> bytes:
    return task.kernel.names.version.encode() + b"\n"


def _pid_max(task: Task) -> bytes:
    return b"%d\n" % task.kernel.pids.maximum


def _random(boot_id: bytes) -> dict[bytes, Factory]:
    return {
        b"boot_id": constant(_uuid(boot_id)),
        b"entropy_avail": _number(256),
        b"poolsize": _number(256),
        b"urandom_min_reseed_secs": _number(60),
        b"uuid": text(_new_uuid),
        b"write_wakeup_threshold": _number(256),
    }


def _kernel(boot_id: bytes) -> dict[bytes, Factory]:
    return {
        **ipc_limits(),
        b"cap_last_cap": _number(CAP_LAST),
        b"domainname": text(_domainname, _set_domainname),
        b"hostname": text(_hostname, _set_hostname),
        b"ngroups_max": _number(NGROUPS_MAX),
        b"osrelease": text(_release),
        b"ostype": text(_system),
        b"overflowgid": _number(OVERFLOW_ID),
        b"overflowuid": _number(OVERFLOW_ID),
        b"pid_max": text(_pid_max),
        b"pty": directory({b"max": _number(PTY_MAX)}),
        b"random": directory(_random(boot_id)),
        b"randomize_va_space": _number(0),
        b"threads-max": text(_pid_max),
        b"version": text(_version),
    }


def _vm() -> dict[bytes, Factory]:
    return {
        b"max_map_count": _number(MAX_MAP_COUNT),
        b"mmap_min_addr": _number(MMAP_MIN_ADDR),
        b"overcommit_memory": _number(0),
    }


def _fs() -> dict[bytes, Factory]:
    return {
        b"file-max": _number(FILE_MAX),
        b"inotify": directory({b"max_queued_events": _number(MAX_QUEUED)}),
        b"mqueue": mqueue_limits(),
        b"mount-max": _number(MOUNT_MAX),
        b"nr_open": _number(NR_OPEN),
        b"overflowgid": _number(OVERFLOW_ID),
        b"overflowuid": _number(OVERFLOW_ID),
        b"pipe-max-size": _number(PIPE_MAX_SIZE),
    }


def sysctl_directory(boot_id: bytes) -> Factory:
    """/proc/sys; ``boot_id``: 16 random bytes drawn when the machine started."""
    return directory(
        {
            b"fs": directory(_fs()),
            b"kernel": directory(_kernel(boot_id)),
            b"net": directory(sysctl_net()),
            b"vm": directory(_vm()),
        }
    )
