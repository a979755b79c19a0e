"""Argument kinds: what each register of a system call means.

A kind is a type for mypy (``NewType`` over int, so that a descriptor is not an address) and one
line of description: how the raw register is decoded, and how the argument is printed.  From it
come the dispatch stub, the trace line, the filters and the fuzzer's arguments.

To add one, write two lines::

    FooFlags = NewType("FooFlags", int)
    describe("FooFlags", U32, "flags:foo")

Decoders only truncate and sign-extend: they cannot fail and never touch memory.  ``show`` names the
printer in ``tools.tracer``; ``out=True`` marks pointers whose target the kernel writes, which are
printed after the call.

Result kinds are plain aliases of int: handlers return what kernel operations give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType, TypeAlias

from kernel.abi.results import NO_RETURN_VALUE, NoReturnValue

__all__ = ["KINDS", "NO_RETURN_VALUE", "RESULTS", "Kind", "NoReturnValue", "describe"]

# Decoders: how the C type of an argument is cut out of a 64-bit register.
U64: Final = "u64"
S64: Final = "s64"
U32: Final = "u32"
S32: Final = "s32"
U16: Final = "u16"
OPEN_FLAGS: Final = "open_flags"
"""A u32 whose bits differ per CPU; see Arch.open_flags_in."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One argument kind: decoder, printer, and whether the kernel writes what it points to."""

    name: str
    decode: str
    show: str
    out: bool = False

    @property
    def is_pointer(self) -> bool:
        """Does the argument hold an address in user memory?"""
        return self.show.startswith("*")


KINDS: dict[str, Kind] = {}
RESULTS: dict[str, str] = {}


def describe(name: str, decode: str, show: str, *, out: bool = False) -> None:
    """Register an argument kind; ``show`` beginning with ``*`` is a pointer."""
    if name in KINDS:
        raise ValueError(f"kind {name} is described twice")
    KINDS[name] = Kind(name, decode, show, out)


def result(name: str, show: str) -> None:
    """Register a result kind: 'dec', 'hex', 'oct', 'fd', 'pid', or a printer of the tracer."""
    RESULTS[name] = show


# --- results -------------------------------------------------------------------------------------
Size: TypeAlias = int
NewFd: TypeAlias = int
NewPid: TypeAlias = int
NewAddr: TypeAlias = int
Position: TypeAlias = int
Zero: TypeAlias = int
OldMode: TypeAlias = int
OldPersona: TypeAlias = int
Seconds: TypeAlias = int
UidResult: TypeAlias = int
result("int", "dec")
result("Size", "dec")
result("Zero", "dec")
result("Position", "dec")
result("NewFd", "fd")
result("NewPid", "pid")
result("NewAddr", "hex")
result("OldMode", "oct")
result("OldPersona", "hex")
result("Seconds", "dec")
result("UidResult", "dec")
result("NoReturnValue", "none")

# --- plain numbers -------------------------------------------------------------------------------
describe("Size", U64, "dec")  # size_t; the alias above serves both sides
Int = NewType("Int", int)
describe("Int", S32, "dec")
UInt = NewType("UInt", int)
describe("UInt", U32, "dec")
Long = NewType("Long", int)
describe("Long", S64, "dec")
ULong = NewType("ULong", int)
describe("ULong", U64, "hex")
HexInt = NewType("HexInt", int)
describe("HexInt", U32, "hex")
Unused = NewType("Unused", int)
describe("Unused", U64, "hidden")  # a register the call has but does not look at
Count = NewType("Count", int)
describe("Count", S32, "dec")
LongCount = NewType("LongCount", int)
describe("LongCount", U64, "dec")

# --- addresses without a known shape -------------------------------------------------------------
UserAddr = NewType("UserAddr", int)
describe("UserAddr", U64, "addr")

