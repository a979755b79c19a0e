"""The options of ``run``, ``stats`` and ``shell``, and of ``trace`` in their long form.

One table; the short letters are docker's.  Help texts, parsing and refusals all come from it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from tools.cli.options import Option, UsageError
from tools.cli.values import (
    guest_path,
    parse_environment,
    parse_gdb_address,
    parse_hostname,
    parse_number,
    parse_publish,
    parse_seconds,
    parse_size,
    parse_tmpfs,
    parse_user,
    parse_volume,
    read_environment_file,
)
from tools.config import (
    DEFAULT_HOSTNAME,
    DEFAULT_MEMORY,
    LEAST_MEMORY,
    NETWORKS,
    GdbAddress,
    InspectOptions,
    PublishedPort,
    RunConfig,
    StatsOptions,
    TmpfsMount,
    TraceOptions,
    Volume,
)

ARCHES: Final = ("x86_64", "aarch64")


@dataclass(slots=True)
class RunDraft:
    """What the options have said so far."""

    arch: str | None = None
    rootfs: str | None = None
    volumes: list[Volume] = field(default_factory=list)
    environment: dict[bytes, bytes] = field(default_factory=dict)
    workdir: bytes | None = None
    user: str | None = None
    hostname: bytes = DEFAULT_HOSTNAME
    read_only: bool = False
    network: str = "loopback"
    publish: list[PublishedPort] = field(default_factory=list)
    tmpfs: list[TmpfsMount] = field(default_factory=list)
    memory: int = DEFAULT_MEMORY
    timeout: float | None = None
    seed: int | None = None
    deterministic: bool = False
    busybox: bool = False
    allow_wx: bool = False
    trace: TraceOptions | None = None
    stats: StatsOptions | None = None
    pcap: str | None = None
    inspect: InspectOptions | None = None
    gdb: GdbAddress | None = None
    quiet: bool = False

    def finish(self, command: str, words: Sequence[str]) -> RunConfig:
        """The run that the options and the words after them describe."""
        self._check_host_files(command)
        if self.trace is not None and self.trace.folded_at == "slices" and not self.trace.folded:
            raise UsageError(f"{command}: --folded-at needs --folded FILE")
        if self.publish and self.network != "loopback":
            raise UsageError(f"{command}: -p needs --network loopback")
        return RunConfig(
            program=words[0] if words else None,
            args=tuple(os.fsencode(word) for word in words[1:]),
            arch=self.arch,
            rootfs=self.rootfs,
            volumes=tuple(self.volumes),
            environment=dict(self.environment),
            workdir=self.workdir,
            user=self.user,
            hostname=self.hostname,
            read_only=self.read_only,
            network=self.network,
            publish=tuple(self.publish),
            tmpfs=tuple(self.tmpfs),
            memory=self.memory,
            timeout=self.timeout,
            seed=self.seed,
            deterministic=self.deterministic,
            busybox=self.busybox,
            allow_wx=self.allow_wx,
            trace=self.trace,
            stats=self.stats,
            pcap=self.pcap,
            inspect=self.inspect,
            gdb=self.gdb,
            quiet=self.quiet,
        )

    def _check_host_files(self, command: str) -> None:
        """A volume or root that is not there is a mistake to name before anything starts."""
        for volume in self.volumes:
            try:
                mode = os.stat(volume.host).st_mode
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise UsageError(f"{command}: volume {volume.host}: {why}") from None
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise UsageError(f"{command}: volume {volume.host}: no directory and no file")
        if self.rootfs is not None and not os.path.exists(self.rootfs):
            raise UsageError(f"{command}: root {self.rootfs}: No such file or directory")


def cpu_named(value: str) -> str:
    """What ``--arch`` was given; ValueError if it is none of our CPUs."""
    if value not in ARCHES:
        raise ValueError(f"{value!r} is not one of {', '.join(ARCHES)}")
    return value


def _arch(draft: RunDraft, value: str) -> None:
    draft.arch = cpu_named(value)


def _rootfs(draft: RunDraft, value: str) -> None:
    draft.rootfs = value


def _volume(draft: RunDraft, value: str) -> None:
    draft.volumes.append(parse_volume(value))


def _env(draft: RunDraft, value: str) -> None:
    draft.environment.update(parse_environment(value))


def _env_file(draft: RunDraft, value: str) -> None:
    draft.environment.update(read_environment_file(value))


def _workdir(draft: RunDraft, value: str) -> None:
    draft.workdir = guest_path(value)


def _user(draft: RunDraft, value: str) -> None:
    draft.user = parse_user(value)


def _hostname(draft: RunDraft, value: str) -> None:
    draft.hostname = parse_hostname(value)


def _read_only(draft: RunDraft, _: str) -> None:
    draft.read_only = True


def _network(draft: RunDraft, value: str) -> None:
    if value not in NETWORKS:
        raise ValueError(f"{value!r} is not one of {', '.join(NETWORKS)}")
    draft.network = value


def _publish(draft: RunDraft, value: str) -> None:
    draft.publish.append(parse_publish(value))


def _tmpfs(draft: RunDraft, value: str) -> None:
    draft.tmpfs.append(parse_tmpfs(value))


def _memory(draft: RunDraft, value: str) -> None:
    size = parse_size(value)
    if size < LEAST_MEMORY:
        raise ValueError(f"{value!r} is less than 4m, too little to start a program")
    draft.memory = size


def _timeout(draft: RunDraft, value: str) -> None:
    draft.timeout = parse_seconds(value)


def _deterministic(draft: RunDraft, _: str) -> None:
    draft.deterministic = True


def _seed(draft: RunDraft, value: str) -> None:
    draft.seed = parse_number(value)


def _busybox(draft: RunDraft, _: str) -> None:
    draft.busybox = True


def _allow_wx(draft: RunDraft, _: str) -> None:
    draft.allow_wx = True


def _trace(draft: RunDraft, value: str) -> None:
    trace = draft.trace or TraceOptions()
    if value == "raw":
        draft.trace = replace(trace, format="raw")
    elif value in ("", "strace"):
        draft.trace = trace
    else:
        draft.trace = replace(trace, expressions=(*trace.expressions, value))


def _trace_format(draft: RunDraft, value: str) -> None:
    if value not in ("strace", "raw"):
        raise ValueError(f"{value!r} is not one of strace, raw")
    draft.trace = replace(
        draft.trace or TraceOptions(), format="raw" if value == "raw" else "strace"
    )


def _trace_json(draft: RunDraft, value: str) -> None:
    draft.trace = replace(draft.trace or TraceOptions(), json=_file(value))


def _timeline(draft: RunDraft, value: str) -> None:
    draft.trace = replace(draft.trace or TraceOptions(), timeline=_file(value))


def _folded(draft: RunDraft, value: str) -> None:
    draft.trace = replace(draft.trace or TraceOptions(), folded=_file(value))


def _folded_at(draft: RunDraft, value: str) -> None:
    if value not in ("calls", "slices"):
        raise ValueError(f"{value!r} is not one of calls, slices")
    at: Literal["calls", "slices"] = "calls" if value == "calls" else "slices"
    draft.trace = replace(draft.trace or TraceOptions(), folded_at=at)


def _explain(draft: RunDraft, _: str) -> None:
    draft.trace = replace(draft.trace or TraceOptions(), explain=True)


def _file(value: str) -> str:
    if not value:
        raise ValueError("the file's name is empty")
    return value


def _stats(draft: RunDraft, value: str) -> None:
    draft.stats = StatsOptions(value or None)


def _inspect(draft: RunDraft, value: str) -> None:
    wait = draft.inspect is not None and draft.inspect.wait
    draft.inspect = InspectOptions(value or None, wait)


def _gdb(draft: RunDraft, value: str) -> None:
    draft.gdb = parse_gdb_address(value)


def _inspect_wait(draft: RunDraft, _: str) -> None:
    draft.inspect = replace(draft.inspect or InspectOptions(), wait=True)


def _pcap(draft: RunDraft, value: str) -> None:
    draft.pcap = _file(value)


def _quiet(draft: RunDraft, _: str) -> None:
    draft.quiet = True


def _habit(_draft: RunDraft, _: str) -> None:
    """Docker's -i, -t and --rm: what they ask for is how it always is here."""


