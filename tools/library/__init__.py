"""The library: boot a machine, run programs on it, look at everything and change it, from Python.

This is the face that ``import diorama`` shows; docs/python.md is the tour.

    machine.py      boot and Machine: files, programs, runs, hooks
    process.py      Process and Thread: streams, memory, registers, signals
    calls.py        Call: what a hook gets, with its arguments by name (values.py reads them)
    hooks.py        hooks on system calls: enter, call, exit; one door in the kernel's loop
    events.py       hooks on signals, faults, forks, execs and ends
    points.py       breakpoints, watchpoints, steps; stops.py: what they report
    memory.py, registers.py, streams.py, guest_files.py, tracing.py
"""

from __future__ import annotations

from kernel.machine.deadlock import Deadlock
from tools.library.boot import boot
from tools.library.calls import Call
from tools.library.hooks import Hook
from tools.library.machine import OPEN, Machine
from tools.library.memory import Memory, Pointer
from tools.library.points import Point
from tools.library.process import OpenDescriptor, Process, Thread
from tools.library.stops import Stop
from tools.library.tracing import Event, Trace

__all__ = [
    "OPEN", "Call", "Deadlock", "Event", "Hook", "Machine", "Memory", "OpenDescriptor", "Point",
    "Pointer", "Process", "Stop", "Thread", "Trace", "boot",
]  # fmt: skip