# --- descriptors and paths -----------------------------------------------------------------------
Fd = NewType("Fd", int)
describe("Fd", S32, "fd")
UFd = NewType("UFd", int)
describe("UFd", U32, "fd")
DirFd = NewType("DirFd", int)
describe("DirFd", S32, "dirfd")
PathPtr = NewType("PathPtr", int)
describe("PathPtr", U64, "*path")
PathOutPtr = NewType("PathOutPtr", int)
describe("PathOutPtr", U64, "*path_out", out=True)
StringPtr = NewType("StringPtr", int)
describe("StringPtr", U64, "*string")
StringsPtr = NewType("StringsPtr", int)
describe("StringsPtr", U64, "*strings")
EnvironPtr = NewType("EnvironPtr", int)
describe("EnvironPtr", U64, "*environ")
OpenFlags = NewType("OpenFlags", int)
describe("OpenFlags", OPEN_FLAGS, "open_flags")
FileMode = NewType("FileMode", int)
describe("FileMode", U16, "mode")
NodeMode = NewType("NodeMode", int)
describe("NodeMode", U16, "node_mode")
AtFlags = NewType("AtFlags", int)
describe("AtFlags", S32, "flags:at")
UnlinkFlags = NewType("UnlinkFlags", int)
describe("UnlinkFlags", S32, "flags:unlinkat")
StatxFlags = NewType("StatxFlags", int)
describe("StatxFlags", U32, "statx_flags")
StatxMask = NewType("StatxMask", int)
describe("StatxMask", U32, "flags:statx_mask")
AccessMode = NewType("AccessMode", int)
describe("AccessMode", S32, "access_mode")
FaccessFlags = NewType("FaccessFlags", int)
describe("FaccessFlags", S32, "flags:faccessat")
RenameFlags = NewType("RenameFlags", int)
describe("RenameFlags", U32, "flags:rename")
Uid = NewType("Uid", int)
describe("Uid", U32, "uid")
Gid = NewType("Gid", int)
describe("Gid", U32, "uid")
Dev = NewType("Dev", int)
describe("Dev", U32, "dev")
OpenHowPtr = NewType("OpenHowPtr", int)
describe("OpenHowPtr", U64, "*open_how")
StatPtr = NewType("StatPtr", int)
describe("StatPtr", U64, "*stat", out=True)
StatxPtr = NewType("StatxPtr", int)
describe("StatxPtr", U64, "*statx", out=True)
StatfsPtr = NewType("StatfsPtr", int)
describe("StatfsPtr", U64, "*statfs", out=True)
DirentsPtr = NewType("DirentsPtr", int)
describe("DirentsPtr", U64, "*dirents", out=True)
UtimbufPtr = NewType("UtimbufPtr", int)
describe("UtimbufPtr", U64, "*utimbuf")
TimespecPairPtr = NewType("TimespecPairPtr", int)
describe("TimespecPairPtr", U64, "*timespec_pair")
TimevalPairPtr = NewType("TimevalPairPtr", int)
describe("TimevalPairPtr", U64, "*timeval_pair")
MountFlags = NewType("MountFlags", int)
describe("MountFlags", U64, "flags:mount")
UmountFlags = NewType("UmountFlags", int)
describe("UmountFlags", S32, "flags:umount")
XattrFlags = NewType("XattrFlags", int)
describe("XattrFlags", S32, "flags:xattr")

