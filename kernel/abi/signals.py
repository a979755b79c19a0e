"""Signal numbers, si_code values, sigaction and sigaltstack flags.  See signal(7), sigaction(2).

The generic Linux numbers: x86_64 and aarch64 agree on all of them.
"""

from __future__ import annotations

from typing import Final

SIGHUP: Final = 1
SIGINT: Final = 2
SIGQUIT: Final = 3
SIGILL: Final = 4
SIGTRAP: Final = 5
SIGABRT: Final = 6
SIGBUS: Final = 7
SIGFPE: Final = 8
SIGKILL: Final = 9
SIGUSR1: Final = 10
SIGSEGV: Final = 11
SIGUSR2: Final = 12
SIGPIPE: Final = 13
SIGALRM: Final = 14
SIGTERM: Final = 15
SIGSTKFLT: Final = 16
SIGCHLD: Final = 17
SIGCONT: Final = 18
SIGSTOP: Final = 19
SIGTSTP: Final = 20
SIGTTIN: Final = 21
SIGTTOU: Final = 22
SIGURG: Final = 23
SIGXCPU: Final = 24
SIGXFSZ: Final = 25
SIGVTALRM: Final = 26
SIGPROF: Final = 27
SIGWINCH: Final = 28
SIGIO: Final = 29
SIGPWR: Final = 30
SIGSYS: Final = 31
SIGRTMIN: Final = 32
NSIG: Final = 64


def sigbit(signo: int) -> int:
    """The bit of a signal in a 64-bit mask (sigset_t)."""
    return 1 << (signo - 1)


def sigmask(*signals: int) -> int:
    """The mask that holds these signals."""
    mask = 0
    for signo in signals:
        mask |= 1 << (signo - 1)
    return mask


# The kernel's own classes of signals (include/linux/signal.h).
KERNEL_ONLY: Final = sigmask(SIGKILL, SIGSTOP)  # cannot be caught, blocked or ignored
STOP_SIGNALS: Final = sigmask(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
COREDUMP_SIGNALS: Final = sigmask(
    SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ
)
IGNORED_BY_DEFAULT: Final = sigmask(SIGCONT, SIGCHLD, SIGWINCH, SIGURG)
SYNCHRONOUS: Final = sigmask(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)

SIG_DFL: Final = 0
SIG_IGN: Final = 1

SIG_BLOCK: Final = 0
SIG_UNBLOCK: Final = 1
SIG_SETMASK: Final = 2

SA_NOCLDSTOP: Final = 0x00000001
SA_NOCLDWAIT: Final = 0x00000002
SA_SIGINFO: Final = 0x00000004
SA_UNSUPPORTED: Final = 0x00000400
SA_EXPOSE_TAGBITS: Final = 0x00000800
SA_RESTORER: Final = 0x04000000
SA_ONSTACK: Final = 0x08000000
SA_RESTART: Final = 0x10000000
SA_NODEFER: Final = 0x40000000
SA_RESETHAND: Final = 0x80000000

SS_ONSTACK: Final = 1
SS_DISABLE: Final = 2
SS_AUTODISARM: Final = 1 << 31
MINSIGSTKSZ: Final = {"x86_64": 2048, "aarch64": 5120}

# si_code: who sent it (sigaction(2)).
SI_USER: Final = 0
SI_KERNEL: Final = 0x80
SI_QUEUE: Final = -1
SI_TIMER: Final = -2
SI_MESGQ: Final = -3
SI_ASYNCIO: Final = -4
SI_SIGIO: Final = -5
SI_TKILL: Final = -6
SI_DETHREAD: Final = -7
SI_ASYNCNL: Final = -60

ILL_ILLOPC: Final = 1
ILL_ILLOPN: Final = 2
ILL_ILLADR: Final = 3
ILL_ILLTRP: Final = 4
ILL_PRVOPC: Final = 5
ILL_PRVREG: Final = 6
ILL_COPROC: Final = 7
ILL_BADSTK: Final = 8
ILL_BADIADDR: Final = 9
FPE_INTDIV: Final = 1
FPE_INTOVF: Final = 2
FPE_FLTDIV: Final = 3
FPE_FLTOVF: Final = 4
FPE_FLTUND: Final = 5
FPE_FLTRES: Final = 6
FPE_FLTINV: Final = 7
FPE_FLTSUB: Final = 8
SEGV_MAPERR: Final = 1
SEGV_ACCERR: Final = 2
SEGV_BNDERR: Final = 3
SEGV_PKUERR: Final = 4
BUS_ADRALN: Final = 1
BUS_ADRERR: Final = 2
BUS_OBJERR: Final = 3
BUS_MCEERR_AR: Final = 4
TRAP_BRKPT: Final = 1
TRAP_TRACE: Final = 2
TRAP_BRANCH: Final = 3
TRAP_HWBKPT: Final = 4

CLD_EXITED: Final = 1
CLD_KILLED: Final = 2
CLD_DUMPED: Final = 3
CLD_TRAPPED: Final = 4
CLD_STOPPED: Final = 5
CLD_CONTINUED: Final = 6

POLL_IN: Final = 1
POLL_OUT: Final = 2
POLL_MSG: Final = 3
POLL_ERR: Final = 4
POLL_PRI: Final = 5
POLL_HUP: Final = 6

SIGNAL_NAMES: Final[dict[int, str]] = {
    number: name
    for name, number in list(globals().items())
    if name.startswith("SIG") and isinstance(number, int) and name.isalnum() and name != "SIGRTMIN"
}


def signal_name(signo: int) -> str:
    """SIGINT, SIGRT_3, or the number in digits where there is no such signal."""
    if signo in SIGNAL_NAMES:
        return SIGNAL_NAMES[signo]
    if SIGRTMIN <= signo <= NSIG:
        return f"SIGRT_{signo - SIGRTMIN}"
    return str(signo)
