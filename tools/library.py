"""The library: boot a machine, mount things, spawn programs, look and change, all from Python.

This is the face that ``import diorama`` shows.  Everything behind it can be reached:
``machine.system`` is the kernel's own object, ``process.task`` the task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Self

from kernel.abi.errors import BY_NAME, EIO
from kernel.machine.snapshot import TaskSnapshot, take_snapshot
from kernel.vfs.dentry import display_path
from tools.boot.capture import connect_captured
from tools.boot.files import mount_volume
from tools.boot.hardware import assemble
from tools.boot.program import Program, host_arch
from tools.boot.session import Session, exit_code
from tools.busybox import find_busybox
from tools.config import DEFAULT_HOSTNAME, RunConfig, Volume
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.mm.address_space import MapEntry
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile

PATH_LIMIT = 4096
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def boot(
    arch: str | None = None,
    *,
    memory: str | int = "256m",
    hostname: str = "diorama",
    busybox: bool = True,
    seed: int | None = None,
    environment: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Machine:
    """A machine with the usual root in memory and, unless told otherwise, BusyBox in /bin.

    ``memory`` is a number of bytes or a string with a unit (b, k, m, g).  ``seed`` makes every
    random byte the guest sees repeatable.  ``log`` gets the kernel's own messages, a line each.
    """
    name = arch or host_arch()
    config = RunConfig(
        arch=name,
        memory=_size(memory),
        hostname=os.fsencode(hostname) if hostname else DEFAULT_HOSTNAME,
        environment={os.fsencode(k): os.fsencode(v) for k, v in (environment or {}).items()},
        seed=seed,
    )
    hardware = assemble(
        name,
        config.memory,
        hostname=config.hostname,
        seed=seed,
        log=log,
        quiet=False,
        allow_wx=False,
    )
    session = Session(config, hardware, with_terminal=False)
    session.prepare()
    if busybox:
        session.show_busybox(str(find_busybox(name)))
    return Machine(session)


def _size(text: str | int) -> int:
    if isinstance(text, int):
        return text
    unit = text[-1:].lower()
    if unit in _UNITS and text[:-1].isdigit():
        return int(text[:-1]) * _UNITS[unit]
    raise DioramaError(f"memory {text!r}: want a number with b, k, m or g behind it")


class OpenDescriptor(NamedTuple):
    """One line of a descriptor table."""

    fd: int
    path: str
    file: OpenFile

    def __str__(self) -> str:
        return f"{self.fd} -> {self.path}"


class Call:
    """A system call that is about to be made; what a hook gets."""

    def __init__(self, process: Process, name: str, raw: tuple[int, ...]) -> None:
        self.process = process
        self.name = name
        self.raw = raw

    def path(self, index: int) -> str:
        """The argument at ``index``, read as the address of a path."""
        return os.fsdecode(self.process.task.mem.read_cstring(self.raw[index], PATH_LIMIT))

    def data(self, index: int, size: int) -> bytes:
        """``size`` bytes of the process's memory at the address in the argument at ``index``."""
        return self.process.task.mem.read(self.raw[index], size)

    def __repr__(self) -> str:
        return f"<Call {self.name}({', '.join(map(hex, self.raw))}) by {self.process.pid}>"


class Process:
    """A program of the machine: its pid, its output, and, while it lives, its insides."""

    def __init__(self, task: Task) -> None:
        self._group = task.group
        self.pid = task.tgid
        self.status: int | None = None
        """The exit status as a shell shows it (128+n for signal n); None while it lives."""
        self._streams: tuple[bytearray, bytearray] = (bytearray(), bytearray())

    @property
    def task(self) -> Task:
        """The kernel's own object: the task with the process's number."""
        return self._group.leader

    @property
    def stdout(self) -> str:
        """Everything written to descriptor 1 so far."""
        return self._streams[0].decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Everything written to descriptor 2 so far."""
        return self._streams[1].decode(errors="replace")

    def files(self) -> list[OpenDescriptor]:
        """The open descriptors, by number."""
        return [
            OpenDescriptor(fd, os.fsdecode(display_path(file.path)), file)
            for fd, file in self.task.fds.items()
        ]

    def maps(self) -> list[MapEntry]:
        """The areas of the address space, as in /proc/PID/maps; empty once it has ended."""
        return self.task.mm.maps() if self.task.mm is not None else []

    def __repr__(self) -> str:
        return f"<Process {self.pid} {os.fsdecode(self.task.comm)} status={self.status}>"


Hook = Callable[[Call], "int | str | None"]
"""Return None to let the call go on, a number as its result, or an errno's name to fail it.

