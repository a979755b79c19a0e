"""Laying out the files of a machine: root, devices, terminals, /proc, volumes, PROGRAM itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path as HostPath
from typing import TYPE_CHECKING

from kernel.abi.errors import EEXIST, KernelError
from kernel.abi.files import (
    AT_FDCWD,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    S_IFDIR,
    S_IFMT,
    S_IFREG,
)
from kernel.fs.devfs import mount_dev
from kernel.fs.devices import register_memory_devices
from kernel.fs.hostfile import make_hostfs
from kernel.fs.hostfs import HostFs
from kernel.fs.root import fill_root, make_file, make_link
from kernel.fs.tmpfs import Tmpfs, tmpfs_factory
from kernel.vfs.create import mkdir_at, mknod_at
from kernel.vfs.walk import DIRECTORY, FOLLOW, walk
from kernel.views.mqueue import make_mqueue
from kernel.views.procfs.root import make_procfs
from kernel.views.sysfs import make_sysfs
from kernel.views.terminal.drivers import Terminals
from tools.boot.users import start_user
from tools.errors import DioramaError
from tools.rootfs import unpack_root

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path
    from kernel.vfs.inode import SuperBlock
    from kernel.views.terminal.console import Console
    from tools.boot.hardware import Hardware
    from tools.boot.users import StartUser
    from tools.config import RunConfig, Volume


def lay_out_files(
    hardware: Hardware, config: RunConfig, console: Console | None, make_init: Callable[[], Task]
) -> tuple[Task, StartUser]:
    """Everything but PROGRAM; pid 1 is made as soon as there is a root for it.

    Also returns who PROGRAM's user is, which the root's own /etc/passwd tells.
    """
    system, mounts = hardware.system, hardware.mounts
    now = system.clock.realtime
    register_memory_devices(mounts.devices, system.random.bytes)
    mounts.mount_root(_root(hardware, config))
    mounts.filesystems[b"tmpfs"] = tmpfs_factory(mounts, system.frames, now)
    init = make_init()
    user = start_user(init, config.user)
    root = mounts.mounts[0].sb
    if isinstance(root, HostFs):
        root.set_owner(user.uid, user.gid)
    terminals = Terminals(system, mounts, console)
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME
    mounts.mount(make_procfs(system, mounts), place(init, b"/proc", make=True), quiet)
    mounts.mount(make_sysfs(system, mounts), place(init, b"/sys", make=True), quiet)
    dev = place(init, b"/dev", make=True)
    mount_dev(mounts, dev, system.frames, now, terminals.devpts)
    mqueue = place(init, b"/dev/mqueue", make=True)
    mounts.mount(make_mqueue(system, mounts), mqueue, quiet)
    for extra in config.tmpfs:
        sb = Tmpfs(system.frames, mounts.new_dev(), now, extra.size)
        mounts.mount(sb, place(init, extra.path, make=True), MS_NOSUID | MS_NODEV)
    for volume in config.volumes:
        mount_volume(hardware, init, volume, (user.uid, user.gid))
    return init, user


def _root(hardware: Hardware, config: RunConfig) -> SuperBlock:
    """The root in memory, filled by us or from an archive, or a directory of the host."""
    system, mounts = hardware.system, hardware.mounts
    now = system.clock.realtime
    if config.rootfs is not None and os.path.isdir(config.rootfs):
        return make_hostfs(config.rootfs, mounts.new_dev(), now, hardware.contents)
    root = Tmpfs(system.frames, mounts.new_dev(), now, mode=0o755)
    if config.rootfs is None:
        fill_root(root.root, config.hostname)
    else:
        unpack_root(config.rootfs, root.root)
    return root


def mount_volume(hardware: Hardware, init: Task, volume: Volume, owner: tuple[int, int]) -> None:
    """A host directory or file at its place in the guest's tree, which is made if need be.

    ``owner``: the guest's start user, as whom the caller's own files appear.
    """
    mounts = hardware.mounts
    try:
        sb = make_hostfs(
            volume.host,
            mounts.new_dev(),
            hardware.system.clock.realtime,
            hardware.contents,
            owner,
            volume.read_only,
        )
    except KernelError as error:
        raise DioramaError(f"volume {volume.host}: {error.text}") from error
    guest = volume.guest.rstrip(b"/") or b"/"
    if sb.root.mode & S_IFMT == S_IFDIR:
        at = place(init, guest, make=True)
    else:
        at = _place_of_file(init, guest)
    flags = MS_RELATIME | MS_NODEV | (MS_RDONLY if volume.read_only else 0)
    mounts.mount(sb, at, flags)


def _place_of_file(init: Task, guest: bytes) -> Path:
    """Where a volume that is one file goes: an empty file is made there if nothing is."""
    place(init, guest.rpartition(b"/")[0] or b"/", make=True)
    try:
        return mknod_at(init, AT_FDCWD, guest, S_IFREG | 0o644, 0)
    except EEXIST:
        return walk(init, AT_FDCWD, guest)
    except KernelError as error:
        raise _no_place(guest, error) from error


def place(init: Task, path: bytes, *, make: bool = False) -> Path:
    """Where ``path`` leads; with ``make`` its directories are made as needed."""
    try:
        if make:
            parts = path.strip(b"/").split(b"/")
            for depth in range(1, len(parts) + 1):
                with suppress(EEXIST):
                    mkdir_at(init, AT_FDCWD, b"/" + b"/".join(parts[:depth]), 0o755)
            return walk(init, AT_FDCWD, path, FOLLOW | DIRECTORY)
        return walk(init, AT_FDCWD, path)
    except KernelError as error:
        raise _no_place(path, error) from error


def _no_place(path: bytes, error: KernelError) -> DioramaError:
    return DioramaError(f"no place to mount {os.fsdecode(path)}: {error.reason or error.text}")


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
