"""Make the project's virtual environment: ``python3 tools/make_venv.py DIRECTORY [EXTRA]``.

The Makefile runs this with whatever Python the machine has, so it is written for old ones too, and
answers everything that can be wrong with a machine in one line.
"""

from __future__ import print_function

import os
import platform
import subprocess
import sys

OLDEST = (3, 11)
HOSTS = ("Linux", "Darwin")
CPUS = ("x86_64", "aarch64", "arm64")


def stop(message):
    """End with one line."""
    sys.stderr.write("diorama: %s\n" % message)
    sys.exit(1)


def check_host():
    """Refuse what cannot work before anything is installed."""
    if sys.version_info < OLDEST:
        stop(
            "Python %d.%d or newer is needed, %s is %s (make PYTHON=/path/to/python3.11)"
            % (OLDEST + (sys.executable, platform.python_version()))
        )
    if platform.system() not in HOSTS or platform.machine() not in CPUS:
        stop(
            "%s on %s is not supported; hosts are Linux and macOS on x86_64 and aarch64"
            % (platform.system(), platform.machine())
        )
    if sys.maxsize < 2**32:
        stop("a 64-bit Python is needed")


def pip_command(place):
    """Make the environment; returns the command that installs into it."""
    python = os.path.join(place, "bin", "python")
    if not os.path.exists(python):
        without = [] if have("ensurepip") else ["--without-pip"]
        run([sys.executable, "-m", "venv"] + without + [place])
    if have("pip", python):
        return [python, "-m", "pip"]
    if have("pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    if have("ensurepip"):
        run([python, "-m", "ensurepip", "--default-pip"])
        return [python, "-m", "pip"]
    version = "%d.%d" % sys.version_info[:2]
    stop(
        "this Python has neither ensurepip nor pip; "
        "on Debian and Ubuntu: apt-get install python%s-venv" % version
    )


def have(module, python=None):
    """Whether a Python (default: this one) can import a module."""
    command = [python or sys.executable, "-c", "import " + module]
    with open(os.devnull, "w") as nowhere:
        return subprocess.call(command, stdout=nowhere, stderr=nowhere) == 0


def run(command):
    """Run a command; its failure ends this script."""
    try:
        status = subprocess.call(command)
    except OSError as error:
        stop("%s: %s" % (command[0], error))
    if status:
        stop("failed with status %d: %s" % (status, " ".join(command)))


def install(command):
    """Run pip; of its long story about a failure only our own line, if there is one, is told."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode("utf-8", "replace")
    if process.returncode:
        ours = [line.strip() for line in output.splitlines() if "diorama: " in line]
        if ours:
            stop(ours[-1].split("diorama: ", 1)[1])
        sys.stderr.write(output)
        stop("pip failed: %s" % " ".join(command))


def main():
    """Environment, then the project itself in editable form."""
    check_host()
    place = sys.argv[1]
    extra = "[%s]" % sys.argv[2] if len(sys.argv) > 2 else ""
    install(pip_command(place) + ["install", "-q", "--editable", "." + extra])


if __name__ == "__main__":
    main()
