"""What a futex's sleeper waits for: the word, and who has the lock it stands for.

What can be told of a word, kernel/machine/holders.py tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import KernelError
from kernel.machine.explain.who import MOST, everybody, who
from kernel.machine.holders import ending_thread, word_owner
from kernel.task.futex import Bucket

if TYPE_CHECKING:
    from kernel.task.task import Task


def futex(task: Task, values: tuple[int, ...]) -> str:
    """Of futex(2), by its arguments."""
    lock = task.pi_blocked
    if lock is not None:
        return f"{lock.queue.name}, held by {who(task.kernel, lock.owner.tid)}"
    return f"futex {values[0]:#x} to be woken{_word(task, values[0])}"


def _word(task: Task, address: int) -> str:
    """What the word says, and who has the lock if it is one that names its owner."""
    try:
        word = task.mem.read_u32(address)
    except KernelError:
        return ""
    ending = ending_thread(task, address)
    if ending:
        return f" by the end of thread {who(task.kernel, ending)}"
    owner = word_owner(task, address)
    if owner:
        return f", held by {who(task.kernel, owner)}"
    others = [tid for tid in task.group.tasks if tid != task.tid]
    if not others:
        return f", the word is {word}"
    if len(others) > MOST:
        return f", the word is {word}; the process has {len(others)} other threads"
    return f", the word is {word}; other threads: {everybody(task.kernel, others)}"


def futexes(task: Task, values: tuple[int, ...]) -> str:
    """Of futex_waitv(2), by its arguments."""
    queues = task.waiter.queues if task.waiter is not None else ()
    words = [hex(q.address) for q in queues if isinstance(q, Bucket)]
    return f"one of futexes {', '.join(words)}" if words else f"one of {values[1]} futexes"
