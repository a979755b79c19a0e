"""Laying out the files of a machine: root, devices, terminals, /proc, volumes, PROGRAM itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as HostPath
from typing import TYPE_CHECKING

from kernel.abi.errors import EEXIST, KernelError
from kernel.abi.files import (
    AT_FDCWD,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
)
from kernel.fs.devfs import mount_dev
from kernel.fs.devices import register_memory_devices
from kernel.fs.root import fill_root, make_directory, make_file, make_link
from kernel.fs.tmpfs import Tmpfs
from kernel.vfs.create import mkdir_at
from kernel.vfs.walk import walk
from kernel.views.terminal.drivers import Terminals
from tools.boot.applets import applet_links

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path
    from kernel.views.terminal.console import Console
    from tools.boot.hardware import Hardware
    from tools.boot.program import Program
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
    fill_root(root.root, config.hostname)
    init = make_init()
    terminals = Terminals(system, mounts, console)
    mount_dev(mounts, place(init, b"/dev"), system.frames, now, terminals.devpts)
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


def show_program(
    hardware: Hardware,
    config: RunConfig,
    program: Program,
    list_applets: Callable[[str], bytes],
) -> None:
    """The program's file in /bin, and the applet links of a BusyBox."""
    root = hardware.mounts.mounts[0].sb.root
    if program.host is not None:
        name = b"bin/busybox" if program.is_busybox else program.path.lstrip(b"/")
        make_file(root, name, HostPath(program.host).read_bytes(), 0o755)
    if program.is_busybox and program.host is not None:
        for link in applet_links(program.host, list_applets):
            make_link(root, link, b"/bin/busybox")
    if config.read_only:
        hardware.mounts.mounts[0].flags |= MS_RDONLY