# --- reading, writing, descriptors' state --------------------------------------------------------
InBuf = NewType("InBuf", int)
describe("InBuf", U64, "*bytes")  # the next argument is its size
OutBuf = NewType("OutBuf", int)
describe("OutBuf", U64, "*bytes_out", out=True)  # the result is its length
IovecPtr = NewType("IovecPtr", int)
describe("IovecPtr", U64, "*iovec")  # data go to the kernel; the next argument counts the entries
OutIovecPtr = NewType("OutIovecPtr", int)
describe("OutIovecPtr", U64, "*iovec_out", out=True)
Offset = NewType("Offset", int)
describe("Offset", S64, "dec")
FileSize = NewType("FileSize", int)
describe("FileSize", S64, "udec")  # a loff_t that a trace shows without its sign
OffsetPtr = NewType("OffsetPtr", int)
describe("OffsetPtr", U64, "*offset")
OffsetInOutPtr = NewType("OffsetInOutPtr", int)
describe("OffsetInOutPtr", U64, "*offset_inout", out=True)
Whence = NewType("Whence", int)
describe("Whence", U32, "const:whence")
RwFlags = NewType("RwFlags", int)
describe("RwFlags", S32, "flags:rwf")
FcntlCmd = NewType("FcntlCmd", int)
describe("FcntlCmd", U32, "const:fcntl")
FcntlArg = NewType("FcntlArg", int)
describe("FcntlArg", U64, "fcntl_arg", out=True)
IoctlCmd = NewType("IoctlCmd", int)
describe("IoctlCmd", U32, "ioctl_cmd")
IoctlArg = NewType("IoctlArg", int)
describe("IoctlArg", U64, "ioctl_arg", out=True)
FlockOp = NewType("FlockOp", int)
describe("FlockOp", U32, "flags:flock")
FallocMode = NewType("FallocMode", int)
describe("FallocMode", S32, "flags:falloc")
Fadvice = NewType("Fadvice", int)
describe("Fadvice", S32, "const:fadvise")
SyncRangeFlags = NewType("SyncRangeFlags", int)
describe("SyncRangeFlags", U32, "flags:sync_file_range")
SpliceFlags = NewType("SpliceFlags", int)
describe("SpliceFlags", U32, "flags:splice")
MemfdFlags = NewType("MemfdFlags", int)
describe("MemfdFlags", U32, "flags:memfd")
CloseRangeFlags = NewType("CloseRangeFlags", int)
describe("CloseRangeFlags", U32, "flags:close_range")
PipeFds = NewType("PipeFds", int)
describe("PipeFds", U64, "*pipe_fds", out=True)
PollfdPtr = NewType("PollfdPtr", int)
describe("PollfdPtr", U64, "*pollfds", out=True)
FdSetPtr = NewType("FdSetPtr", int)
describe("FdSetPtr", U64, "*fd_set", out=True)
PselectMaskPtr = NewType("PselectMaskPtr", int)
describe("PselectMaskPtr", U64, "*pselect_mask")
EventfdFlags = NewType("EventfdFlags", int)
describe("EventfdFlags", S32, "flags:eventfd")
EpollCreateFlags = NewType("EpollCreateFlags", int)
describe("EpollCreateFlags", S32, "flags:epoll_create")
EpollOp = NewType("EpollOp", int)
describe("EpollOp", S32, "const:epoll_ctl")
EpollEventPtr = NewType("EpollEventPtr", int)
describe("EpollEventPtr", U64, "*epoll_event")
EpollEventsPtr = NewType("EpollEventsPtr", int)
describe("EpollEventsPtr", U64, "*epoll_events", out=True)
Milliseconds = NewType("Milliseconds", int)
describe("Milliseconds", S32, "dec")

# --- memory --------------------------------------------------------------------------------------
ProtFlags = NewType("ProtFlags", int)
describe("ProtFlags", U64, "flags:prot")
MapFlags = NewType("MapFlags", int)
describe("MapFlags", U64, "map_flags")
MapOffset = NewType("MapOffset", int)
describe("MapOffset", U64, "hex")
MremapFlags = NewType("MremapFlags", int)
describe("MremapFlags", U64, "flags:mremap")
MsyncFlags = NewType("MsyncFlags", int)
describe("MsyncFlags", S32, "flags:msync")
Madvice = NewType("Madvice", int)
describe("Madvice", S32, "const:madvise")
MlockFlags = NewType("MlockFlags", int)
describe("MlockFlags", S32, "flags:mlock")
MlockallFlags = NewType("MlockallFlags", int)
describe("MlockallFlags", S32, "flags:mlockall")
MincorePtr = NewType("MincorePtr", int)
describe("MincorePtr", U64, "*mincore", out=True)
MembarrierCmd = NewType("MembarrierCmd", int)
describe("MembarrierCmd", S32, "const:membarrier")

