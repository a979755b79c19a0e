"""What every part of ``Machine`` needs: the session behind it, its processes, what hooks raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from kernel.abi.errors import EIO
from tools.console.symbols import Symbols
from tools.errors import DioramaError
from tools.library.memory import check_open
from tools.library.process import Process

if TYPE_CHECKING:
    from kernel.machine.loop import Machine as Kernel
    from kernel.task.system import System
    from kernel.task.task import Task
    from tools.boot.session import Session
    from tools.library.machine import Machine
    from tools.library.stops import Stop


P = ParamSpec("P")
T = TypeVar("T")


class MachineBase:
    """The ground of ``Machine``; see there.

    ``_spawned``: programs that were started from Python, by pid; ``_known``: every process anybody
    has asked for.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._spawned: dict[int, Process] = {}
        self._known: dict[int, Process] = {}
        self._raised: Exception | None = None
        self.symbols = Symbols()
        """Names of addresses, from the files that programs have mapped."""

    @property
    def system(self) -> System:
        """The kernel's own object: tasks, scheduler, mounts, clock."""
        check_open(self._session.system.init)
        return self._session.system

    @property
    def kernel(self) -> Kernel:
        """The loop: ``kernel.machine.loop.Machine``, which observers are attached to."""
        check_open(self._session.system.init)
        return self._session.machine

    @property
    def arch(self) -> str:
        """The name of its CPU."""
        return self.system.arch.name

    def run(
        self, until: Callable[[], bool] | None = None, *, seconds: float | None = None
    ) -> Stop | None:
        """See Machine."""
        raise NotImplementedError

    def process(self, pid: int) -> Process:
        """A process of the guest's by its number, spawned from here or not.  DioramaError."""
        known = self._known.get(pid)
        if known is not None:
            return known
        group = self.system.groups.get(pid)
        if group is None:
            raise DioramaError(f"there is no process {pid}")
        return self.process_of(group.leader)

    def process_of(self, task: Task) -> Process:
        """The process a task of the kernel's belongs to."""
        group = task.group
        process = self._known.get(group.pid)
        if process is None or process._group is not group:
            process = self._known[group.pid] = Process(cast("Machine", self), group)
        return process

    def guarded(self, function: Callable[P, T]) -> Callable[P, T]:
        """A function of the user's that the kernel calls: what it raises ends the run, as a hook's
        does, and the guest's call fails with EIO.
        """

        def call(*args: P.args, **named: P.kwargs) -> T:
            try:
                return function(*args, **named)
            except Exception as error:
                self.failed(error)
                raise EIO("a function of the library's user failed") from error

        return call

    def failed(self, error: Exception) -> None:
        """A hook raised: the first is raised again by ``run``."""
        self._raised = self._raised or error
        self.kernel.cpu.request_attention()