An exception makes the call fail with EIO and is raised again by ``Machine.run``.
"""


class Machine:
    """A booted machine."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._processes: dict[int, Process] = {}
        self._raised: Exception | None = None
        session.system.on_reap = self._reaped

    @property
    def system(self) -> System:
        """The kernel's own object: tasks, scheduler, mounts, clock."""
        return self._session.system

    def mount(self, host: str, guest: str, *, read_only: bool = False) -> None:
        """Show a host directory or file at ``guest``; its writes are the host's."""
        if not os.path.exists(host):
            raise DioramaError(f"volume {host}: no such file or directory")
        volume = Volume(host, os.fsencode(guest), read_only)
        mount_volume(self._session.hardware, self.system.init, volume, (0, 0))

    def spawn(self, program: str, *args: str, stdin: bytes = b"") -> Process:
        """Start a program of the guest's; it runs at the next ``run``.

        A name without a slash is looked for in /bin.  Its stdout and stderr are kept.
        """
        path = program if "/" in program else f"/bin/{program}"
        task = self._session.new_process()
        process = Process(task)
        out, err = connect_captured(task, stdin)
        process._streams = out.data, err.data
        what = Program(None, os.fsencode(path), os.fsencode(program), self.system.arch.name)
        self._session.load(task, what, tuple(os.fsencode(arg) for arg in args))
        self._processes[process.pid] = process
        return process

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Run until every spawned program has ended, or ``until()`` says so.

        ``kernel.machine.deadlock.Deadlock``: all tasks wait for each other.  What a hook raised is
        raised here, once the task's turn is over; the machine can go on.
        """
        processes = self._processes.values()

        def done() -> bool:
            return (
                self._raised is not None
                or (until is not None and until())
                or all(process.status is not None for process in processes)
            )

        self._session.machine.run(done)
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised

    def snapshot(self) -> list[TaskSnapshot]:
        """Every task with its state, its system call, what it waits for, and its program counter.

        ``str`` of one is the line that SIGQUIT prints.
        """
        return take_snapshot(self._session.machine)

    def on(self, name: str, hook: Hook) -> None:
        """Call ``hook`` with a ``Call`` before every system call ``name``."""
        table = self._session.machine.table
        numbers = [n for n in range(len(table.entries)) if table.name(n) == name]
        if not numbers:
            raise DioramaError(f"{name}: no such system call on {self.system.arch.name}")

        def adapter(task: Task, number: int, args: tuple[int, ...]) -> int | None:
            process = self._processes.get(task.tgid) or Process(task)
            try:
                result = hook(Call(process, name, args))
                return -BY_NAME[result].errno if isinstance(result, str) else result
            except Exception as error:  # noqa: BLE001  # its owner's to see, not the kernel's
                self._raised = self._raised or error
                self._session.machine.cpu.request_attention()
                return -EIO.errno

        self._session.machine.hook(numbers[0], adapter)

    def counts(self) -> dict[str, int]:
        """How often each system call was made so far, by name."""
        machine = self._session.machine
        return {
            machine.table.name(number) or str(number): calls
            for number, calls in enumerate(machine.counts.calls)
            if calls
        }

    def close(self) -> None:
        """Give the host's memory back; a ``with`` statement does it by itself."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _reaped(self, pid: int, status: int) -> None:
        process = self._processes.get(pid)
        if process is not None:
            process.status = exit_code(status)
            self.system.cpu.request_attention()  # type: ignore[attr-defined]  # see Cpu
