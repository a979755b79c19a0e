"""The machine as a whole: names, memory sums, random bytes, personality.

See uname(2), sysinfo(2), getrandom(2), sethostname(2), getcpu(2), personality(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EFAULT, EINVAL, EPERM
from kernel.abi.process import (
    ADDR_NO_RANDOMIZE,
    GRND_INSECURE,
    GRND_NONBLOCK,
    GRND_RANDOM,
    PER_LINUX,
    READ_IMPLIES_EXEC,
)
from kernel.abi.structs import SYSINFO, UTSNAME
from kernel.arch.base import PAGE_SIZE
from kernel.cred import CAP_SYS_ADMIN
from kernel.fs.devices import RANDOM_MAX
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        CpuNumberPtr,
        InBuf,
        OldPersona,
        OutBuf,
        Persona,
        RandomFlags,
        Size,
        SysinfoPtr,
        UInt,
        UserAddr,
        UtsnamePtr,
        Zero,
    )

UTS_LENGTH: Final = 64
"""__NEW_UTS_LEN: a name without its NUL."""
RANDOM_CHUNK: Final = 1 << 16
LOAD_SHIFT: Final = 16
QUERY_PERSONALITY: Final = 0xFFFFFFFF
KNOWN_PERSONALITY: Final = PER_LINUX | ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC
NS_PER_SECOND: Final = 1_000_000_000


@syscall("uname(2)")
def uname(task: Task, buf: UtsnamePtr) -> Zero:
    """Name and version of this kernel; every field padded with zero bytes.  See uname(2)."""
    names = task.kernel.names
    fields = (
        names.system,
        names.host,
        names.release,
        names.version,
        names.machine,
        names.domain,
    )
    task.mem.pack(UTSNAME, buf, *(field.encode("utf-8", "surrogateescape") for field in fields))
    return 0


def _new_name(task: Task, address: int, length: int) -> str:
    """What sethostname(2) and setdomainname(2) check: capability, length, memory."""
    if not task.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("the machine's name needs CAP_SYS_ADMIN, which uid %d has not", task.cred.euid)
    if length > UTS_LENGTH:
        raise EINVAL("a name has at most %d bytes, not %d", UTS_LENGTH, length)
    return task.mem.read(address, length).decode("utf-8", "surrogateescape")


@syscall("sethostname(2)")
def sethostname(task: Task, name: InBuf, length: UInt) -> Zero:
    """Set the node name that uname shows.  See sethostname(2)."""
    task.kernel.names.host = _new_name(task, name, length)
    return 0


@syscall("setdomainname(2)")
def setdomainname(task: Task, name: InBuf, length: UInt) -> Zero:
    """Set the NIS domain name that uname shows.  See setdomainname(2)."""
    task.kernel.names.domain = _new_name(task, name, length)
    return 0


@syscall("sysinfo(2)")
def sysinfo(task: Task, info: SysinfoPtr) -> Zero:
    """Uptime, load and memory.  There is no swap and no high memory.  See sysinfo(2)."""
    kernel = task.kernel
    loads = (int(load * (1 << LOAD_SHIFT)) for load in kernel.scheduler.load_average())
    frames = kernel.frames
    task.mem.pack(
        SYSINFO,
        info,
        kernel.clock.boottime() // NS_PER_SECOND,
        *loads,
        frames.total * PAGE_SIZE,
        frames.free_count * PAGE_SIZE,
        0,  # sharedram
        0,  # bufferram
        0,  # totalswap
        0,  # freeswap
        min(len(kernel.tasks), 0xFFFF),
        0,
        0,
        0,
        1,  # mem_unit
    )
    return 0


@syscall("getrandom(2)")
def getrandom(task: Task, buf: OutBuf, count: Size, flags: RandomFlags) -> Size:
    """Random bytes from the machine's one generator, which is ready from the start.

    So GRND_NONBLOCK never meets an unready pool and GRND_RANDOM never waits.  See getrandom(2).
    """
    if flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE):
        raise EINVAL("flags %#x have unknown bits", flags)
    if flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE:
        raise EINVAL("GRND_RANDOM and GRND_INSECURE exclude each other")
    count = min(count, RANDOM_MAX)
    done = 0
    while done < count:
        piece = task.kernel.random.bytes(min(count - done, RANDOM_CHUNK))
        try:
            task.mem.write(buf + done, piece)
        except EFAULT:
            if not done:
                raise
            break
        done += len(piece)
    return done


@syscall("getcpu(2)")
def getcpu(task: Task, cpu: CpuNumberPtr, node: CpuNumberPtr, cache: UserAddr) -> Zero:
    """On which CPU and node the caller runs: there is one of each, number 0.  See getcpu(2)."""
    if cpu:
        task.mem.write_u32(cpu, 0)
    if node:
        task.mem.write_u32(node, 0)
    return 0


@syscall(
    "personality(2)",
    partial="PER_LINUX with ADDR_NO_RANDOMIZE (addresses never are random) and READ_IMPLIES_EXEC "
    "(which lifts W^X); other domains and flags are EINVAL",
)
def personality(task: Task, persona: Persona) -> OldPersona:
    """Set the execution domain; 0xffffffff only asks.  See personality(2)."""
    old = task.personality
    if persona == QUERY_PERSONALITY:
        return old
    if persona & ~KNOWN_PERSONALITY:
        raise EINVAL("personality %#x is not supported", persona)
    task.personality = persona
    if task.mm is not None:
        task.mm.read_implies_exec = bool(persona & READ_IMPLIES_EXEC)
        task.mm.allow_wx |= task.mm.read_implies_exec
    return old
