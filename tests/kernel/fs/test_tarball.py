"""Unpacking a root from a tar: what is kept, and what a hostile archive gets."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable

import pytest

from kernel.abi.files import S_IFMT, makedev
from kernel.fs.tarball import BadArchive, unpack
from kernel.fs.tmpfs import Tmpfs
from kernel.mm.buffer import KernelBuffer
from kernel.mm.frames import Frames
from kernel.mm.physical import PhysicalMemory
from kernel.mm.tlb import NullTlb
from kernel.vfs.inode import Inode
from kernel.vfs.regular import RegularInode
from tests.support.counts import scaled


def new_root(size: int | None = None) -> Inode:
    frames = Frames(PhysicalMemory(16 << 20), NullTlb())
    return Tmpfs(frames, 1, lambda: 7, size, mode=0o755).root


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def archive(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for member in members:
            info, data = member if isinstance(member, tuple) else (member, b"")
            if data:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def unpacked(data: bytes, size: int | None = None) -> Inode:
    root = new_root(size)
    unpack(io.BytesIO(data), root)
    return root


def find(root: Inode, path: str) -> Inode:
    here = root
    for part in path.split("/"):
        below = here.lookup(part.encode())
        assert below is not None, f"{path}: no {part}"
        here = below
    return here


def content(inode: Inode) -> bytes:
    assert isinstance(inode, RegularInode)
    buffer = bytearray(inode.size)
    inode.read_at(0, KernelBuffer(buffer))
    return bytes(buffer)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_contents_and_metadata(mode: str) -> None:
    text = bytes(range(256)) * 40
    root = unpacked(
        archive(
            entry("./", tarfile.DIRTYPE, mode=0o700, uid=3, mtime=11),
            entry("a/", tarfile.DIRTYPE, mode=0o1775, uid=7, gid=8, mtime=5),
            (entry("a/file", mode=0o4751, uid=1000, gid=100, mtime=1.123456789), text),
            entry("a/dev", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
            entry("a/fifo", tarfile.FIFOTYPE, mode=0o600),
            entry("a/link", tarfile.SYMTYPE, linkname="../x y", uid=9),
            entry("a/hard", tarfile.LNKTYPE, linkname="./a/file"),
            mode=mode,
        )
    )
    assert (root.mode & 0o7777, root.uid, root.mtime) == (0o700, 3, 11 * 10**9)
    top = find(root, "a")
    assert (top.mode & 0o7777, top.uid, top.gid, top.mtime) == (0o1775, 7, 8, 5 * 10**9)
    file = find(root, "a/file")
    assert content(file) == text
    assert (file.mode & 0o7777, file.uid, file.gid) == (0o4751, 1000, 100)
    assert file.mtime == 1_123_456_789
    assert file.nlink == 2
    assert find(root, "a/hard") is file
    assert find(root, "a/dev").rdev == makedev(1, 3)
    assert find(root, "a/link").size == 6
    assert find(root, "a/link").uid == 9


def test_parents_are_made_and_absolute_names_are_inside() -> None:
    root = unpacked(archive((entry("/x/y/z"), b"deep")))
    assert content(find(root, "x/y/z")) == b"deep"


def test_links_on_the_way_stay_inside() -> None:
    root = unpacked(
        archive(
            entry("usr/lib", tarfile.DIRTYPE, mode=0o755),
            entry("lib", tarfile.SYMTYPE, linkname="usr/lib"),
            entry("up", tarfile.SYMTYPE, linkname="../../../../usr"),
            entry("abs", tarfile.SYMTYPE, linkname="/usr/lib"),
            (entry("lib/one"), b"1"),
            (entry("up/lib/two"), b"2"),
            (entry("abs/three"), b"3"),
        )
    )
    assert sorted(find(root, "usr/lib").names) == [b"one", b"three", b"two"]  # type: ignore[attr-defined]


def test_a_later_member_replaces_an_earlier_one() -> None:
    root = unpacked(
        archive(
            (entry("f"), b"old contents"),
            entry("l", tarfile.SYMTYPE, linkname="f"),
            (entry("f"), b"new"),
            (entry("l"), b"a file now"),
            entry("d", tarfile.DIRTYPE, mode=0o700),
            (entry("d/x"), b"kept"),
            entry("d", tarfile.DIRTYPE, mode=0o755),
        )
    )
    assert content(find(root, "f")) == b"new"
    assert content(find(root, "l")) == b"a file now"
    assert content(find(root, "d/x")) == b"kept"
    assert find(root, "d").mode & 0o7777 == 0o755


def test_extended_attributes() -> None:
    info = entry("f")
    info.pax_headers = {"SCHILY.xattr.user.note": "hällo"}
    inode = find(unpacked(archive(info)), "f")
    assert inode.get_xattr(b"user.note") == "hällo".encode()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([entry("../x")], "'..'"),
        ([entry("a/../../x")], "'..'"),
        ([entry("h", tarfile.LNKTYPE, linkname="../../etc/passwd")], "'..'"),
        ([entry("h", tarfile.LNKTYPE, linkname="nowhere")], "not there"),
        ([entry("d", tarfile.DIRTYPE), entry("h", tarfile.LNKTYPE, linkname="d")], "directory"),
        ([entry("d", tarfile.DIRTYPE), entry("d")], "directory"),
        ([entry("f"), entry("f/x")], "no directory"),
        ([entry("l", tarfile.SYMTYPE, linkname="l"), entry("l/x")], "too many"),
        ([entry("n" * 300)], "no file can have that name"),
        ([entry("f", uid=1 << 40)], "owner"),
        ([entry(".", tarfile.SYMTYPE, linkname="x")], "root"),
        ([entry("v", b"V")], "unknown type"),
    ],
)
def test_hostile_members_are_refused(members: list[tarfile.TarInfo], words: str) -> None:
    with pytest.raises(BadArchive) as caught:
        unpacked(archive(*members))
    assert words in str(caught.value)


def test_a_root_that_does_not_fit_is_refused() -> None:
    with pytest.raises(BadArchive) as caught:
        unpacked(archive((entry("big"), bytes(1 << 20))), size=64 << 10)
    assert "ENOSPC" in str(caught.value)


def test_a_member_that_lies_about_its_size_is_refused() -> None:
    data = archive((entry("f"), b"x" * 5000))
    for cut in (600, 2000, 5600):
        with pytest.raises(BadArchive):
            unpacked(data[:cut])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x1f\x8b" + b"x" * 50, b"\xfd7zXZ\0" + b"y" * 50, bytes(100)]
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(BadArchive):
        unpacked(data)


def test_a_long_chain_of_extended_headers_does_not_crash() -> None:
    header = entry("pax", tarfile.XHDTYPE, size=0).tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(BadArchive):
        unpacked(header * 3000 + bytes(1024))


def _flip(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at] = chance.randrange(256)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


@pytest.mark.parametrize("change", [_flip, _cut])
def test_damage_is_an_error_or_harmless(change: Callable[[bytearray, random.Random], None]) -> None:
    chance = random.Random(7)
    whole = archive(
        entry("a", tarfile.DIRTYPE),
        (entry("a/f", mtime=1.5), b"text" * 300),
        entry("a/l", tarfile.SYMTYPE, linkname="f"),
        entry("a/h", tarfile.LNKTYPE, linkname="a/f"),
    )
    for _ in range(scaled(2000)):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 5)):
            if data:
                change(data, chance)
        root = new_root()
        try:
            unpack(io.BytesIO(bytes(data)), root)
        except BadArchive:
            continue
        assert root.mode & S_IFMT
