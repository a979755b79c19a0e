"""Everything that can be reached from a machine's System, and what of it is no plain data.

Saving a machine comes later and must not need a rewrite: so kernel objects hold values and other
kernel objects, and a generator is nowhere but in the call its task sleeps in.  What is the host's
own is named here, with the reason; nothing beyond it is looked at.
"""

from __future__ import annotations

import io
import mmap
import random
import socket
import threading
import types
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

HOST_ROOMS = {
    "kernel.cpu": "the processor; its state is read and set as register images",
    "kernel.mm.physical": "the RAM itself, host memory",
    "kernel.fs.hostpoller": "the selector over the host's descriptors",
    "kernel.fs.hostcontent": "open files of the host, found again by path",
    "kernel.fs.hostfile": "a volume's files: the host has their contents",
    "kernel.fs.hostfs": "a volume",
    "kernel.fs.hostio": "an inherited descriptor of the host",
    "kernel.fs.hostnodes": "a volume's directories",
    "kernel.net.host_socket": "a socket of the host (--network host)",
    "kernel.net.publish": "a port published on the host",
    "kernel.views.terminal.console": "the terminal outside",
    "kernel.views.terminal.host_terminal": "the terminal outside",
    "loader": "parsed programs, made again from their files",
    "tools": "what was attached from outside: library, observers",
}
HOST_FIELDS = {
    ("System", "log"): "where messages go on the host",
    ("System", "on_reap"): "whoever started the machine is told of its programs' ends",
    ("System", "events"): "observers",
    ("System", "gate"): "the debugger",
    ("Random", "_source"): "the host's entropy; with a seed, a generator whose state is plain",
    ("Frames", "_bytes"): "a view of the RAM",
    ("Frames", "_counts"): "a view of the RAM's counts",
    ("Frames", "_flags"): "a view of the RAM's flags",
    ("UserMemory", "_words"): "a view of the RAM",
    ("UserMemory", "_bytes"): "a view of the RAM",
    ("UserMemory", "_flags"): "a view of the RAM's flags",
    ("UserMemory", "_ram"): "the RAM",
    ("FilePages", "_ram"): "a view of the RAM",
    ("FilePages", "_flags"): "a view of the RAM's flags",
}
ATOMS = (int, str, bytes, float, bool, complex, type(None), type(Ellipsis))
CONTAINERS = (list, tuple, set, frozenset, deque)
HANDLES = (
    threading.Thread, io.IOBase, socket.socket, mmap.mmap, memoryview, random.SystemRandom,
)  # fmt: skip
LOCK = type(threading.Lock())


def violations(root: object, name: str) -> list[str]:
    """What is reachable and no plain data: ``path: what``, in the order it is met."""
    return [f"{path}: {found}" for path, thing in reachable(root, name)
            if (found := _wrong(thing, path))]  # fmt: skip


def reachable(root: object, name: str) -> Iterator[tuple[str, Any]]:
    """Every object once, by breadth, with the shortest way to it."""
    seen: dict[int, object] = {}
    queue: deque[tuple[object, str]] = deque([(root, name)])
    while queue:
        thing, path = queue.popleft()
        if isinstance(thing, ATOMS) or id(thing) in seen:
            continue
        seen[id(thing)] = thing  # kept, so that no other gets its id
        yield path, thing
        if not is_host(thing):
            queue.extend(_parts(thing, path))


def is_host(thing: object) -> bool:
    if isinstance(thing, type | types.ModuleType | types.GeneratorType):
        return True
    module = type(thing).__module__
    return any(module == room or module.startswith(f"{room}.") for room in HOST_ROOMS)


def _parts(thing: object, path: str) -> Iterator[tuple[object, str]]:
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield key, f"{path}.<key>"
            yield value, f"{path}[{key!r}]" if isinstance(key, ATOMS) else f"{path}[...]"
    elif isinstance(thing, CONTAINERS):
        for place, value in enumerate(thing):
            yield value, f"{path}[{place}]"
    if isinstance(thing, types.MethodType):
        yield thing.__self__, f"{path}.__self__"
    elif isinstance(thing, types.FunctionType):
        for cell in thing.__closure__ or ():
            yield cell.cell_contents, f"{path}.<cell>"
    elif isinstance(thing, partial):
        yield thing.func, f"{path}.func"
        yield thing.args, f"{path}.args"
        yield thing.keywords, f"{path}.keywords"
    else:
        yield from _fields(thing, path)


def _fields(thing: object, path: str) -> Iterator[tuple[object, str]]:
    names = dict.fromkeys(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            private = slot.startswith("__") and not slot.endswith("__")
            names[f"_{kind.__name__.lstrip('_')}{slot}" if private else slot] = None
    for name in names:
        owners = {(kind.__name__, name) for kind in type(thing).__mro__}
        if owners & HOST_FIELDS.keys():
            continue
        try:
            yield getattr(thing, name), f"{path}.{name}"
        except AttributeError:
            continue


def _wrong(thing: object, path: str) -> str:
    if isinstance(thing, types.FunctionType):
        if thing.__closure__:
            return f"closure {thing.__module__}.{thing.__qualname__}"
        return f"lambda of {thing.__module__}" if "<lambda>" in thing.__qualname__ else ""
    if isinstance(thing, types.GeneratorType):
        return "" if path.endswith(".generator") else f"generator {thing.__qualname__}"
    if isinstance(thing, types.CoroutineType | types.AsyncGeneratorType | types.FrameType):
        return type(thing).__name__
    if isinstance(thing, HANDLES) or type(thing) is LOCK:
        return f"host handle {type(thing).__name__}"
    if type(thing).__module__.startswith(("ctypes", "_ctypes")):
        return f"ctypes {type(thing).__name__}"
    return ""
