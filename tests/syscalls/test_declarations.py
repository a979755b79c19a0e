"""Every declaration is complete, and none pretends."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

import pytest

from syscalls import FAMILIES, load_families
from syscalls.declare import DECLARATIONS, Declaration
from syscalls.kinds import KINDS, RESULTS
from syscalls.numbers import NUMBERS
from syscalls.stubs import compile_stub, decode_arguments
from tools.tracer import calls  # noqa: F401  # registers the printers
from tools.tracer.shows import show_for

pytestmark = pytest.mark.row("K3")

load_families()
ALL = sorted(DECLARATIONS.values(), key=lambda declaration: declaration.name)
MAN = re.compile(r"^[\w.]+\([2378]\)$")
HANDLER_LINES = 25
# What may be missing of the calls that rows K5 and K6 name: other rows ask for it.
PARTIAL = {"futex": "requeue|FUTEX_FD", "clone": "namespaces"}

every = pytest.mark.parametrize("declaration", ALL, ids=lambda declaration: declaration.name)


def source_tree(declaration: Declaration) -> ast.FunctionDef:
    """The handler's syntax tree."""
    text = textwrap.dedent(inspect.getsource(declaration.handler))
    found = ast.parse(text).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def body_without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def is_constant(node: ast.expr | None) -> bool:
    """A literal, also -1, and a name in capitals."""
    if isinstance(node, ast.UnaryOp):
        return is_constant(node.operand)
    return node is None or isinstance(node, ast.Constant)


def test_families_are_listed_once_and_in_order() -> None:
    assert list(FAMILIES) == sorted(set(FAMILIES))


@every
def test_names_its_manual_page(declaration: Declaration) -> None:
    assert MAN.match(declaration.man), declaration.man
    docstring = declaration.handler.__doc__ or ""
    assert re.search(r"\(\d\)", docstring), f"{declaration.name}: no manual page in the docstring"


@every
def test_has_a_number_on_each_cpu_it_claims(declaration: Declaration) -> None:
    for arch in declaration.arches:
        assert declaration.name in NUMBERS[arch], f"{declaration.name} has no number on {arch}"


@every
def test_claims_each_cpu_that_has_a_number(declaration: Declaration) -> None:
    having = {arch for arch in NUMBERS if declaration.name in NUMBERS[arch]}
    assert having == set(declaration.arches)


@every
def test_order_is_a_permutation(declaration: Declaration) -> None:
    for arch in declaration.arches:
        registers = declaration.registers(arch)
        assert len(registers) == len(declaration.parameters)
        assert len(set(registers)) == len(registers)
        assert all(0 <= register < 6 for register in registers)


@every
def test_every_stub_compiles_and_decodes(declaration: Declaration) -> None:
    for arch in declaration.arches:
        entry = compile_stub(declaration, arch)
        assert entry.__doc__ is not None
        for raw in ((0,) * 6, ((1 << 64) - 1,) * 6):
            values = decode_arguments(declaration, arch, raw)
            assert len(values) == len(declaration.parameters)


@every
def test_a_constant_body_says_why(declaration: Declaration) -> None:
    body = body_without_docstring(source_tree(declaration))
    only_constant = (
        len(body) == 1 and isinstance(body[0], ast.Return) and is_constant(body[0].value)
    )
    if only_constant:
        assert declaration.why_constant, (
            f"{declaration.name} returns a constant: why is that right?"
        )


@every
def test_handlers_are_short(declaration: Declaration) -> None:
    body = body_without_docstring(source_tree(declaration))
    first, last = body[0], body[-1]
    assert last.end_lineno is not None
    assert last.end_lineno - first.lineno < HANDLER_LINES


@every
def test_every_argument_has_a_printer(declaration: Declaration) -> None:
    for _, kind in declaration.parameters:
        show_for(kind.show)


def test_every_kind_has_a_printer() -> None:
    for kind in KINDS.values():
        show_for(kind.show)


def test_results_are_known() -> None:
    assert {declaration.result for declaration in ALL} <= set(RESULTS)


def test_what_the_requirements_name_is_declared_and_whole() -> None:
    """Rows K5 and K6, sockets aside."""
    wanted = """read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
    rt_sigreturn ioctl readv writev madvise dup nanosleep getpid exit kill uname fcntl getcwd chdir
    gettimeofday getuid geteuid getgid getegid futex getdents64 set_tid_address clock_gettime
    exit_group openat readlinkat set_robust_list pipe2 prlimit64 getrandom clone execve wait4 waitid
    pread64 pwrite64 preadv pwritev truncate ftruncate renameat renameat2 fchmod fchmodat fchown
    fchownat faccessat mkdirat unlinkat dup3 newfstatat""".split()
    old = """open stat lstat access pipe dup2 mkdir unlink readlink arch_prctl fork vfork rename
    chmod chown""".split()
    missing = [name for name in wanted + old if name not in DECLARATIONS]
    assert not missing
    for name in wanted:
        assert DECLARATIONS[name].arches == ("x86_64", "aarch64")
    partial = {name for name in wanted + old if DECLARATIONS[name].partial}
    assert partial <= PARTIAL.keys()
    for name in partial:
        assert re.search(PARTIAL[name], DECLARATIONS[name].partial or "")
