"""The frame allocator: references, reclaim, promises, trimming."""

from __future__ import annotations

import pytest

from kernel.abi.errors import ENOMEM
from kernel.mm.frames import TRIM_FRAMES
from kernel.mm.physical import CODE
from tests.support.memory import Memory


def test_last_reference_frees() -> None:
    memory = Memory(16)
    frame = memory.frames.alloc()
    memory.frames.get(frame)
    memory.frames.put(frame)
    assert memory.frames.used_count == 1
    memory.frames.put(frame)
    assert memory.frames.used_count == 0
    memory.check()


def test_freeing_a_frame_with_code_drops_its_translations() -> None:
    memory = Memory(16)
    frame = memory.frames.alloc()
    memory.physical.flags[frame] |= CODE
    memory.frames.put(frame)
    assert memory.tlb.code_requests == [frame]
    memory.check()


def test_writable_drops_translations_once() -> None:
    memory = Memory(16)
    frame = memory.frames.alloc()
    memory.physical.flags[frame] |= CODE
    memory.frames.writable(frame)[0] = 1
    memory.frames.writable(frame)[0] = 2
    assert memory.tlb.code_requests == [frame]


def test_view_cannot_be_written() -> None:
    memory = Memory(16)
    view = memory.frames.view(memory.frames.alloc())
    with pytest.raises(TypeError):
        view[0] = 1


def test_shortage_asks_the_reclaimers_before_enomem() -> None:
    memory = Memory(8)
    kept = [memory.frames.alloc() for _ in range(7)]

    def reclaim(wanted: int) -> int:
        if not kept:
            return 0
        memory.frames.put(kept.pop())
        return 1

    memory.frames.reclaimers.append(reclaim)
    memory.frames.alloc()
    assert len(kept) == 6
    memory.frames.reserve(1)
    kept.clear()
    with pytest.raises(ENOMEM):
        memory.frames.reserve(3)


def test_commit_limit_and_size_of_one_request() -> None:
    memory = Memory(101)
    memory.frames.charge(100)
    memory.frames.charge(100)
    with pytest.raises(ENOMEM, match="commit limit"):
        memory.frames.charge(1)
    memory.frames.uncharge(200)
    with pytest.raises(ENOMEM, match="the machine has 100"):
        memory.frames.charge(101)


def test_trim_hands_runs_back_and_leaves_them_zero() -> None:
    memory = Memory(TRIM_FRAMES + 100)
    frames = [memory.frames.alloc() for _ in range(TRIM_FRAMES + 10)]
    for frame in frames[:50]:
        memory.frames.writable(frame)[5] = 9
    for frame in frames:
        memory.frames.put(frame)
    assert memory.frames.trim() == TRIM_FRAMES + 10
    memory.check()
    again = [memory.frames.alloc() for _ in range(50)]
    assert again == frames[:50], "lowest frames come back first"
    assert all(memory.frames.view(frame)[5] == 0 for frame in again)
