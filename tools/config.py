"""Everything that can be said about a run, as plain values.

The command line fills a :class:`RunConfig` in, the library and the tests make one directly, and
:func:`tools.boot.boot` turns it into a machine.  Guest names and strings are bytes, as the kernel
sees them; host paths are ``str``, relative to the caller's directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

DEFAULT_MEMORY: Final = 1 << 30
LEAST_MEMORY: Final = 4 << 20
NETWORKS: Final = ("loopback", "none", "host")
MAX_HOSTNAME: Final = 64  # __NEW_UTS_LEN, sethostname(2)
DEFAULT_HOSTNAME: Final = b"diorama"
DEFAULT_PATH: Final = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MAX_ID: Final = (1 << 32) - 2  # -1 means "unchanged" to chown(2), so it is nobody's uid

TraceFormat = Literal["strace", "raw"]


@dataclass(frozen=True, slots=True)
class Volume:
    """``-v HOST:GUEST[:ro|:rw]``: a host directory or file in the guest's tree."""

    host: str
    guest: bytes
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """``--tmpfs PATH[:size=SIZE]``: a fresh file system in memory; None is half of RAM."""

    path: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """``-p [IP:]HOSTPORT:GUESTPORT``: a guest's TCP port on the host."""

    host: str
    host_port: int
    guest_port: int


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What ``trace`` and ``--trace`` show.  The names in comments are strace's options."""

    format: TraceFormat = "strace"
    expressions: tuple[str, ...] = ()  # -e, each with its qualifier: "trace=open,close"
    follow: bool = True  # -f
    separate_files: bool = False  # -ff
    output: str | None = None  # -o, a host path; None is stderr
    append: bool = False  # -A
    column: int = 40  # -a
    string_limit: int = 32  # -s
    absolute: str = ""  # -t time.s, -tt time.us, -ttt unix.us
    relative: str = ""  # -r, a precision: s ms us ns
    durations: str = ""  # -T, a precision
    const_style: str = "abbrev"  # -X: or raw, verbose
    detach_on_exec: bool = False  # -b execve
    always_pid: bool = False  # --always-show-pid
    summary: bool = False  # -c, and -C
    summary_only: bool = False  # -c
    json: str | None = None  # --json: one object per event; - is stdout
    timeline: str | None = None  # --timeline: Trace Event JSON
    folded: str | None = None  # --folded: user stacks for flame graphs
    folded_at: Literal["calls", "slices"] = "calls"  # --folded-at: when they are taken
    stacks: bool = False  # -k
    stack_depth: int = 64  # --stack-trace-frame-limit
    hexadecimal: int = 0  # see tools.tracer.view.Hexadecimal
    call_numbers: bool = False  # -n
    counters: bool = False  # -i
    names: bool = False  # -N
    paths: tuple[str, ...] = ()  # -P
    wall_clock: bool = False  # -w
    sort_by: str = "time-percent"  # -S
    columns: str = ""  # -U
    overhead: int = 0  # -O, nanoseconds
    explain: bool = False  # --explain: why, below errors and waits
    injections: tuple[str, ...] = ()  # --inject, strace's grammar

    @property
    def text(self) -> bool:
        """Is there a text trace?  Other forms take its place unless ``-o`` asks for it."""
        if self.summary_only:
            return False
        others = self.json or self.timeline or self.folded
        return self.output is not None or not others


@dataclass(frozen=True, slots=True)
class GdbAddress:
    """``-g PORT|PATH``: where gdb connects to, a port on a host address or a UNIX socket."""

    path: str = ""  # empty: a port
    host: str = "127.0.0.1"
    port: int = 0  # 0: any that is free

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StatsOptions:
    """``--stats[=FILE]``: the system-call table at the end; a FILE's suffix gives its format."""

    output: str | None = None
    by_process: bool = False  # the table has a part for each process
    details: bool = False  # sleep, bytes, errors by name, faults, switches, frames as well
    plot: str | None = None  # --plot: a picture of calls and memory over time


@dataclass(frozen=True, slots=True)
class InspectOptions:
    """``--inspect[=PATH]``: a socket for those who look; see docs/inspector.md."""

    path: str | None = None  # None: named by our process id, in the user's runtime directory
    wait: bool = False  # the program begins when somebody who is attached says so


@dataclass(frozen=True, slots=True)
class DebugOptions:
    """``diorama debug``: commands that come first; ``scripted``: there were options with some."""

    commands: tuple[str, ...] = ()
    scripted: bool = False


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run.  ``program`` None opens a BusyBox shell (``diorama shell``)."""

    program: str | None = None  # as typed
    args: tuple[bytes, ...] = ()  # without argv[0]
    arch: str | None = None  # None: the ELF decides, else the host's CPU
    rootfs: str | None = None  # a directory or a tar; None is the root in memory
    volumes: tuple[Volume, ...] = ()
    environment: Mapping[bytes, bytes] = field(default_factory=dict)  # beside PATH, HOME, TERM
    unset: tuple[bytes, ...] = ()  # variables that it does not get
    workdir: bytes | None = None  # None: /
    user: str | None = None  # USER[:GROUP], names of the guest's or numbers; None: 0:0, no groups
    hostname: bytes = DEFAULT_HOSTNAME
    read_only: bool = False  # the root is mounted read-only
    network: str = "loopback"  # or none, host; see kernel.net.network
    publish: tuple[PublishedPort, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    memory: int = DEFAULT_MEMORY
    timeout: float | None = None  # seconds of host time, then status 124
    seed: int | None = None  # of every random byte the guest sees; None: the host's randomness
    deterministic: bool = False  # virtual time, and seed 0 unless one is given
    busybox: bool = False  # put BusyBox and its applet links into /bin
    allow_wx: bool = False  # pages may be writable and executable together
    trace: TraceOptions | None = None
    stats: StatsOptions | None = None
    pcap: str | None = None  # a capture file of what guests' sockets say
    inspect: InspectOptions | None = None
    debug: DebugOptions | None = None
    gdb: GdbAddress | None = None  # stop before the first instruction and wait for gdb
    quiet: bool = False  # no line about calls that are not implemented
