"""Make the project's virtual environment: ``python3 tools/make_venv.py DIRECTORY [EXTRA]``.

The Makefile runs this with the host's Python, before anything is installed, so it imports nothing
of ours.  Everything that can be wrong with a machine is answered in one line.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

HOSTS: Final = ("Linux", "Darwin")
CPUS: Final = ("x86_64", "aarch64", "arm64")


def stop(message: str) -> NoReturn:
    """End with one line."""
    sys.exit(f"diorama: {message}")


def check_host() -> None:
    """Refuse what cannot work before anything is installed."""
    if platform.system() not in HOSTS or platform.machine() not in CPUS:
        stop(
            f"{platform.system()} on {platform.machine()} is not supported; "
            "hosts are Linux and macOS on x86_64 and aarch64"
        )
    if sys.maxsize < 1 << 32:
        stop("a 64-bit Python is needed")


def pip_command(place: Path) -> list[str]:
    """Make the environment; returns the command that installs into it."""
    python = str(place / "bin" / "python")
    if not (have("ensurepip") or have("pip")):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        stop(
            "this Python has neither ensurepip nor pip; "
            f"on Debian and Ubuntu: apt-get install python{version}-venv"
        )
    if not (place / "bin" / "python").exists():
        without = [] if have("ensurepip") else ["--without-pip"]
        run([sys.executable, "-m", "venv", *without, str(place)])
    if have("pip", python):
        return [python, "-m", "pip"]
    if have("ensurepip", python):
        run([python, "-m", "ensurepip", "--default-pip"])
        return [python, "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", python]  # the host's pip, from outside


def have(module: str, python: str = sys.executable) -> bool:
    """Whether a Python can import a module."""
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0


def run(command: Sequence[str]) -> None:
    """Run a command; its failure ends this script."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        stop(f"failed with status {done.returncode}: {' '.join(command)}")


def install(command: Sequence[str]) -> None:
    """Run pip; of its long story about a failure only our own line, if there is one, is told."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        ours = [line for line in done.stdout.splitlines() if "diorama: " in line]
        if ours:
            stop(ours[-1].partition("diorama: ")[2])
        sys.stderr.write(done.stdout)
        stop(f"pip failed: {' '.join(command)}")


def main() -> None:
    """Environment, then the project itself in editable form."""
    check_host()
    place = Path(sys.argv[1])
    print(f"diorama: installing into {place}", file=sys.stderr, flush=True)
    extra = f"[{sys.argv[2]}]" if len(sys.argv) > 2 else ""
    install([*pip_command(place), "install", "-q", "--editable", f".{extra}"])


if __name__ == "__main__":
    main()
