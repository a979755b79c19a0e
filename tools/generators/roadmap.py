"""docs/ROADMAP.md: which rows have passing tests on which CPU, and which are open.

``python -m tools.generators.roadmap`` collects the tests, not runs them: the suite is green when
it is committed, so a collected test that is neither skipped nor expected to fail is a passing one.
A test that takes no ``arch`` argument holds for both CPUs.  A freshness test compares the file.
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
ROWS: Final = Path(__file__).with_name("rows.toml")
ROADMAP: Final = ROOT / "docs" / "ROADMAP.md"
ARCHES: Final = ("x86_64", "aarch64")

HEADER: Final = """\
# Roadmap

Generated from the markers of the tests by `python -m tools.generators.roadmap`; edit
`tools/generators/rows.toml` or the tests, not this file. A row is **closed** when tests show it on
both CPUs and nothing of it is missing, **begun** when some tests do, else open.
"""

Proofs = Mapping[str, Mapping[str, set[str]]]
"""Row to CPU to the names of the test functions that show it."""


@dataclass(slots=True)
class Collector:
    """A pytest plugin that only looks at what was collected."""

    found: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Note the rows of each test; Any, so that this module loads without pytest."""
        for item in items:
            if _expected_to_fail(item):
                continue
            callspec = getattr(item, "callspec", None)
            arch = callspec.params.get("arch") if callspec is not None else None
            name = item.nodeid.partition("[")[0]
            for marker in item.iter_markers("row"):
                for row in marker.args:
                    for cpu in [arch] if arch in ARCHES else ARCHES:
                        self.found[row][cpu].add(name)


def _expected_to_fail(item: Any) -> bool:
    """Such a test shows what does not work."""
    return any(item.get_closest_marker(name) is not None for name in ("xfail", "skip"))


def collect(tests: Path = ROOT / "tests") -> Proofs:
    """Collect the tests in this process and return what they show."""
    import pytest

    collector = Collector()
    arguments = ["--collect-only", "-p", "no:terminal", "-p", "no:xdist", str(tests)]
    status = pytest.main(arguments, plugins=[collector])
    if status != 0:
        raise SystemExit(f"roadmap: collecting the tests failed with status {status}")
    return collector.found


def table() -> dict[str, Any]:
    """rows.toml; Any, because its groups and its list of what is missing differ in shape."""
    return tomllib.loads(ROWS.read_text(encoding="utf-8"))


def known_rows() -> set[str]:
    """Every row there is."""
    return {row for group in _groups(table()) for row in group["rows"]}


def _groups(rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (group for name, group in rows.items() if name != "missing")


def render(proofs: Proofs) -> str:
    """The document."""
    rows = table()
    lines = [HEADER]
    for group in _groups(rows):
        lines += [f"## {group['title']}", "", "| row | | state | x86_64 | aarch64 | missing |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for row, text in group["rows"].items():
            lines.append(_line(row, text, proofs.get(row, {}), rows["missing"].get(row, "")))
        lines.append("")
    lines += ["## Tests by row", "", *_tests(proofs)]
    return "\n".join(lines) + "\n"


def _line(row: str, text: str, shown: Mapping[str, set[str]], missing: str) -> str:
    """One row of a table."""
    seen = [bool(shown.get(cpu)) for cpu in ARCHES]
    state = "closed" if all(seen) and not missing else "begun" if any(seen) else "open"
    marks = " | ".join("tested" if cpu else "" for cpu in seen)
    return f"| {row} | {text} | {state} | {marks} | {missing if any(seen) else ''} |"


def _tests(proofs: Proofs) -> Iterable[str]:
    """Every row with the modules of its tests."""
    for row in sorted(proofs, key=lambda name: (name[0], int(name[1:]))):
        modules = {test.partition("::")[0] for cpu in proofs[row].values() for test in cpu}
        yield f"- {row}: " + ", ".join(f"`{module}`" for module in sorted(modules))


def main() -> int:
    """Write the file."""
    sys.path.insert(0, str(ROOT))
    ROADMAP.parent.mkdir(exist_ok=True)
    ROADMAP.write_text(render(collect()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
