"""The command line as its users meet it: a process of its own, with real descriptors 0, 1 and 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
DIORAMA = (sys.executable, "-m", "diorama")
SECONDS = 90.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, and the way to the sources, wherever the current directory is."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **(extra or {})}


def diorama(
    *words: str,
    **options: Any,  # Any: those of subprocess.run
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end."""
    options.setdefault("capture_output", "stdout" not in options and "stderr" not in options)
    options.setdefault("stdin", subprocess.DEVNULL)
    options["env"] = environment(options.get("env"))
    return subprocess.run([*DIORAMA, *words], timeout=SECONDS, check=False, **options)


def started(
    *words: str,
    **options: Any,  # Any: those of subprocess.Popen
) -> subprocess.Popen[bytes]:
    """Start it; stdout and stderr are pipes unless ``options`` say otherwise."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([*DIORAMA, *words], env=environment(), **options)


def shell(script: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """A script of the host's sh in which ``diorama`` is the command."""
    function = 'diorama() { "$PYTHON" -m diorama "$@"; }\n'
    return subprocess.run(
        ["sh", "-c", function + script, "sh", *arguments],
        cwd=cwd,
        env=environment({"PYTHON": sys.executable}),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