# --- processes -----------------------------------------------------------------------------------
PidT = NewType("PidT", int)
describe("PidT", S32, "pid")
PidOutPtr = NewType("PidOutPtr", int)
describe("PidOutPtr", U64, "*pid_out", out=True)
PidfdFlags = NewType("PidfdFlags", int)
describe("PidfdFlags", U32, "flags:pidfd")
CloneFlags = NewType("CloneFlags", int)
describe("CloneFlags", U64, "clone_flags")
CloneArgsPtr = NewType("CloneArgsPtr", int)
describe("CloneArgsPtr", U64, "*clone_args")
WaitOptions = NewType("WaitOptions", int)
describe("WaitOptions", S32, "flags:wait")
WaitStatusPtr = NewType("WaitStatusPtr", int)
describe("WaitStatusPtr", U64, "*wait_status", out=True)
IdType = NewType("IdType", int)
describe("IdType", S32, "const:idtype")
ExitStatus = NewType("ExitStatus", int)
describe("ExitStatus", S32, "dec")
RusagePtr = NewType("RusagePtr", int)
describe("RusagePtr", U64, "*rusage", out=True)
RusageWho = NewType("RusageWho", int)
describe("RusageWho", S32, "const:rusage")
Resource = NewType("Resource", int)
describe("Resource", U32, "const:rlimit")
RlimitInPtr = NewType("RlimitInPtr", int)
describe("RlimitInPtr", U64, "*rlimit")
RlimitOutPtr = NewType("RlimitOutPtr", int)
describe("RlimitOutPtr", U64, "*rlimit", out=True)
PriorityWhich = NewType("PriorityWhich", int)
describe("PriorityWhich", S32, "const:priority")
SchedPolicy = NewType("SchedPolicy", int)
describe("SchedPolicy", S32, "sched_policy")
SchedAttrPtr = NewType("SchedAttrPtr", int)
describe("SchedAttrPtr", U64, "*sched_attr")
SchedAttrOutPtr = NewType("SchedAttrOutPtr", int)
describe("SchedAttrOutPtr", U64, "*sched_attr", out=True)
SchedParamPtr = NewType("SchedParamPtr", int)
describe("SchedParamPtr", U64, "*sched_param")
SchedParamOutPtr = NewType("SchedParamOutPtr", int)
describe("SchedParamOutPtr", U64, "*sched_param", out=True)
CpuMaskPtr = NewType("CpuMaskPtr", int)
describe("CpuMaskPtr", U64, "*cpu_mask")
CpuMaskOutPtr = NewType("CpuMaskOutPtr", int)
describe("CpuMaskOutPtr", U64, "*cpu_mask_out", out=True)
FutexPtr = NewType("FutexPtr", int)
describe("FutexPtr", U64, "addr")
FutexOp = NewType("FutexOp", int)
describe("FutexOp", S32, "futex_op")
FutexValue = NewType("FutexValue", int)
describe("FutexValue", U32, "dec")
FutexTimeoutPtr = NewType("FutexTimeoutPtr", int)
describe("FutexTimeoutPtr", U64, "futex_timeout")
FutexWaitvPtr = NewType("FutexWaitvPtr", int)
describe("FutexWaitvPtr", U64, "*futex_waitv")
FutexWaitvFlags = NewType("FutexWaitvFlags", int)
describe("FutexWaitvFlags", U32, "hex")
RobustListPtr = NewType("RobustListPtr", int)
describe("RobustListPtr", U64, "addr")
AddrOutPtr = NewType("AddrOutPtr", int)
describe("AddrOutPtr", U64, "*addr_out", out=True)
SizeOutPtr = NewType("SizeOutPtr", int)
describe("SizeOutPtr", U64, "*size_out", out=True)
PrctlOption = NewType("PrctlOption", int)
describe("PrctlOption", S32, "const:prctl")
PrctlArg = NewType("PrctlArg", int)
describe("PrctlArg", U64, "prctl_arg", out=True)
ArchPrctlCode = NewType("ArchPrctlCode", int)
describe("ArchPrctlCode", S32, "const:arch_prctl")
ArchPrctlArg = NewType("ArchPrctlArg", int)
describe("ArchPrctlArg", U64, "arch_prctl_arg", out=True)
Persona = NewType("Persona", int)
describe("Persona", U32, "personality")
CapHeaderPtr = NewType("CapHeaderPtr", int)
describe("CapHeaderPtr", U64, "*cap_header")
CapDataPtr = NewType("CapDataPtr", int)
describe("CapDataPtr", U64, "*cap_data")
CapDataOutPtr = NewType("CapDataOutPtr", int)
describe("CapDataOutPtr", U64, "*cap_data", out=True)
GroupsPtr = NewType("GroupsPtr", int)
describe("GroupsPtr", U64, "*groups")
GroupsOutPtr = NewType("GroupsOutPtr", int)
describe("GroupsOutPtr", U64, "*groups_out", out=True)
UidOutPtr = NewType("UidOutPtr", int)
describe("UidOutPtr", U64, "*uid_out", out=True)

