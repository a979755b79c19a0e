"""One system call as a hook sees it: its arguments by name, its result, its memory.

``call.args.pathname`` is the argument of that name in the declaration (and so in the manual page),
as a Python value: a path is a ``str``, a buffer ``bytes``, a structure a ``Struct``, flags a number
that knows the names of its bits.  Nothing is decoded before it is asked for.  What the kernel will
write is a ``Pointer`` until the call has ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kernel.abi.errors import BY_NAME, BY_NUMBER, KernelError
from kernel.vfs.dentry import display_path
from syscalls.kinds import OPEN_FLAGS
from tools.errors import DioramaError
from tools.library.memory import Memory, Pointer
from tools.library.values import Number, parse, strings
from tools.tracer.calls import entry_text, exit_text
from tools.tracer.shows import show_for
from tools.tracer.view import Call as View
from tools.tracer.view import Detail

if TYPE_CHECKING:
    from kernel.machine.dispatch import Passage
    from kernel.machine.stops import Stop
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile
    from syscalls.kinds import Kind
    from syscalls.table import SyscallTable
    from tools.library.process import Process, Thread

PATH_LIMIT: Final = 4096
RED_ZONE: Final = 128
"""Below the stack pointer the x86-64 ABI lets a function keep so much."""
SCRATCH_LIMIT: Final = 1 << 20
_WORD: Final = (1 << 64) - 1
_MAX_ERRNO: Final = 4095
_WHOLE: Final = Detail(string_limit=1 << 30, verbose=True)
_BRIEF: Final = Detail()
_BYTES: Final = frozenset({"*bytes", "*bytes_out", "*iovec", "*iovec_out"})

Result = int | str | type[KernelError] | KernelError
"""What can be made a call's result: a number, or an error by name, class or instance."""


