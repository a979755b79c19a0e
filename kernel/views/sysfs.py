"""sysfs: the few files that C libraries and language run times read.  See sysfs(5).

/sys/devices/system/cpu/{online,possible,present} is how glibc counts processors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import SYSFS_MAGIC
from kernel.vfs.mount import same_instance
from kernel.views.procfs.nodes import DirNode, Factory, ViewSuperBlock, directory, text

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.mount import MountTable


def _cpus(task: Task) -> bytes:
    """One processor, number 0."""
    return b"0\n"


def _names() -> dict[bytes, Factory]:
    cpu = {
        b"cpu0": directory({}),
        b"kernel_max": text(_cpus),
        b"online": text(_cpus),
        b"possible": text(_cpus),
        b"present": text(_cpus),
    }
    return {
        b"block": directory({}),
        b"bus": directory({}),
        b"class": directory({}),
        b"devices": directory({b"system": directory({b"cpu": directory(cpu)})}),
        b"fs": directory({}),
        b"kernel": directory({}),
        b"module": directory({}),
    }


def make_sysfs(kernel: System, mounts: MountTable) -> ViewSuperBlock:
    """The machine's sys file system, to be mounted on /sys; mount(2) gives the same one."""
    sb = ViewSuperBlock(kernel, b"sysfs", mounts.new_dev(), SYSFS_MAGIC)
    sb.root = DirNode(sb, _names())
    mounts.filesystems[b"sysfs"] = same_instance(sb)
    return sb
