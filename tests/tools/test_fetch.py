"""The list of what tests need: complete, pinned, for both CPUs."""

from __future__ import annotations

import re

from tools.fetch import HOST_CPU, debian_entries, root_entries, wheel_entries


def test_wheels_are_pinned_by_version_and_hash() -> None:
    wheels = list(wheel_entries())
    assert {(wheel.name, wheel.arch) for wheel in wheels} >= {
        ("ruff", "x86_64"),
        ("ruff", "aarch64"),
    }
    for wheel in wheels:
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", wheel.version)
        assert wheel.tests


def test_packages_come_for_both_cpus_and_oracles_for_the_host() -> None:
    entries = list(debian_entries())
    assert {e.arch for e in entries if e.package == "busybox-static"} == {"x86_64", "aarch64"}
    assert all(e.arch == HOST_CPU for e in entries if e.program)
    assert all(e.tests for e in entries)


def test_roots_name_each_package_once_and_come_for_both_cpus() -> None:
    roots = list(root_entries())
    assert {root.arch for root in roots if root.name == "debian"} == {"x86_64", "aarch64"}
    for root in roots:
        assert len(set(root.packages)) == len(root.packages)
        assert root.tests
    assert len({root.place for root in roots}) == len(roots)
