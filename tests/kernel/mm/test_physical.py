"""RAM: how frames are taken and given back."""

from __future__ import annotations

import pytest

from kernel.mm.physical import FREE_TOP, NEEDS_ZERO, NEXT_FRESH, PhysicalMemory


def test_frame_zero_is_never_taken_and_memory_ends() -> None:
    physical = PhysicalMemory(8 * 4096)
    frames = [physical.take() for _ in range(9)]
    assert frames == [1, 2, 3, 4, 5, 6, 7, 0, 0]
    assert physical.free_count == 0


def test_a_reused_frame_is_zeroed() -> None:
    physical = PhysicalMemory(8 * 4096)
    frame = physical.take()
    physical.bytes[frame << 12] = 7
    physical.counts[frame] = 0
    physical.give(frame)
    assert physical.flags[frame] == NEEDS_ZERO
    assert physical.take() == frame
    assert physical.bytes[frame << 12] == 0
    assert physical.flags[frame] == 0
    assert physical.counts[frame] == 1


def test_free_stack_comes_before_fresh_frames() -> None:
    physical = PhysicalMemory(8 * 4096)
    first, second = physical.take(), physical.take()
    physical.counts[first] = 0
    physical.give(first)
    assert physical.control[FREE_TOP] == 1
    assert physical.take() == first
    assert physical.control[NEXT_FRESH] == second + 1


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 frames"):
        PhysicalMemory(4096)


def test_close_gives_the_mappings_back() -> None:
    physical = PhysicalMemory(8 * 4096)
    physical.close()
    assert physical.ram.closed
