"""Random sequences on a volume give the same results, errors included, as on the host itself.

The sequences are those of ``tests/kernel/vfs/test_against_linux.py``, less what a volume refuses by
design: other owners, FIFOs, attributes outside ``user.*``.  Afterwards the host's directory holds
what the guest's listing says.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from kernel.fs.hostcontent import HostContents
from kernel.fs.hostfile import make_hostfs
from kernel.mm.page_cache import PageCache
from tests.kernel.vfs.test_against_linux import _operation
from tests.support import oracles
from tests.support.linux_files import HostFiles, OurFiles, can_compare
from tests.support.volumes import open_descriptors

REFUSED = ("chown", "mkfifo")


@pytest.fixture
def host() -> Iterator[HostFiles]:
    if not can_compare() or not os.path.isdir("/dev/shm"):
        oracles.cannot_run("the host's Linux needs root, a chroot, /dev/shm and x86_64")
    files = HostFiles()
    yield files
    files.close()


class VolumeFiles(OurFiles):
    """The operations on a volume that is the root; like the worker's it lies on a tmpfs."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(dir="/dev/shm")
        os.chmod(self.directory, 0o755)
        self.contents = HostContents(PageCache(self.world.frames))
        mounts = self.world.mounts
        self.volume = make_hostfs(
            self.directory, mounts.new_dev(), self.world.now, self.contents, (0, 0)
        )
        mounts.mounts.clear()
        mounts.mount_root(self.volume)
        self.caller = self.world.caller()

    def close(self) -> None:
        """Everything is given back, and nothing was left open."""
        self.volume.close()
        self.contents.close()
        shutil.rmtree(self.directory)


def _wanted(name: str, args: tuple[Any, ...]) -> bool:
    if name in ("setxattr", "getxattr"):
        return bool(args[1].startswith(b"user."))
    return name not in REFUSED


@pytest.mark.parametrize("seed", range(8))
def test_random_sequences_on_a_volume_as_on_the_host(host: HostFiles, seed: int) -> None:
    rng = random.Random(seed)
    before = open_descriptors()
    ours = VolumeFiles()
    history: list[str] = []
    for _ in range(400):
        name, args = _operation(rng)
        if not _wanted(name, args):
            continue
        history.append(f"{name}{args}")
        theirs, mine = host.do(0, name, args), ours.do(0, name, args)
        assert mine == theirs, f"seed {seed}: {history[-1]}: ours {mine}, Linux {theirs}\n" + (
            "\n".join(history[-25:])
        )
        if ours.do(0, "getcwd", ())[0] == "error":
            # A removed directory is gone at once here; on Linux it lasts while somebody is in it.
            assert host.do(0, "chdir", (b"/",)) == ours.do(0, "chdir", (b"/",))
    top = [entry.name for entry in ours.volume.root.entries(ours.caller)]
    assert top == sorted(os.listdir(os.fsencode(ours.directory)))
    ours.close()
    ours.world.frames.check_invariants()
    assert open_descriptors() == before