RUN_OPTIONS: Final = (
    Option(("--arch",), "CPU", "the CPU, for the names busybox and sh: x86_64, aarch64", _arch),
    Option(("--rootfs",), "PATH", "a directory or a tar as the root file system", _rootfs),
    Option(("-v", "--volume"), "HOST:GUEST[:ro|:rw]", "a host directory or file inside", _volume),
    Option(("-e", "--env"), "K=V", "set a variable; K alone copies the caller's", _env),
    Option(("--env-file",), "FILE", "variables from a file, a line each", _env_file),
    Option(("-w", "--workdir"), "DIR", "the directory to start in (/)", _workdir),
    Option(("-u", "--user"), "USER[:GROUP]", "who starts the program (0:0)", _user),
    Option(("-h", "--hostname"), "NAME", "the host name inside (diorama)", _hostname),
    Option(("--read-only",), "", "mount the root read-only", _read_only),
    Option(("--network",), "MODE", "loopback inside, none, or the host's (loopback)", _network),
    Option(("-p", "--publish"), "[IP:]HOSTPORT:PORT", "a guest's TCP port on the host", _publish),
    Option(("--tmpfs",), "PATH[:size=SIZE]", "a file system in memory", _tmpfs),
    Option(("--memory",), "SIZE", "the guest's RAM: b, k, m, g (1g)", _memory),
    Option(("--timeout",), "SECONDS", "end the run after that time, with status 124", _timeout),
    Option(("--seed",), "N", "make the guest's randomness repeatable", _seed),
    Option(("--deterministic",), "", "virtual time: two runs give the same trace", _deterministic),
    Option(("--busybox",), "", "put BusyBox and its applets into /bin", _busybox),
    Option(("--allow-wx",), "", "allow pages both writable and executable", _allow_wx),
    Option(("--trace",), "[=EXPR]", "show system calls; EXPR as strace's -e, or raw", _trace),
    Option(("--trace-format",), "strace|raw", "how they are shown", _trace_format),
    Option(("--json",), "FILE", "one JSON object per event; - is stdout", _trace_json),
    Option(("--timeline",), "FILE", "the run as Trace Event JSON, for Perfetto", _timeline),
    Option(("--folded",), "FILE", "user stacks at system calls, for flame graphs", _folded),
    Option(
        ("--folded-at",), "calls|slices", "or at slices of time, to see where it goes", _folded_at
    ),
    Option(("--explain",), "", "trace, and say why below each error and wait", _explain),
    Option(("--stats",), "[=FILE]", "the system-call table at the end (.json, .csv)", _stats),
    Option(("-g", "--gdb"), "PORT|PATH", "wait for gdb there before the first instruction", _gdb),
    Option(("--inspect",), "[=PATH]", "a socket where `diorama top --attach` looks in", _inspect),
    Option(("--inspect-wait",), "", "the same; begin when somebody there says so", _inspect_wait),
    Option(("--pcap",), "FILE", "what sockets say, as packets, for Wireshark", _pcap),
    Option(("-q", "--quiet"), "", "no line about calls that are not implemented", _quiet),
    Option(("-i", "--interactive"), "", "accepted for docker habit", _habit),
    Option(("-t", "--tty"), "", "accepted for docker habit", _habit),
    Option(("--rm",), "", "accepted for docker habit", _habit),
)