# --- signals -------------------------------------------------------------------------------------
Signal = NewType("Signal", int)
describe("Signal", S32, "signal")
SigHow = NewType("SigHow", int)
describe("SigHow", S32, "const:sighow")
SigsetPtr = NewType("SigsetPtr", int)
describe("SigsetPtr", U64, "*sigset")
SigsetOutPtr = NewType("SigsetOutPtr", int)
describe("SigsetOutPtr", U64, "*sigset", out=True)
SigactionPtr = NewType("SigactionPtr", int)
describe("SigactionPtr", U64, "*sigaction")
SigactionOutPtr = NewType("SigactionOutPtr", int)
describe("SigactionOutPtr", U64, "*sigaction", out=True)
AltstackPtr = NewType("AltstackPtr", int)
describe("AltstackPtr", U64, "*altstack")
AltstackOutPtr = NewType("AltstackOutPtr", int)
describe("AltstackOutPtr", U64, "*altstack", out=True)
SignalfdFlags = NewType("SignalfdFlags", int)
describe("SignalfdFlags", S32, "flags:signalfd")
SiginfoPtr = NewType("SiginfoPtr", int)
describe("SiginfoPtr", U64, "*siginfo")
SiginfoOutPtr = NewType("SiginfoOutPtr", int)
describe("SiginfoOutPtr", U64, "*siginfo", out=True)

# --- time ----------------------------------------------------------------------------------------
ClockId = NewType("ClockId", int)
describe("ClockId", S32, "clock_id")
TimerFlags = NewType("TimerFlags", int)
describe("TimerFlags", S32, "flags:timer")
TimespecPtr = NewType("TimespecPtr", int)
describe("TimespecPtr", U64, "*timespec")
TimespecOutPtr = NewType("TimespecOutPtr", int)
describe("TimespecOutPtr", U64, "*timespec", out=True)
TimespecRemainPtr = NewType("TimespecRemainPtr", int)
describe("TimespecRemainPtr", U64, "*timespec_remain", out=True)
TimevalPtr = NewType("TimevalPtr", int)
describe("TimevalPtr", U64, "*timeval")
TimevalOutPtr = NewType("TimevalOutPtr", int)
describe("TimevalOutPtr", U64, "*timeval", out=True)
TimezonePtr = NewType("TimezonePtr", int)
describe("TimezonePtr", U64, "*timezone")
TimezoneOutPtr = NewType("TimezoneOutPtr", int)
describe("TimezoneOutPtr", U64, "*timezone", out=True)
ItimerWhich = NewType("ItimerWhich", int)
describe("ItimerWhich", S32, "const:itimer")
ItimervalPtr = NewType("ItimervalPtr", int)
describe("ItimervalPtr", U64, "*itimerval")
ItimervalOutPtr = NewType("ItimervalOutPtr", int)
describe("ItimervalOutPtr", U64, "*itimerval", out=True)
ItimerspecPtr = NewType("ItimerspecPtr", int)
describe("ItimerspecPtr", U64, "*itimerspec")
ItimerspecOutPtr = NewType("ItimerspecOutPtr", int)
describe("ItimerspecOutPtr", U64, "*itimerspec", out=True)
TimerfdFlags = NewType("TimerfdFlags", int)
describe("TimerfdFlags", S32, "flags:timerfd")
TimerfdSetFlags = NewType("TimerfdSetFlags", int)
describe("TimerfdSetFlags", S32, "flags:timerfd_settime")
TimerId = NewType("TimerId", int)
describe("TimerId", S32, "dec")
TimerIdOutPtr = NewType("TimerIdOutPtr", int)
describe("TimerIdOutPtr", U64, "*int_out", out=True)
SigeventPtr = NewType("SigeventPtr", int)
describe("SigeventPtr", U64, "*sigevent")
TimeOutPtr = NewType("TimeOutPtr", int)
describe("TimeOutPtr", U64, "*time_out", out=True)
TmsPtr = NewType("TmsPtr", int)
describe("TmsPtr", U64, "*tms", out=True)
TimexPtr = NewType("TimexPtr", int)
describe("TimexPtr", U64, "*timex", out=True)