class Arguments:
    """The arguments of one call, by name or position.

    Reading decodes; assigning changes what the kernel gets, before the call: a number goes into the
    register; text and bytes are put into the process's memory, below its stack, and their address
    into the register; None is NULL.  After the call, bytes assigned to an argument that is a
    pointer are written where it points.
    """

    __slots__ = ("_call",)

    _call: Call

    def __init__(self, call: Call) -> None:
        object.__setattr__(self, "_call", call)

    def __getattr__(self, name: str) -> Any:
        return self._call.decoded(self._index(name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._call.assign(self._index(name), value)

    def __getitem__(self, key: int | str) -> Any:
        return self._call.decoded(self._index(key) if isinstance(key, str) else key)

    def __setitem__(self, key: int | str, value: Any) -> None:
        self._call.assign(self._index(key) if isinstance(key, str) else key, value)

    def _index(self, name: str) -> int:
        names = self._call.names
        if name not in names:
            known = ", ".join(names) or "none that are known"
            raise AttributeError(f"{self._call.name} has no argument {name!r}; there are {known}")
        return names.index(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._call.names)

    def __len__(self) -> int:
        return len(self._call.names)

    def __dir__(self) -> list[str]:
        return [*self._call.names]

    def __repr__(self) -> str:
        return f"<Arguments {self._call.text}>"


class Call:
    """A system call on its way: the same object at enter, call and exit, so hooks may keep things
    in ``memo``.

    ``raw``: the six argument registers; ``values``: the arguments as the handler gets them, cut and
    sign-extended; ``args``: as Python values; ``phase``: 'enter', 'call' or 'exit'.
    """

    def __init__(
        self, process: Process, task: Task, table: SyscallTable, passage: Passage | Stop, phase: str
    ) -> None:
        self.process = process
        self.phase = phase
        self.memo: Any = None  # Any: the hook's own
        self._task = task
        self._table = table
        self._passage: Passage | Stop = passage
        self._view: View | None = None
        self._below = _WORD  # what lies above this is in use by arguments that were put there

    # -- what it is ------------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """Its number on this CPU."""
        return self._passage.number

    @property
    def name(self) -> str:
        """Its name; 'syscall_0x1ff' for a number that is none."""
        return self._table.name(self.number) or f"syscall_{self.number:#x}"

    @property
    def raw(self) -> tuple[int, ...]:
        """The six argument registers."""
        return self._passage.args

    @property
    def task(self) -> Task:
        """The kernel's own object: the task that makes the call."""
        return self._task

    @property
    def thread(self) -> Thread:
        """The task that makes the call."""
        return self.process.thread(self._task)

    @property
    def memory(self) -> Memory:
        """The process's memory."""
        return Memory(self._task)

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments' names, in order; none for a call without a declaration."""
        declaration = self._table.declaration(self.number)
        return tuple(p.name for p in declaration.parameters) if declaration is not None else ()

    @property
    def args(self) -> Arguments:
        """The arguments as Python values."""
        return Arguments(self)

    @property
    def values(self) -> tuple[int, ...]:
        """The arguments as numbers, as the handler gets them."""
        return self._table.decode(self.number, self.raw)

    @property
    def text(self) -> str:
        """The call as a trace would show it, as far as it is known."""
        view = self._shown(_BRIEF)
        if self.phase != "exit":
            return f"{self.name}({entry_text(view).removesuffix(', ')})"
        view.result = None
        entry = entry_text(view)
        view.result = self._passage.result
        return f"{self.name}({entry}{exit_text(view)})"

    def left(self, passage: Passage) -> None:
        """It has a result; the registers are those it was entered with."""
        self.phase = "exit"
        self._passage = passage

    # -- the result ------------------------------------------------------------------------------

    @property
    def result(self) -> int | None:
        """What the program gets, -errno for an error; None before the call has ended.

        Assign a number or an error ('EACCES', ``EACCES``); at enter that replaces the call.
        """
        found = self._passage.result
        return None if found is None else int(found)

    @result.setter
    def result(self, value: Result) -> None:
        self._passage.result = as_result(value)
        if self._view is not None and self.phase == "exit":
            self._view.result = self._passage.result

    @property
    def error(self) -> str | None:
        """The error's name, 'ENOENT', if the call has failed."""
        found = self._passage.result
        if not isinstance(found, int) or not -_MAX_ERRNO <= found < 0:
            return None
        error = BY_NUMBER.get(-found)
        return error.__name__ if error is not None else str(-found)

    # -- arguments -------------------------------------------------------------------------------

    def path(self, index: int) -> str:
        """The argument at ``index``, read as the address of a path."""
        return os.fsdecode(self._task.mem.read_cstring(self.raw[index], PATH_LIMIT))

    def data(self, index: int, size: int) -> bytes:
        """``size`` bytes of the process's memory at the address in the argument at ``index``."""
        return self._task.mem.read(self.raw[index], size)

    def pointer(self, name: str) -> Pointer:
        """An argument as an address to read from and write to."""
        return Pointer(self.values[self.args._index(name)], self.memory)

    def file(self, name: str) -> OpenFile | None:
        """The kernel's open file behind an argument that is a descriptor; None: it is not open."""
        return self._task.fds.files.get(self.values[self.args._index(name)])

    def file_path(self, name: str) -> str | None:
        """The path of that file, as /proc/PID/fd shows it."""
        file = self.file(name)
        return os.fsdecode(display_path(file.path)) if file is not None else None

    def shown(self, name: str) -> str:
        """An argument as a trace shows it: ``O_RDONLY|O_CLOEXEC``, ``{st_mode=...}``."""
        index = self.args._index(name)
        return self._text(index, self._kind(index), _BRIEF)

    def _kind(self, index: int) -> Kind:
        declaration = self._table.declaration(self.number)
        assert declaration is not None
        return declaration.parameters[index].kind

    def _shown(self, detail: Detail) -> View:
        """The tracer's idea of this call; kept, because its printers remember things in it."""
        view, declaration = self._view, self._table.declaration(self.number)
        if view is None or view.declaration is not declaration:
            view = View(self._task, self.name, declaration, self.values, detail)
            self._view = view
        view.values, view.detail = self.values, detail
        if self.phase == "exit":
            view.result = self._passage.result
        return view

    def _text(self, index: int, kind: Kind, detail: Detail) -> str:
        text = show_for(kind.show).shown(kind, self._shown(detail), index)
        return str(self.values[index]) if text is None else text

    def decoded(self, index: int) -> Any:
        """The argument at ``index`` as a Python value; see the module."""
        kind, value = self._kind(index), self.values[index]
        if not kind.is_pointer:
            if kind.show in ("dec", "hidden"):
                return value
            return Number(value, self._text(index, kind, _WHOLE))
        if not value:
            return None
        view = self._shown(_WHOLE)
        if self.phase != "exit" and show_for(kind.show).is_late(kind, view, index):
            return Pointer(value, self.memory)
        text = self._text(index, kind, _WHOLE)
        found = parse(text)
        if isinstance(found, int):  # the tracer could not read it either
            return Pointer(value, self.memory, text)
        return found if kind.show in _BYTES else strings(found)

    def assign(self, index: int, value: Any) -> None:
        """Change the argument at ``index``; see Arguments."""
        kind = self._kind(index)
        if isinstance(value, str | bytes | bytearray):
            self._assign_bytes(index, kind, os.fsencode(value) if isinstance(value, str) else value)
            return
        if self.phase == "exit":
            raise DioramaError(f"{self.name} has ended: only what its pointers point to can change")
        number = 0 if value is None else int(value)
        if kind.decode == OPEN_FLAGS:
            number = self._task.kernel.arch.open_flags_out(number)
        self._set_register(index, number)

    def _assign_bytes(self, index: int, kind: Kind, data: bytes | bytearray) -> None:
        if not kind.is_pointer and kind.show != "addr":
            name = self.names[index]
            raise DioramaError(f"{self.name}: {name} is a number, not an address of {data!r}")
        if self.phase == "exit":
            self.memory.write(self.values[index], bytes(data))
            return
        if kind.show in ("*path", "*string"):
            data = bytes(data) + b"\0"
        self._set_register(index, self._scratch(bytes(data)))

    def _scratch(self, data: bytes) -> int:
        """Room for bytes below the stack, where nothing is kept while the call lasts."""
        if len(data) > SCRATCH_LIMIT:
            raise DioramaError(f"{len(data)} bytes are too many for the stack; use memory.map()")
        registers = self._task.kernel.cpu.registers(self._task.context)
        address = min(self._below, registers.sp - RED_ZONE) - len(data) & ~0xF
        self._task.mem.write(address, data)
        self._below = address
        return address

    def _set_register(self, index: int, value: int) -> None:
        declaration = self._table.declaration(self.number)
        assert declaration is not None
        register = declaration.registers(self._table.arch)[index]
        args = list(self.raw)
        args[register] = value & _WORD
        self._passage.args = tuple(args)

    def __repr__(self) -> str:
        ended = f" = {self.error or self.result}" if self.result is not None else ""
        return f"<Call {self.text}{ended} by {self.process.pid}>"


def as_result(value: Result) -> int:
    """The number behind a result: -errno for an error."""
    if isinstance(value, str):
        if value not in BY_NAME:
            raise DioramaError(f"{value!r} is no error; want a name such as ENOENT")
        return -BY_NAME[value].errno
    if isinstance(value, KernelError | type):
        return -value.errno
    return value
