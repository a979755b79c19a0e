"""The list of areas against a naive model: one flag value per page."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.mm.vm_flags import VM_GROWSDOWN, VM_READ, VM_WRITE
from kernel.mm.vma import STACK_GUARD_GAP, Vma, VmaList
from tests.support.memory import PAGE

spans = st.tuples(st.integers(0, 60), st.integers(1, 12))


def area(start: int, length: int, flags: int = VM_READ) -> Vma:
    return Vma(None, start * PAGE, (start + length) * PAGE, flags)


@settings(max_examples=80, deadline=None)
@given(st.lists(spans, max_size=20), st.lists(spans, max_size=8), st.integers(0, 80))
def test_look_ups_agree_with_a_page_map(
    inserts: list[tuple[int, int]], removals: list[tuple[int, int]], probe: int
) -> None:
    areas = VmaList()
    pages: dict[int, Vma] = {}
    for start, length in inserts:
        if any(page in pages for page in range(start, start + length)):
            continue
        new = area(start, length)
        areas.insert(new)
        pages |= dict.fromkeys(range(start, start + length), new)
    for start, length in removals:
        inside = [a for a in areas if start * PAGE <= a.start and a.end <= (start + length) * PAGE]
        for gone in inside:
            areas.remove(gone)
        pages = {page: a for page, a in pages.items() if a not in inside}
    areas.check_invariants()
    address = probe * PAGE + 7
    assert areas.find(address) is pages.get(probe)
    above = [a for a in areas if a.end > address]
    assert areas.next_from(address) is (above[0] if above else None)
    below = [a for a in areas if a.start < address]
    assert areas.before(address) is (below[-1] if below else None)
    assert list(areas.below(address)) == below[::-1]
    for start, length in inserts:
        expected = [a for a in areas if a.start < (start + length) * PAGE and a.end > start * PAGE]
        assert areas.overlapping(start * PAGE, (start + length) * PAGE) == expected


def test_equal_neighbours_can_join_and_others_cannot() -> None:
    left = area(1, 2)
    assert left.can_join(area(3, 1))
    assert not left.can_join(area(4, 1))
    assert not left.can_join(area(3, 1, VM_READ | VM_WRITE))


def test_an_area_that_grows_down_keeps_a_guard_gap() -> None:
    stack = area(1000, 1, VM_READ | VM_GROWSDOWN)
    assert stack.guarded_start == 1000 * PAGE - STACK_GUARD_GAP
    assert area(1000, 1).guarded_start == 1000 * PAGE


def test_page_index_and_address_are_inverse() -> None:
    mapped = Vma(None, 0x10000, 0x20000, VM_READ, offset=0x5000)
    assert mapped.page_index(0x12345) == 7
    assert mapped.address_of(7) == 0x12000
