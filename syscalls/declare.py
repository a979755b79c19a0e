"""One declaration per system call, and everything derived from it.

::

    @syscall("openat(2)")
    def openat(
        task: Task, dirfd: DirFd, pathname: PathPtr, flags: OpenFlags, mode: FileMode
    ) -> NewFd:
        \"\"\"Open a file relative to a directory.  See openat(2), ERRORS.\"\"\"

The decorator reads the annotations (as text, so that types need not exist at run time), looks each
up among the kinds, and files a ``Declaration``.  The function itself is returned unchanged: tests
and other handlers call it as the plain function it is.  ``syscalls.table`` makes the dispatch table
of each CPU from the declarations.

Prior art: gVisor's syscall tables, where support level and note stand beside the function; and
attrs, which writes source and compiles it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from kernel.abi.results import NO_RETURN_VALUE, NoReturnValue
from syscalls.kinds import KINDS, RESULTS, Kind

__all__ = [
    "DECLARATIONS",
    "NO_RETURN_VALUE",
    "Declaration",
    "NoReturnValue",
    "Parameter",
    "syscall",
]

Cutter: TypeAlias = Callable[[int], int]
"""From a register to the argument in it."""
Handler = TypeVar("Handler", bound=Callable[..., Any])  # Any: int or a generator, per signature
BOTH = ("x86_64", "aarch64")
REGISTERS = 6


class Parameter(NamedTuple):
    """One argument: its name in the manual page and its kind."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Declaration:
    """Everything known about one system call.

    ``order`` maps a CPU to the register index of each parameter where that is not 0, 1, 2...
    ``partial`` says in words what is missing; ``why_constant`` why a body that only returns a
    constant is right; ``arches`` the CPUs that have the call.  ``words`` is filled at first use, by
    CPU: what cuts each argument out of its register (None: it is the whole), and which that is.
    """

    name: str
    man: str
    handler: Callable[..., Any]  # Any: handlers differ in their parameters
    parameters: tuple[Parameter, ...]
    result: str
    may_block: bool
    partial: str | None
    why_constant: str | None
    arches: tuple[str, ...]
    order: Mapping[str, tuple[int, ...]]
    words: dict[str, tuple[tuple[Cutter | None, int], ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @property
    def family(self) -> str:
        """The module that holds the handler: files, memory, process..."""
        return self.handler.__module__.rpartition(".")[2]

    def registers(self, arch: str) -> tuple[int, ...]:
        """Which of the six argument registers holds each parameter on this CPU."""
        return self.order.get(arch) or tuple(range(len(self.parameters)))


DECLARATIONS: dict[str, Declaration] = {}
"""By name; filled by importing the family modules (``import syscalls``)."""


def syscall(
    man: str,
    *,
    name: str | None = None,
    order: Mapping[str, tuple[int, ...]] | None = None,
    partial: str | None = None,
    arch: str | tuple[str, ...] = BOTH,
    why_constant: str | None = None,
) -> Callable[[Handler], Handler]:
    """Declare a system call.  ``man`` is its manual page, ``name`` Linux's name if it differs."""

    def file_declaration(handler: Handler) -> Handler:
        called = name or handler.__name__
        if called in DECLARATIONS:
            raise ValueError(f"{called} is declared twice")
        result, may_block = _result(handler)
        DECLARATIONS[called] = Declaration(
            name=called,
            man=man,
            handler=handler,
            parameters=_parameters(called, handler),
            result=result,
            may_block=may_block,
            partial=partial,
            why_constant=why_constant,
            arches=(arch,) if isinstance(arch, str) else arch,
            order=dict(order or {}),
        )
        return handler

    return file_declaration


def _parameters(called: str, handler: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Parameters after ``task``.  Reads the code object: inspect.signature costs 33 µs a call."""
    names = handler.__code__.co_varnames[1 : handler.__code__.co_argcount]
    if len(names) > REGISTERS:
        raise TypeError(f"{called}: a system call has at most {REGISTERS} arguments")
    return tuple(Parameter(n, _kind(called, n, handler.__annotations__.get(n))) for n in names)


def _kind(called: str, parameter: str, annotation: object) -> Kind:
    text = str(annotation).rpartition(".")[2]
    try:
        return KINDS[text]
    except KeyError:
        raise TypeError(f"{called}: {parameter} has no known kind: {annotation!r}") from None


def _result(handler: Callable[..., Any]) -> tuple[str, bool]:
    """The kind of result, and whether the call may sleep, from ``-> Size | Blocking[Size]``."""
    text = str(handler.__annotations__.get("return", ""))
    blocking = "Blocking[" in text
    names = text.replace("Blocking[", "|").replace("]", "").split("|")
    for candidate in (n.strip().rpartition(".")[2] for n in names):
        if candidate in RESULTS:
            return candidate, blocking
    raise TypeError(f"{handler.__name__}: no known kind of result in {text!r}")
