"""The dispatch table: decoding, laziness, argument order, unknown numbers."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import pytest

from kernel.abi.errors import EBADF, ENOSYS
from kernel.abi.files import O_DIRECTORY, O_NOFOLLOW
from syscalls.declare import DECLARATIONS, Declaration, syscall
from syscalls.kinds import Fd, FileMode, Offset, OpenFlags, PathPtr, UserAddr
from syscalls.numbers import NUMBERS
from syscalls.table import SyscallTable

pytestmark = pytest.mark.row("K3")

ARCHES = ("x86_64", "aarch64")
SEEN: list[tuple[int, ...]] = []


@pytest.fixture
def declared() -> Any:
    """An empty registry for the test, the real one afterwards."""
    saved = dict(DECLARATIONS)
    DECLARATIONS.clear()
    SEEN.clear()
    yield DECLARATIONS
    DECLARATIONS.clear()
    DECLARATIONS.update(saved)


def trap(number: int, *args: int) -> Any:
    return [number, *(a & (1 << 64) - 1 for a in args), *([0] * (6 - len(args)))]


def table(arch: str, declared: dict[str, Declaration]) -> SyscallTable:
    return SyscallTable(arch, declarations=dict(declared))


@pytest.mark.parametrize("arch", ARCHES)
def test_two_tables_decode_by_their_own_declarations(arch: str) -> None:
    """What one table had looked up by name was taken for the other's."""
    real = SyscallTable(arch)
    number = NUMBERS[arch]["close"]
    raw = (1 << 32 | 3, 0, 0, 0, 0, 0)
    assert real.decode(number, raw) == (3,)
    other = replace(DECLARATIONS["close"], parameters=DECLARATIONS["brk"].parameters)
    changed = SyscallTable(arch, declarations={"close": other})
    assert changed.decode(number, raw) == (1 << 32 | 3,)
    assert real.decode(number, raw) == (3,)


@pytest.mark.parametrize("arch", ARCHES)
def test_registers_are_cut_and_sign_extended(arch: str, declared: dict[str, Declaration]) -> None:
    @syscall("pread64(2)")
    def pread64(task: object, fd: Fd, buf: UserAddr, mode: FileMode, pos: Offset) -> int:
        """Remember what came."""
        SEEN.append((fd, buf, mode, pos))
        return 7

    number = NUMBERS[arch]["pread64"]
    t = table(arch, declared)
    assert t.entries[number](None, trap(number, 0xABC_FFFF_FF9C, 1 << 63, 0x1_0644, -5)) == 7
    assert t.entries[number](None, trap(number, 0xABC_0000_0003, 5, 0o644, 1 << 40)) == 7
    assert SEEN == [(-100, 1 << 63, 0x644, -5), (3, 5, 0o644, 1 << 40)]
    raw = tuple(trap(number, 0xABC_FFFF_FF9C, 1 << 63, 0x1_0644, -5)[1:])
    assert t.decode(number, raw) == (-100, 1 << 63, 0x644, -5)


def test_open_flags_of_aarch64_are_translated(declared: dict[str, Declaration]) -> None:
    @syscall("openat(2)")
    def openat(task: object, fd: Fd, path: PathPtr, flags: OpenFlags) -> int:
        """Remember the flags."""
        SEEN.append((flags,))
        return 0

    for arch, word in (("x86_64", 0o600000), ("aarch64", 0o140000)):
        number = NUMBERS[arch]["openat"]
        table(arch, declared).entries[number](None, trap(number, 3, 4, word))
    assert SEEN == [(O_DIRECTORY | O_NOFOLLOW,)] * 2


def test_order_is_data(declared: dict[str, Declaration]) -> None:
    @syscall("clone(2)", order={"aarch64": (0, 2, 1)})
    def clone(task: object, a: UserAddr, b: UserAddr, c: UserAddr) -> int:
        """Remember the order."""
        SEEN.append((a, b, c))
        return 0

    for arch in ARCHES:
        number = NUMBERS[arch]["clone"]
        table(arch, declared).entries[number](None, trap(number, 1, 2, 3))
    assert SEEN == [(1, 2, 3), (1, 3, 2)]


def test_the_trampoline_replaces_itself(declared: dict[str, Declaration]) -> None:
    @syscall("getpid(2)")
    def getpid(task: object) -> int:
        """A number."""
        return 2

    t = table("x86_64", declared)
    before = t.entries[39]
    assert before(None, trap(39)) == 2
    assert t.entries[39] is not before
    assert t.entries[39](None, trap(39)) == 2


def test_a_stub_is_visible_in_tracebacks(declared: dict[str, Declaration]) -> None:
    @syscall("close(2)")
    def close(task: object, fd: Fd) -> int:
        """Fail."""
        raise EBADF("no such descriptor")

    with pytest.raises(EBADF) as caught:
        table("x86_64", declared).entries[3](None, trap(3, 9))
    text = "".join(traceback.format_exception(caught.value))
    assert "return handler(task, fd)" in text


@pytest.mark.parametrize("number", [1, 335, 1023, 1 << 40])
def test_unknown_numbers_are_enosys_and_reported(
    number: int, declared: dict[str, Declaration]
) -> None:
    met: list[tuple[int, str | None]] = []
    t = SyscallTable("x86_64", declarations={}, on_unknown=lambda _, n, name: met.append((n, name)))
    entry = t.entries[number] if number < len(t.entries) else t.unknown
    with pytest.raises(ENOSYS):
        entry(None, trap(number))
    assert met == [(number, t.name(number))]


def test_a_declaration_needs_known_kinds(declared: dict[str, Declaration]) -> None:
    with pytest.raises(TypeError, match="no known kind"):

        @syscall("close(2)")
        def close(task: object, fd: float) -> int:
            """Not a kind."""
            return 0


def test_a_name_is_declared_once(declared: dict[str, Declaration]) -> None:
    for expected in (None, ValueError):

        def getpid(task: object) -> int:
            """A number."""
            return 2

        if expected is None:
            syscall("getpid(2)")(getpid)
        else:
            with pytest.raises(expected, match="twice"):
                syscall("getpid(2)")(getpid)
