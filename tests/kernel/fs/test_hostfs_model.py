"""One host file, used in every way at once, against a bytearray.

Reads, writes, mappings, truncation, forks and reclaim see one content; after msync(2), and at the
end, the host has it too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import EFAULT
from kernel.abi.files import O_RDWR
from kernel.abi.memory import MAP_SHARED, MS_SYNC
from tests.support.volumes import PAGE, RW, Volume

LIMIT = 5 * PAGE
offsets = st.builds(
    lambda page, delta: max(0, min(LIMIT - 1, page * PAGE + delta)),
    st.integers(0, 5),
    st.integers(-3, 3),
)
lengths = st.one_of(st.integers(1, 5), st.integers(PAGE - 2, 2 * PAGE + 2))
kinds = st.sampled_from(
    ("write", "map_write", "map_read", "read", "truncate", "msync", "fork", "remap", "reclaim")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(kinds, offsets, lengths), max_size=25))
def test_every_view_of_a_file_is_the_same(script: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "in").mkdir()
        path = Path(directory) / "in" / "f"
        model = bytearray(b"." * (PAGE + 100))
        path.write_bytes(model)
        volume = Volume(Path(directory) / "in")
        run(volume, path, model, script)
        volume.close()
        assert path.read_bytes() == model


def run(volume: Volume, path: Path, model: bytearray, script: list[tuple[str, int, int]]) -> None:
    """Do the steps on both sides."""
    mm, root = volume.root.mm, volume.root
    file = volume.open(b"/v/f", O_RDWR)
    address = volume.map(b"/v/f", MAP_SHARED, length=LIMIT)
    for number, (kind, at, length) in enumerate(script):
        length = min(length, LIMIT - at)
        data = bytes([65 + number]) * length
        inside = at + length <= len(model)
        if kind == "write":
            assert root.write(file, data, at) == length
            if len(model) < at:
                model += bytes(at - len(model))
            model[at : at + length] = data
        elif kind == "map_write" and inside:
            mm.user.write(address + at, data)
            model[at : at + length] = data
        elif kind == "map_read":
            try:
                seen = mm.user.read(address + at, length)
                assert seen == bytes(model[at : at + length]).ljust(length, b"\0")
                assert at + length <= -(-len(model) // PAGE) * PAGE
            except EFAULT:
                assert at + length > -(-len(model) // PAGE) * PAGE
        elif kind == "read":
            assert root.read(file, length, at) == model[at : at + length]
        elif kind == "truncate":
            file.truncate(root, at)
            del model[at:]
            model += bytes(at - len(model))
        elif kind == "msync":
            mm.msync(address, LIMIT, MS_SYNC)
            assert path.read_bytes() == model
        elif kind == "fork" and inside:
            child = mm.fork()
            child.user.write(address + at, data)
            child.destroy()
            model[at : at + length] = data
        elif kind == "remap":
            mm.munmap(address, LIMIT)
            assert path.read_bytes() == model
            address = volume.map(b"/v/f", MAP_SHARED, RW, LIMIT)
        elif kind == "reclaim":
            volume.cache.reclaim(100)
        mm.check_invariants()
        file.inode.content.pages.check_invariants()  # type: ignore[attr-defined]
    mm.munmap(address, LIMIT)
    file.drop()
