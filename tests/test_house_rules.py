"""The habits of the house that a machine can check."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kernel", "loader", "syscalls", "tools", "userland", "tests")
LONGEST_MODULE = 500
GENERATED = ("syscalls/numbers",)  # tables are as long as what they list

Source = tuple[str, ast.Module]


def sources(*packages: str) -> Iterator[Path]:
    """Python files of the packages, in order."""
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(*packages: str) -> Iterator[Source]:
    for path in sources(*packages):
        yield relative(path), ast.parse(path.read_bytes(), str(path))


def test_modules_are_not_longer_than_a_sitting() -> None:
    lengths = {
        relative(path): len(path.read_bytes().splitlines())
        for path in sources(*PACKAGES)
        if not relative(path).startswith(GENERATED)
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_no_module_is_named_like_the_standard_librarys() -> None:
    """Top-level names shadow; inner ones confuse whoever reads `import signal`."""
    taken = sys.stdlib_module_names
    allowed = {"__init__", "__main__"}
    named = [
        relative(path)
        for path in sources("kernel", "loader", "tools")
        if path.stem in taken - allowed
        or (path.name == "__init__.py" and path.parent.name in taken)
    ]
    assert named == []


def test_every_package_opens_with_a_lecture() -> None:
    silent = [
        name
        for name, tree in parsed(*PACKAGES)
        if name.endswith("__init__.py") and len(ast.get_docstring(tree) or "") < 60
    ]
    assert silent == []
    packages = {path.parent for path in sources(*PACKAGES) if path.name != "__init__.py"}
    without = [
        relative(package)
        for package in sorted(packages)
        if not (package / "__init__.py").exists() and package.relative_to(ROOT).parts[0] != "tests"
    ]
    assert without == []


def test_every_module_has_a_docstring() -> None:
    assert [name for name, tree in parsed(*PACKAGES) if not ast.get_docstring(tree)] == []


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Cleaning up on the way out is not catching."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def broad_handlers(tree: ast.Module) -> Iterator[int]:
    """Lines of `except:`, `except Exception`, `except BaseException` that do not raise again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
            caught = node.type
            names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
            for name in names:
                if name is None or (
                    isinstance(name, ast.Name) and name.id in ("Exception", "BaseException")
                ):
                    yield node.lineno


def test_the_kernel_catches_nothing_broadly() -> None:
    """One catch stands in the machine's loop: a bug of ours must not take the machine down."""
    allowed = {"kernel/machine/loop.py"}
    found = [
        f"{name}:{line}"
        for name, tree in parsed("kernel", "syscalls")
        if name not in allowed
        for line in broad_handlers(tree)
    ]
    assert found == []


def test_the_kernel_imports_at_the_top() -> None:
    """An import inside a function hides a cycle.  Of others' packages it may save start-up time."""
    ours = {*PACKAGES, "diorama"}
    found = []
    for name, tree in parsed("kernel", "loader"):
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                names: list[str] = []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                found += [f"{name}: {n}" for n in names if n.split(".")[0] in ours]
    assert found == []


def test_no_star_imports() -> None:
    found = [
        name
        for name, tree in parsed(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    assert found == []


def test_no_path_of_one_machine() -> None:
    """Files name no home directory: such a path exists on one developer's machine only."""
    personal = re.compile(rb"/(?:home|Users)/[a-z]\w+/")
    found = [
        relative(path)
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in (".py", ".md", ".toml", ".c", ".h", ".sh", ".s", ".rs")
        and not path.relative_to(ROOT).parts[0].startswith((".", "build"))
        and personal.search(path.read_bytes())
    ]
    assert found == []


def test_the_kernel_iterates_no_set() -> None:
    """Order must not depend on hashes: a `for` over a set display or set() call is refused."""
    found = []
    for name, tree in parsed("kernel"):
        for node in ast.walk(tree):
            iterables = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
            for iterable in iterables:
                called = isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name)
                is_call = called and iterable.func.id in ("set", "frozenset")  # type: ignore[attr-defined]
                if isinstance(iterable, ast.Set | ast.SetComp) or is_call:
                    found.append(f"{name}:{iterable.lineno}")
    assert found == []


def test_the_kernel_has_no_finalizers_and_no_identity() -> None:
    """`__del__`, `id()`, `hash()` and weak references differ from run to run."""
    found = []
    for name, tree in parsed("kernel"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "__del__":
                found.append(f"{name}:{node.lineno}: __del__")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("id", "hash"):
                    found.append(f"{name}:{node.lineno}: {node.func.id}()")
            if isinstance(node, ast.Import) and any(a.name == "weakref" for a in node.names):
                found.append(f"{name}:{node.lineno}: weakref")
    assert found == []
