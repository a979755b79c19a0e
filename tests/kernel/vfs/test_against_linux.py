"""Random sequences of file operations give the same results, errors included, as on real Linux.

The host's kernel works in a chroot of a fresh tmpfs; ours in a fresh ``FileWorld``.  Paths are made
from a few names, so that operations meet: links to links, trailing slashes, '..' everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import oracles
from tests.support.linux_files import HostFiles, OurFiles, can_compare

NAMES = (b"a", b"b", b"c", b"d", b".", b"..", b"a", b"b")
OPEN_FLAGS = (
    0o0, 0o1, 0o2, 0o3, 0o100, 0o101, 0o300, 0o301, 0o1001, 0o1002, 0o2001, 0o1101, 0o200000,
    0o400000, 0o600000, 0o10000000, 0o10400000, 0o400100, 0o20200002, 0o1000000, 0o1000, 0o400102,
)  # fmt: skip
MODES = (0, 0o777, 0o644, 0o600, 0o755, 0o700, 0o111, 0o444, 0o1777, 0o2775, 0o4755, 0o6711)
USERS = (0, 0, 0, 1000, 1000, 1001)


def _path(rng: random.Random) -> bytes:
    parts = [rng.choice(NAMES) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
    path = b"/".join(parts)
    if rng.random() < 0.2:
        path = b"/" + path
    if rng.random() < 0.15:
        path += rng.choice((b"/", b"/", b"/.", b"//"))
    if rng.random() < 0.01:
        path = rng.choice((b"", b"/", b"//", b"x" * 256, b"x" * 255, b"a/" * 2048))
    return path


def _operation(rng: random.Random) -> tuple[str, tuple[Any, ...]]:
    name = rng.choice(OPERATIONS)
    path = _path(rng)
    arguments: dict[str, Any] = {
        "open": lambda: (path, rng.choice(OPEN_FLAGS), rng.choice(MODES)),
        "openat2": lambda: (path, *rng.choice(HOWS), rng.randrange(32)),
        "write": lambda: (path, b"x" * rng.choice((0, 1, 5000)), rng.choice((0, 0o2000))),
        "mkdir": lambda: (path, rng.choice(MODES)),
        "symlink": lambda: (_path(rng), path),
        "link": lambda: (_path(rng), path, rng.random() < 0.3),
        "rename": lambda: (_path(rng), path, rng.choice((0, 0, 0, 1, 2, 2, 3, 8))),
        "stat": lambda: (path, rng.random() < 0.5),
        "chmod": lambda: (path, rng.choice(MODES)),
        "chown": lambda: (
            path, rng.choice((-1, 0, 1000)), rng.choice((-1, 0, 1000)), rng.random() < 0.5,
        ),
        "truncate": lambda: (path, rng.choice((0, 1, 4096, 9000))),
        "mkfifo": lambda: (path, rng.choice(MODES)),
        "access": lambda: (path, rng.randrange(8)),
        "utime": lambda: (path, rng.randrange(10**18), rng.randrange(10**18)),
        "setxattr": lambda: (path, rng.choice(XATTRS), b"v" * rng.randrange(5), rng.randrange(3)),
        "getxattr": lambda: (path, rng.choice(XATTRS)),
        "getcwd": lambda: (),
    }  # fmt: skip
    return name, arguments.get(name, lambda: (path,))()


XATTRS = (b"user.a", b"user.b", b"trusted.a", b"system.x", b"nothing", b"user.")
HOWS = ((0, 0), (0o200000, 0), (0o101, 0o644), (0o10000000, 0), (0o400000, 0))
OPERATIONS = (
    *("open",) * 3, "openat2", "write", "read", *("mkdir",) * 3, "rmdir", "unlink", "symlink",
    "symlink", "link", "rename", "rename", "readlink", "stat", "stat", "list", "chmod", "chown",
    "truncate", "mkfifo", "access", "utime", "chdir", "getcwd", "setxattr", "getxattr",
)  # fmt: skip


@pytest.fixture
def host() -> Iterator[HostFiles]:
    if not can_compare():
        oracles.cannot_run("the host's Linux needs root, a chroot and x86_64")
    files = HostFiles()
    yield files
    files.close()


def compare(host: HostFiles, seed: int, length: int) -> None:
    """One sequence on both kernels."""
    rng = random.Random(seed)
    ours = OurFiles()
    history: list[str] = []
    for _ in range(length):
        name, args = _operation(rng)
        uid = rng.choice(USERS)
        history.append(f"{uid} {name}{args}")
        theirs, mine = host.do(uid, name, args), ours.do(uid, name, args)
        assert mine == theirs, f"seed {seed}: {history[-1]}: ours {mine}, Linux {theirs}\n" + (
            "\n".join(history[-25:])
        )
    ours.world.frames.check_invariants()
    ours.world.mounts.check_invariants()


@pytest.mark.parametrize("seed", range(12))
def test_random_sequences_as_on_linux(host: HostFiles, seed: int) -> None:
    compare(host, seed, 400)
