"""Mapped pages of host files: written back in time, seen first, given back."""

from __future__ import annotations

import os

from kernel.abi.files import MS_RDONLY, O_RDWR
from kernel.abi.memory import MAP_PRIVATE, MAP_SHARED, MS_SYNC, PROT_READ
from tests.support.volumes import PAGE, Volume


def test_shared_mappings_are_written_back_at_msync_munmap_and_exit(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"0" * 3 * PAGE)
    mm = volume.root.mm
    address = volume.map(b"/v/f", MAP_SHARED, length=3 * PAGE)
    mm.user.write(address, b"msync")
    assert path.read_bytes()[:5] == b"00000"
    mm.msync(address, PAGE, MS_SYNC)
    assert path.read_bytes()[:6] == b"msync0"
    mm.user.write(address + PAGE, b"munmap")
    mm.munmap(address + PAGE, PAGE)
    assert path.read_bytes()[PAGE : PAGE + 7] == b"munmap0"
    child = mm.fork()
    child.user.write(address + 2 * PAGE, b"exit")
    child.destroy()
    assert path.read_bytes()[2 * PAGE : 2 * PAGE + 5] == b"exit0"


def test_reads_and_writes_see_mapped_pages_first(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"a" * PAGE + b"b" * PAGE + b"c" * 100)
    mm = volume.root.mm
    address = volume.map(b"/v/f", MAP_SHARED, length=2 * PAGE)
    mm.user.write(address + PAGE, b"MAPPED")
    file = volume.open(b"/v/f", O_RDWR)
    assert volume.root.read(file, 8, PAGE) == b"MAPPEDbb"
    everything = volume.root.read(file, 1 << 20, 0)
    assert len(everything) == 2 * PAGE + 100
    assert everything[PAGE - 1 : PAGE + 6] == b"aMAPPED"
    volume.root.write(file, b"WRITTEN", PAGE - 3)
    assert mm.user.read(address + PAGE - 3, 10) == b"WRITTENEDb"
    assert path.read_bytes()[PAGE - 3 : PAGE] == b"WRI"
    file.drop()


def test_a_private_mapping_never_reaches_the_host(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"original")
    address = volume.map(b"/v/f", MAP_PRIVATE)
    volume.root.mm.user.write(address, b"changed!")
    volume.root.mm.munmap(address, PAGE)
    assert path.read_bytes() == b"original"


def test_a_file_changed_on_the_host_is_seen_at_open_and_mmap(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"old old")
    mm = volume.root.mm
    first = volume.map(b"/v/f", MAP_SHARED, PROT_READ)
    assert mm.user.read(first, 7) == b"old old"
    path.write_bytes(b"new new")
    os.utime(path, ns=(1, 1))
    assert volume.read(b"/v/f") == b"new new"
    assert mm.user.read(first, 7) == b"new new"
    second = volume.map(b"/v/f", MAP_PRIVATE, PROT_READ)
    assert mm.user.read(second, 7) == b"new new"


def test_truncation_takes_pages_out_of_mappings(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"x" * 2 * PAGE)
    mm = volume.root.mm
    address = volume.map(b"/v/f", MAP_SHARED, length=2 * PAGE)
    mm.user.read(address, 2 * PAGE)
    file = volume.open(b"/v/f", O_RDWR)
    file.truncate(volume.root, 10)
    assert mm.user.read(address, 12) == b"x" * 10 + b"\0\0"
    assert mm.fault(address + PAGE, 0) != 0
    file.drop()


def test_two_volumes_share_the_pages_of_one_file(volume: Volume) -> None:
    volume.write(b"/v/f", b"x" * PAGE)
    volume.mount(volume.host, b"/again", MS_RDONLY)
    address = volume.map(b"/v/f", MAP_SHARED)
    volume.root.mm.user.write(address, b"shared")
    assert volume.read(b"/again/f")[:7] == b"sharedx"


def test_clean_unmapped_pages_are_given_back_when_frames_run_out(volume: Volume) -> None:
    volume.write(b"/v/f", b"x" * 40 * PAGE)
    mm = volume.root.mm
    address = volume.map(b"/v/f", MAP_SHARED, PROT_READ, 40 * PAGE)
    mm.user.read(address, 40 * PAGE)
    mm.munmap(address, 40 * PAGE)
    assert len(volume.cache) == 40
    volume.world.frames.reserve(volume.world.frames.free_count + 40)
    assert len(volume.cache) == 0
