"""Laying out the files of a machine: root, devices, terminals, /proc, volumes, PROGRAM itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as HostPath
from typing import TYPE_CHECKING

from kernel.abi.errors import EEXIST
from kernel.abi.files import AT_FDCWD, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME
from kernel.fs.devfs import mount_dev
from kernel.fs.devices import register_memory_devices
from kernel.fs.root import fill_root, make_file, make_link
from kernel.fs.tmpfs import Tmpfs, tmpfs_factory
from kernel.vfs.create import mkdir_at
from kernel.vfs.walk import walk
from kernel.views.procfs.root import make_procfs
from kernel.views.sysfs import make_sysfs
from kernel.views.terminal.drivers import Terminals
from tools.rootfs import unpack_root

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path
    from kernel.views.terminal.console import Console
    from tools.boot.hardware import Hardware
    from tools.config import RunConfig


def lay_out_files(
    hardware: Hardware, config: RunConfig, console: Console | None, make_init: Callable[[], Task]
) -> Task:
    """Everything but PROGRAM; pid 1 is made as soon as there is a root for it."""
    system, mounts = hardware.system, hardware.mounts
    now = system.clock.realtime
    register_memory_devices(mounts.devices, system.random.bytes)
    root = Tmpfs(system.frames, mounts.new_dev(), now, mode=0o755)
    mounts.mount_root(root)
    mounts.filesystems[b"tmpfs"] = tmpfs_factory(mounts, system.frames, now)
    if config.rootfs is None:
        fill_root(root.root, config.hostname)
    else:
        unpack_root(config.rootfs, root.root)
    init = make_init()
    terminals = Terminals(system, mounts, console)
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME
    mounts.mount(make_procfs(system, mounts), place(init, b"/proc", make=True), quiet)
    mounts.mount(make_sysfs(system, mounts), place(init, b"/sys", make=True), quiet)
    dev = place(init, b"/dev", make=True)
    mount_dev(mounts, dev, system.frames, now, terminals.devpts)
    for extra in config.tmpfs:
        sb = Tmpfs(system.frames, mounts.new_dev(), now, extra.size)
        mounts.mount(sb, place(init, extra.path, make=True), MS_NOSUID | MS_NODEV)
    return init


def place(init: Task, path: bytes, *, make: bool = False) -> Path:
    """Where ``path`` leads; with ``make`` its directories are made as needed."""
    if make:
        parts = path.strip(b"/").split(b"/")
        for depth in range(1, len(parts) + 1):
            try:
                mkdir_at(init, AT_FDCWD, b"/" + b"/".join(parts[:depth]), 0o755)
            except EEXIST:
                continue
    return walk(init, AT_FDCWD, path)


def show_file(hardware: Hardware, host: str, guest: bytes) -> None:
    """A host file, read-only, at a place in the root."""
    make_file(hardware.mounts.mounts[0].sb.root, guest, HostPath(host).read_bytes(), 0o755)


def show_applets(hardware: Hardware, busybox: bytes, links: list[bytes]) -> None:
    """Applet links to the BusyBox at ``busybox``; what is there already stays."""
    root = hardware.mounts.mounts[0].sb.root
    for link in links:
        if b"/" + link != busybox:
            make_link(root, link, busybox)


def seal_root(hardware: Hardware) -> None:
    """``--read-only``: from now on nobody can change the root."""
    hardware.mounts.mounts[0].flags |= MS_RDONLY