# --- the machine ---------------------------------------------------------------------------------
UtsnamePtr = NewType("UtsnamePtr", int)
describe("UtsnamePtr", U64, "*utsname", out=True)
SysinfoPtr = NewType("SysinfoPtr", int)
describe("SysinfoPtr", U64, "*sysinfo", out=True)
RandomFlags = NewType("RandomFlags", int)
describe("RandomFlags", U32, "flags:random")
CpuNumberPtr = NewType("CpuNumberPtr", int)
describe("CpuNumberPtr", U64, "*uint_out", out=True)
IntOutPtr = NewType("IntOutPtr", int)
describe("IntOutPtr", U64, "*int_out", out=True)

# --- sockets -------------------------------------------------------------------------------------
SocketDomain = NewType("SocketDomain", int)
describe("SocketDomain", S32, "const:socket_domain")
SocketType = NewType("SocketType", int)
describe("SocketType", S32, "socket_type")
SocketProtocol = NewType("SocketProtocol", int)
describe("SocketProtocol", S32, "socket_protocol")
SocketFlags = NewType("SocketFlags", int)
describe("SocketFlags", S32, "flags:socket")
SockaddrPtr = NewType("SockaddrPtr", int)
describe("SockaddrPtr", U64, "*sockaddr")  # the next argument is its size
SockaddrOutPtr = NewType("SockaddrOutPtr", int)
describe("SockaddrOutPtr", U64, "*sockaddr_out", out=True)  # the next points to its size
SocklenPtr = NewType("SocklenPtr", int)
describe("SocklenPtr", U64, "*socklen", out=True)
MsgFlags = NewType("MsgFlags", int)
describe("MsgFlags", U32, "flags:msg")
MsghdrPtr = NewType("MsghdrPtr", int)
describe("MsghdrPtr", U64, "*msghdr")
MsghdrOutPtr = NewType("MsghdrOutPtr", int)
describe("MsghdrOutPtr", U64, "*msghdr_out", out=True)
MmsghdrPtr = NewType("MmsghdrPtr", int)
describe("MmsghdrPtr", U64, "*mmsghdr", out=True)  # the kernel writes msg_len
MmsghdrOutPtr = NewType("MmsghdrOutPtr", int)
describe("MmsghdrOutPtr", U64, "*mmsghdr_out", out=True)
ShutHow = NewType("ShutHow", int)
describe("ShutHow", S32, "const:shutdown")
SocketLevel = NewType("SocketLevel", int)
describe("SocketLevel", S32, "const:socket_level")
SocketOption = NewType("SocketOption", int)
describe("SocketOption", S32, "socket_option")
OptionPtr = NewType("OptionPtr", int)
describe("OptionPtr", U64, "*option")  # the next argument is its size
OptionOutPtr = NewType("OptionOutPtr", int)
describe("OptionOutPtr", U64, "*option_out", out=True)
