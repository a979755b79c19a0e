"""What strace has and this tracer has not, each with the line that says why."""

from __future__ import annotations

from typing import Final

_ATTACH: Final = (
    "there is no process of the host to attach to; `kill -USR1` to a running diorama switches "
    "tracing on"
)
_DAEMON: Final = "tracer and program are one process here, so there is nothing to move to the back"
_SIGNALS: Final = "a signal never stops this tracer, so there is nothing to choose"

REFUSED_OPTIONS: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("-p", "--attach"), "PID", _ATTACH),
    (("-D", "--daemonize", "--daemonized"), "[=WHERE]", _DAEMON),
    (("-DD", "-DDD"), "", _DAEMON),
    (("-I", "--interruptible"), "N", _SIGNALS),
    (("--seccomp-bpf",), "", "not needed: calls that are not shown are not stopped at"),
    (("--kvm",), "vcpu", "there is no KVM here"),
    (("--secontext",), "[=WHAT]", "there is no SELinux here"),
    (("-d", "--debug"), "", "strace's own debugging; DIORAMA_DEBUG=1 is ours"),
    (("--tips",), "[=WHICH]", "no tips"),
    (("--argv0",), "NAME", "not supported; busybox's argv[0] is the applet"),
    (("-V",), "", "diorama --version says it"),
    (("-h",), "", "diorama trace --help shows the options; --hostname sets the guest's name"),
)  # fmt: skip
REFUSED_QUALIFIERS: Final = {
    "kvm": "there is no KVM here",
    "secontext": "there is no SELinux here",
    "namespace": "every program here is in the first namespaces",
}
