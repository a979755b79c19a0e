"""The build backend of pyproject.toml: setuptools, plus one C library.

A wheel holds ``kernel/cpu/_engine.so`` and is good for one platform and every Python, since the
library knows nothing of Python.  An editable installation builds the library into the source tree.
The compiler is the system's if there is one; only without one is zig asked for (``ziglang`` on
PyPI), so that a machine with nothing but Python can install this project.
"""

from __future__ import annotations

import sys
import sysconfig
from typing import Any

from compile import BuildError, build, check_host, system_compiler
from setuptools import build_meta

ZIG = "ziglang==0.17.0"

Settings = dict[str, Any] | None

build_sdist = build_meta.build_sdist
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def _one_line(error: BuildError) -> SystemExit:
    """What the installer shows instead of a traceback."""
    return SystemExit(f"diorama: {error}")


def _compiler_requirements() -> list[str]:
    try:
        check_host()
    except BuildError as error:
        raise _one_line(error) from None
    return [] if system_compiler() else [ZIG]


def _compile() -> None:
    try:
        print(f"built {build()}", file=sys.stderr)
    except BuildError as error:
        raise _one_line(error) from None


def _for_this_platform(settings: Settings) -> dict[str, Any]:
    """Name the wheel py3-none-PLATFORM: setuptools would take it for pure Python."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return {**(settings or {}), "--build-option": [f"--plat-name={platform}"]}


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """setuptools' needs, and a compiler where there is none."""
    needed: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    return needed + _compiler_requirements()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """The same for an editable installation."""
    needed: list[str] = build_meta.get_requires_for_build_editable(config_settings)
    return needed + _compiler_requirements()


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Compile, then let setuptools pack everything."""
    _compile()
    name: str = build_meta.build_wheel(
        wheel_directory, _for_this_platform(config_settings), metadata_directory
    )
    return name


def build_editable(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Compile into the source tree, which the installation points at."""
    _compile()
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    return name
