"""The first execve of a run, which the machine makes itself: its arguments as strace shows them."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.process import AT_EXECFN
from tools.tracer.show_basic import environment
from tools.tracer.text import sequence
from tools.tracer.view import Call

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.tracer.view import Detail

ARGV_LIMIT: Final = 32
AUXV_PAIR: Final = Struct("<QQ")


def first_exec_text(task: Task, path: bytes, argv: tuple[bytes, ...], detail: Detail) -> str:
    """The arguments of the execve that nobody called: path, argv, and how many variables."""
    stack = task.kernel.cpu.registers(task.context).sp
    call = Call(task, "execve", None, (stack + 8 * (len(argv) + 2),), detail)
    if detail.raw or not detail.structures:
        name = f"{_exec_name(call):#x}" if detail.raw else detail.quote(path)
        return f"{name}, {stack + 8:#x}, {call.values[0]:#x}"
    limit = detail.string_limit
    shown = [detail.quote(arg[:limit], cut=len(arg) > limit) for arg in argv[:ARGV_LIMIT]]
    if len(argv) > ARGV_LIMIT:
        shown.append("...")
    return f"{detail.quote(path)}, {sequence(shown)}, {environment(call, 0)}"


def _exec_name(call: Call) -> int:
    """Where the program's name lies: AT_EXECFN, behind the environment (getauxval(3))."""
    where = call.values[0]
    while any(call.read(where, 8) or b""):
        where += 8
    while (pair := call.unpack(AUXV_PAIR, where := where + 8)) is not None and pair[0]:
        if pair[0] == AT_EXECFN:
            return int(pair[1])
        where += 8
    return 0
