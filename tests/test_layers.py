"""Imports point down: the order of the rooms, read from every import statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# Lowest first; rooms of one line may know each other.
LAYERS = (
    ("kernel.abi", "kernel.arch"),
    ("kernel.wait", "kernel.cred", "kernel.events"),
    ("kernel.clock", "kernel.mm"),
    ("kernel.vfs", "kernel.fs"),
    ("kernel.task",),
    ("kernel.net",),
    ("kernel.views",),
    ("kernel.cpu",),
    ("kernel.machine",),
    ("loader", "syscalls"),
    ("tools",),
    ("diorama",),
    ("userland", "benchmarks"),
    ("tests",),
)
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
TOP = {room.split(".")[0] for room in RANKS}


class Arrow(NamedTuple):
    """One import: who, at which line, imports what."""

    module: str
    line: int
    target: str


def room_of(module: str) -> str | None:
    """The room a module is in; None for the bare packages, which hold only docstrings."""
    parts = module.split(".")
    for name in (".".join(parts[:2]), parts[0]):
        if name in RANKS:
            return name
    return None


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the project with its dotted name."""
    for top in sorted(TOP):
        single = ROOT / f"{top}.py"
        for path in [single] if single.exists() else sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(module: str, path: Path) -> Iterator[Arrow]:
    """Every import of our own in a file: at the top, in functions, under TYPE_CHECKING."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*base, node.module or ""]) if node.level else node.module or ""
            # `from kernel import wait` names a room only together with what it imports.
            names = [f"{origin.rstrip('.')}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] in TOP:
                yield Arrow(module, node.lineno, name)  # type: ignore[attr-defined]


def test_imports_point_down() -> None:
    upward = []
    for module, path in modules():
        room = room_of(module)
        for arrow in imports(module, path):
            target = room_of(arrow.target)
            if room is None or target is None:
                continue
            if RANKS[target] > RANKS[room]:
                upward.append(f"{path.relative_to(ROOT)}:{arrow.line}: {room} -> {arrow.target}")
    assert not upward, "\n".join(upward)


def test_every_kernel_package_has_a_layer() -> None:
    rooms = {f"kernel.{p.stem}" for p in (ROOT / "kernel").iterdir() if p.name[0] not in "_."}
    assert rooms <= set(RANKS)


def test_the_kernel_knows_only_the_standard_library() -> None:
    """Third-party packages stay where they belong: unicorn and capstone in kernel.cpu."""
    allowed = {"kernel.cpu": {"unicorn", "capstone"}}
    foreign = {"unicorn", "capstone", "lief", "elftools", "click", "rich"}
    found = []
    for module, path in modules():
        if not module.startswith(("kernel", "loader", "syscalls")):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                package = (name or "").split(".")[0]
                if package in foreign - allowed.get(room_of(module) or "", set()):
                    found.append(f"{module}: {name}")
    assert not found
