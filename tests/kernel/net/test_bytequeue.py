"""The byte queue against a plain bytes object, marks included."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.mm.buffer import KernelBuffer
from kernel.net.bytequeue import ByteQueue
from kernel.net.message import Ancillary, Ucred

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("read"), st.integers(1, 60)),
        st.tuples(st.just("peek"), st.integers(1, 60)),
    ),
    max_size=60,
)


@given(STEPS)
def test_bytes_come_out_as_they_went_in(steps: list[tuple[str, bytes | int]]) -> None:
    queue, model = ByteQueue(), b""
    for what, value in steps:
        if isinstance(value, bytes):
            queue.append(value)
            model += value
        elif what == "peek":
            skip = value // 3
            assert queue.peek(value, skip) == model[skip : skip + value]
        elif model:
            buf = KernelBuffer.empty(value)
            assert queue.read(buf, value) == min(value, len(model))
            assert buf.filled() == model[:value]
            model = model[value:]
        queue.check_invariants()
        assert queue.size == len(model)


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0, 1, 2])), max_size=20))
def test_marks_stay_with_their_bytes(writes: list[tuple[int, int]]) -> None:
    queue = ByteQueue()
    expected: list[int] = []
    for length, who in writes:
        queue.append(b"x" * length, Ancillary(cred=Ucred(who, 0, 0)) if who else None)
        expected += [who] * length
    for position, who in enumerate(expected):
        mark = queue.mark_for(1, position)
        assert (mark.ancillary.cred.pid if mark else 0) == who
    queue.check_invariants()
    queue.clear()
    assert queue.size == 0
    queue.check_invariants()
