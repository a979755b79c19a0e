"""Arguments of System V IPC, message queues and inotify; see ``values``."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.fuzz.values import Values
from tests.fuzz.values_net import one_of

NAMES = (b"one", b"two", b"")


def ipc_id(values: Values) -> int:
    """An object there is, of whatever kind, or a small number."""
    ipc = values.task.kernel.ipc
    tables = (ipc.segments, ipc.semaphores, ipc.queues)
    found = [item.ident for table in tables for _, item in table.objects()]
    return values.random.choice(found) if found else 0


def operations(values: Values) -> int:
    """One or two semaphore operations that need not wait, and their number."""
    source = values.random
    count = source.choice((1, 2))
    data = b"".join(
        struct.pack(
            "<Hhh", source.choice((0, 1)), source.choice((1, 0, -1)), source.choice((0, 2048))
        )
        for _ in range(count)
    )
    return values.place(data, count)


def message(values: Values) -> int:
    """struct msgbuf, and the length of its text."""
    data = struct.pack("<q", values.random.choice((1, 2, 3))) + b"text"
    return values.place(data, values.random.choice((0, 4, 4)))


def queue_name(values: Values) -> int:
    """One of few names."""
    return values.place(values.random.choice(NAMES) + b"\0")


def queue_attributes(values: Values) -> int:
    """struct mq_attr, or NULL."""
    if values.random.random() < 0.4:
        return 0
    flags = values.random.choice((0, 0o4000))
    return values.place(struct.pack("<qqqq32x", flags, 4, 16, 0))


MAKERS: dict[str, Callable[[Values], int]] = {
    "ipc_key": one_of(0, 1, 2),
    "ipc_id": ipc_id,
    "ipc_get_flags": one_of(0o1666, 0o1666, 0o666, 0o3666, 0),
    "*sembufs": operations,
    "*msgbuf": message,
    "*mq_name": queue_name,
    "*mq_attr": queue_attributes,
    "mq_priority": one_of(0, 0, 1, 32767, 32768),
    "inotify_watch": one_of(1, 1, 2, 3),
}
