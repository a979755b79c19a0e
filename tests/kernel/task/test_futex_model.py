"""Random futex operations against a naive model: no wake-up is lost, none invented."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EAGAIN
from kernel.abi.signals import SIGUSR1
from kernel.task.actions import Action
from kernel.task.futex_move import Pair, requeue, wake_op
from kernel.task.futex_vector import Word, wait_for_any
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from tests.support.tasks import World

TASKS = 8
WORDS = 3
ANY = 0xFFFFFFFF
tasks = st.integers(0, TASKS - 1)
words = st.integers(0, WORDS - 1)
counts = st.integers(0, 4)
bits = st.sampled_from([1, 2, 3, ANY])


class Futexes(RuleBasedStateMachine):
    """The model: one list of (task, word, bits) in order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.kernel.scheduler.remove(self.world.program)
        self.world.program.actions.set(SIGUSR1, Action(0x1000))
        self.tasks = [self.world.thread() for _ in range(TASKS)]
        for task in self.tasks:
            self.world.kernel.scheduler.remove(task)
        self.sleeping: list[tuple[int, int, int]] = []
        self.due: dict[int, int] = {}  # who has been woken, and the result expected
        self.vectors: dict[int, list[int]] = {}
        self.values = [0] * WORDS

    def address(self, word: int) -> int:
        return self.world.data + 64 * word

    def asleep(self, index: int) -> bool:
        return any(index == who for who, _, _ in self.sleeping)

    @rule(index=tasks, word=words, expected=st.integers(0, 1), bitset=bits)
    def wait(self, index: int, word: int, expected: int, bitset: int) -> None:
        if self.asleep(index) or index in self.due:
            return
        task = self.tasks[index]
        futexes = self.world.kernel.futexes
        try:
            waiting = futexes.wait(
                task, self.address(word), expected, private=True, deadline=None, bitset=bitset
            )
        except EAGAIN:
            assert self.values[word] != expected
            return
        assert self.values[word] == expected
        assert self.world.call(task, waiting) is None
        self.sleeping.append((index, word, bitset))

    @rule(index=tasks, chosen=st.lists(words, min_size=1, max_size=3, unique=True))
    def wait_for_any(self, index: int, chosen: list[int]) -> None:
        if self.asleep(index) or index in self.due:
            return
        task = self.tasks[index]
        vector = [Word(self.address(word), self.values[word], True) for word in chosen]
        assert self.world.call(task, wait_for_any(task, vector, None)) is None
        self.vectors[index] = chosen
        self.sleeping += [(index, word, ANY) for word in chosen]

    def _model_wake(self, word: int, count: int, bitset: int) -> int:
        chosen = [who for who in self.sleeping if who[1] == word and who[2] & bitset][:count]
        for index, _, _ in chosen:
            self.sleeping = [entry for entry in self.sleeping if entry[0] != index]
            places = self.vectors.pop(index, None)
            self.due[index] = places.index(word) if places is not None else 0
        return len(chosen)

    @rule(word=words, count=counts, bitset=bits)
    def wake(self, word: int, count: int, bitset: int) -> None:
        futexes = self.world.kernel.futexes
        woken = futexes.wake(
            self.world.program, self.address(word), count, private=True, bitset=bitset
        )
        assert woken == self._model_wake(word, max(count, 1), bitset)

    @rule(first=words, second=words, wake=counts, move=counts)
    def requeue(self, first: int, second: int, wake: int, move: int) -> None:
        if any(first in chosen for chosen in self.vectors.values()):
            return  # where a vector's place is moved to is nobody's business
        pair = Pair(self.address(first), self.address(second), True)
        result = requeue(self.world.program, pair, wake, move, None)
        woken = self._model_wake(first, wake, ANY)
        moved = [entry for entry in self.sleeping if entry[1] == first][:move]
        assert result == woken + len(moved)
        if first != second:
            kept = [entry for entry in self.sleeping if entry not in moved]
            self.sleeping = kept + [(who, second, bitset) for who, _, bitset in moved]

    @rule(first=words, second=words, count=counts)
    def add_and_wake(self, first: int, second: int, count: int) -> None:
        """FUTEX_OP_ADD 1, FUTEX_OP_CMP_EQ 0: wake the second as well if it was 0."""
        pair = Pair(self.address(first), self.address(second), True)
        result = wake_op(self.world.program, pair, count, count, 1 << 28 | 1 << 12)
        expected = self._model_wake(first, max(count, 1), ANY)
        if self.values[second] == 0:
            expected += self._model_wake(second, max(count, 1), ANY)
        self.values[second] += 1
        assert result == expected

    @rule(word=words, value=st.integers(0, 1))
    def store(self, word: int, value: int) -> None:
        self.world.program.mem.write_u32(self.address(word), value)
        self.values[word] = value

    @rule(index=tasks)
    def interrupt(self, index: int) -> None:
        if not self.asleep(index) or index in self.due:
            return
        task = self.tasks[index]
        send_to_task(task, SigInfo(SIGUSR1))
        task.pending.discard(-1)  # the sleep has ended; no handler is to run here
        self.due[index] = -512
        if index not in self.vectors:  # a vector can be woken until its task gets to run
            self.sleeping = [entry for entry in self.sleeping if entry[0] != index]

    @rule()
    def settle(self) -> None:
        """Whoever was woken runs and has the result the model says, and nobody else does."""
        self.world.results.clear()
        self.world.run_all()
        expected = {self.tasks[index].tid: result for index, result in self.due.items()}
        assert self.world.results == expected
        self.sleeping = [entry for entry in self.sleeping if entry[0] not in self.due]
        for index in self.due:
            self.vectors.pop(index, None)
        self.due.clear()

    @invariant()
    def consistent(self) -> None:
        self.world.kernel.futexes.check_invariants()


Futexes.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFutexes = pytest.mark.row("X4")(Futexes.TestCase)
