"""Tampering with system calls: ``--inject``, with strace's grammar (strace(1), Tampering)."""

from __future__ import annotations


class Marks:
    """What was done to the call a task is in: ``INJECTED``, ``DELAYED``, or nothing."""

    def __init__(self) -> None:
        self._marks: dict[int, str] = {}

    def of(self, tid: int) -> str:
        """The word that the end of the trace line carries."""
        return self._marks.get(tid, "")

    def set(self, tid: int, word: str) -> None:
        """For the call the task is entering."""
        if word:
            self._marks[tid] = word
        else:
            self._marks.pop(tid, None)
