"""Kernel objects are plain data: no closures, threads or host handles, while a machine is busy."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator

import pytest

import diorama
import kernel
from tests.support.reachable import ATOMS, HOST_FIELDS, HOST_ROOMS, reachable, violations

pytestmark = pytest.mark.guest

NOT_KEPT = {
    "the other CPU's": "_AArch64 _X86_64",
    "another machine's": "ManualClock VirtualClock PythonRanges NullTlb",
    "from outside, while somebody looks": "Observer WireObserver WatchedTraffic",
    "the host's": "HostStreams _Host",
    "made and used up within one system call": """KernelBuffer UserBuffer Outgoing Incoming Marks
        Source Request Form Target Pair Word _Place _Vector TimerValue Program Image Interpreter
        Choice Report StatFs DirEntry OpenHow RealUser Last""",
    "made and used up within one fault or signal": "SignalFrame Restored CpuFault",
    "answers to who asks": "MapEntry Mapped Around _Resident ThreadsDirectory",
}
"""Classes of the kernel none of whose objects outlives what it was made for, by the reason."""
NOT_SYSTEM = ("kernel.abi", "kernel.cpu", "kernel.machine")
"""Rooms without state of the guest's: values, the processor, the loop and those who look at it."""


def test_nothing_reachable_is_a_closure_a_thread_or_a_handle(busy: diorama.Machine) -> None:
    assert violations(busy.system, "system") == []


def test_generators_are_the_calls_that_tasks_sleep_in(busy: diorama.Machine) -> None:
    tasks = [task for task in busy.system.tasks.values() if task.generator is not None]
    found = [thing for _, thing in reachable(busy.system, "system")
             if isinstance(thing, types.GeneratorType)]  # fmt: skip
    assert len(found) == len(tasks) >= 16
    assert all(task.call is not None and task.waiter is not None for task in tasks)


def test_the_walk_finds_what_is_wrong(busy: diorama.Machine) -> None:
    """A closure in a timer, a generator and a handle in a task are met and named."""
    system, task = busy.system, busy.system.tasks[2]
    timer = system.timers.add(1 << 62, lambda: task.wake_up())
    with open("/dev/null", "rb") as handle:
        task.__setattr__("restart_block", ((n for n in range(1)), handle))
        try:
            found = violations(system, "system")
        finally:
            task.restart_block = None
            system.timers.cancel(timer)
    text = "\n".join(found)
    assert "closure" in text
    assert "restart_block[0]: generator" in text
    assert "restart_block[1]: host handle BufferedReader" in text
    assert len(found) == 3


def test_the_exceptions_are_there_and_have_reasons(busy: diorama.Machine) -> None:
    """What is excused exists; an excuse that nobody needs any more goes."""
    assert all(reason for reason in (*HOST_ROOMS.values(), *HOST_FIELDS.values()))
    things = [thing for _, thing in reachable(busy.system, "system")]
    names = {kind.__name__ for thing in things for kind in type(thing).__mro__}
    assert {owner for owner, _ in HOST_FIELDS} <= names
    met = {type(thing).__module__ for thing in things}
    for room in ("kernel.cpu", "kernel.mm.physical", "kernel.fs.hostpoller"):
        assert any(module.startswith(room) for module in met), room


def test_every_class_of_the_kernel_is_met_or_holds_nothing(busy: diorama.Machine) -> None:
    """What the walk does not come to, nobody looks at: a new class is met here, or named."""
    met = {kind for _, thing in reachable(busy.system, "system") for kind in type(thing).__mro__}
    names = {name for words in NOT_KEPT.values() for name in words.split()}
    missed = {kind.__name__ for kind in classes() if kind not in met}
    assert missed - names == set()
    defined = {kind.__name__ for kind in classes()}
    assert names - defined == set(), "named, and no class any more"
    kept = {kind.__name__ for kind in met if kind.__module__.startswith("kernel.")}
    assert names & kept <= {"_AArch64", "_X86_64", "Observer"}


def classes() -> Iterator[type]:
    """Those of the kernel's own that have objects with fields."""
    for module in pkgutil.walk_packages(kernel.__path__, "kernel."):
        if module.name.startswith((*NOT_SYSTEM, *HOST_ROOMS)):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            own = inspect.isclass(kind) and kind.__module__ == module.name
            if own and not issubclass(kind, (BaseException, *ATOMS)):
                if not getattr(kind, "_is_protocol", False):
                    yield kind
