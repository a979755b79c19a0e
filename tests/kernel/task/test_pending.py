"""Pending signals against a naive model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.abi.signals import SIGRTMIN, SIGSEGV, SIGTERM, SIGUSR1, SYNCHRONOUS, sigbit
from kernel.task.pending import PendingSet
from kernel.task.siginfo import SigInfo


def test_standard_signals_merge_and_keep_the_first_sender() -> None:
    pending = PendingSet({})
    assert pending.add(SigInfo.user(SIGUSR1, 10, 0), 0)
    assert not pending.add(SigInfo.user(SIGUSR1, 11, 0), 0)
    info = pending.take(0)
    assert info is not None
    assert info.pid == 10
    assert pending.take(0) is None


def test_realtime_signals_queue_in_order_lowest_number_first() -> None:
    pending = PendingSet({})
    for signo, value in ((40, 1), (35, 2), (40, 3), (35, 4)):
        pending.add(SigInfo.queued(signo, 1, 0, value), 0)
    taken = [pending.take(0) for _ in range(4)]
    assert [(i.signo, i.value) for i in taken if i] == [(35, 2), (35, 4), (40, 1), (40, 3)]


def test_faults_come_before_lower_numbers() -> None:
    pending = PendingSet({})
    pending.add(SigInfo(SIGTERM), 0)
    pending.add(SigInfo(1), 0)
    pending.add(SigInfo.fault(SIGSEGV, 1, 0x10), 0)
    info = pending.take(0)
    assert info is not None
    assert info.signo == SIGSEGV


def test_a_bit_without_information_is_from_nobody() -> None:
    pending = PendingSet({})
    pending.add_bit(40)
    info = pending.take(0)
    assert info is not None
    assert (info.signo, info.pid, info.code) == (40, 0, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from("atd"), st.integers(1, 64), st.integers(0, (1 << 64) - 1)),
        max_size=50,
    )
)
def test_against_a_list(operations: list[tuple[str, int, int]]) -> None:
    charges: dict[int, int] = {}
    pending = PendingSet(charges)
    model: list[tuple[int, int]] = []
    for serial, (what, signo, mask) in enumerate(operations):
        if what == "a":
            merged = signo < SIGRTMIN and any(s == signo for s, _ in model)
            assert pending.add(SigInfo.queued(signo, 0, 0, serial), 7) is not merged
            if not merged:
                model.append((signo, serial))
        elif what == "t":
            ready = [s for s, _ in model if not mask & sigbit(s)]
            faults = [s for s in ready if SYNCHRONOUS & sigbit(s)]
            info = pending.take(mask)
            if not ready:
                assert info is None
                continue
            best = min(faults or ready)
            expected = next(entry for entry in model if entry[0] == best)
            assert info is not None
            assert (info.signo, info.value) == expected
            model.remove(expected)
        else:
            pending.discard(mask)
            model = [(s, v) for s, v in model if not mask & sigbit(s)]
        pending.check_invariants()
        assert charges == ({7: len(model)} if model else {})
