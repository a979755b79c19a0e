"""``boot``: from a few words to a machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from tools.boot.hardware import assemble
from tools.boot.program import ARCHES, host_arch
from tools.boot.session import Session
from tools.busybox import find_busybox
from tools.config import DEFAULT_HOSTNAME, LEAST_MEMORY, MAX_HOSTNAME, NETWORKS, RunConfig
from tools.errors import DioramaError
from tools.library.machine import Machine, encoded

_UNITS: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def boot(
    arch: str | None = None,
    *,
    memory: str | int = "256m",
    hostname: str = "diorama",
    busybox: bool = True,
    rootfs: str | None = None,
    network: str = "loopback",
    seed: int | None = None,
    deterministic: bool = False,
    environment: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Machine:
    """A machine with the usual root in memory and, unless told otherwise, BusyBox in /bin.

    ``memory`` is a number of bytes or a string with a unit (b, k, m, g).  ``rootfs``: a directory
    or an archive in place of the usual root, without BusyBox.  ``network``: 'loopback', 'none' or
    'host'.  ``seed`` makes every random byte the guest sees repeatable; ``deterministic`` makes
    time so, too.  ``log`` gets the kernel's own messages, a line each.  DioramaError.
    """
    name = arch or host_arch()
    if name not in ARCHES:
        raise DioramaError(f"arch {name!r}: want {' or '.join(ARCHES)}")
    if rootfs is not None and not os.path.exists(rootfs):
        raise DioramaError(f"rootfs {rootfs}: no such file or directory")
    if network not in NETWORKS:
        raise DioramaError(f"network {network!r}: want {', '.join(NETWORKS)}")
    if len(os.fsencode(hostname)) > MAX_HOSTNAME:
        raise DioramaError(f"hostname {hostname!r}: longer than {MAX_HOSTNAME} bytes")
    config = RunConfig(
        arch=name,
        memory=_size(memory),
        hostname=os.fsencode(hostname) if hostname else DEFAULT_HOSTNAME,
        environment=encoded(environment or {}),
        rootfs=rootfs,
        network=network,
        seed=0 if deterministic and seed is None else seed,
        deterministic=deterministic,
    )
    hardware = assemble(
        name,
        config.memory,
        hostname=config.hostname,
        seed=config.seed,
        log=log,
        quiet=False,
        allow_wx=False,
        deterministic=deterministic,
    )
    session = Session(config, hardware, with_terminal=False)
    session.prepare()
    if busybox and rootfs is None:
        session.show_busybox(str(find_busybox(name)))
    return Machine(session)


def _size(text: str | int) -> int:
    size = text if isinstance(text, int) else -1
    if isinstance(text, str) and text[-1:].lower() in _UNITS and text[:-1].isdigit():
        size = int(text[:-1]) * _UNITS[text[-1].lower()]
    if size < 0:
        raise DioramaError(f"memory {text!r}: want a number with b, k, m or g behind it")
    if size < LEAST_MEMORY:
        raise DioramaError(f"memory {text!r}: less than 4m, too little to start a program")
    return size
