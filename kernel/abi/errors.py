"""Errors a system call can end with: one exception class per errno, with Linux's numbers.

Handlers say ``raise ENOENT("no entry 'x' in /tmp")``: the class carries the number, the argument
carries the *reason* (for people; see ``trace --explain``).  The dispatcher is the only place that
catches them.  See errno(3).

A reason is made of words and facts, put together only when somebody reads it: most errors are met
by nobody but the program (a search along PATH, a read of an empty pipe), and must cost no
formatting.  ``raise EMFILE("descriptor %d is beyond RLIMIT_NOFILE (%d)", fd, limit)``: the facts
are plain values, or plain objects whose ``str()`` is their name for people.  They are read at once,
before the program goes on, so they show the kernel as the error found it.

The four ``ERESTART*`` codes are internal, as in Linux: a sleeping call that was interrupted raises
one of them, and signal delivery turns it into EINTR or a restart (signal(7), "Interruption of
system calls").  They never reach user code.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


def _readable(fact: object) -> object:
    """Names are bytes in the kernel; people read text."""
    return fact.decode("utf-8", "backslashreplace") if isinstance(fact, bytes) else fact


class Count(NamedTuple):
    """A fact: so many of something, '1 file' or '3 files'."""

    number: int
    one: str
    many: str

    def __str__(self) -> str:
        return f"{self.number} {self.one if self.number == 1 else self.many}"


class KernelError(Exception):
    """Base of all errors a handler may raise.

    ``errno``: Linux's number.  ``text``: what strerror(3) says.
    ``words`` and ``facts``: the reason before it is put together, a format of ``%`` and its values.
    ``signal``: a signal the calling task gets beside the error (SIGPIPE with EPIPE, SIGXFSZ with
    EFBIG); the dispatcher posts it, so that lower rooms need not know tasks.
    """

    errno: ClassVar[int] = 0
    text: ClassVar[str] = ""

    def __init__(self, words: str = "", *facts: object, signal: int = 0) -> None:
        # BaseException has kept the arguments in __new__; its __init__ would do so once more.
        self.words = words
        self.facts = facts
        self.signal = signal

    @property
    def reason(self) -> str:
        """Why, in words; put together anew each time, so ask before the world goes on."""
        if not self.facts:
            return self.words
        return self.words % tuple(map(_readable, self.facts))

    def __str__(self) -> str:
        return self.reason

    @property
    def name(self) -> str:
        """The errno's name, as in errno(3)."""
        return type(self).__name__


class EPERM(KernelError):
    errno = 1
    text = "Operation not permitted"


class ENOENT(KernelError):
    errno = 2
    text = "No such file or directory"


class ESRCH(KernelError):
    errno = 3
    text = "No such process"


class EINTR(KernelError):
    errno = 4
    text = "Interrupted system call"


class EIO(KernelError):
    errno = 5
    text = "Input/output error"


class ENXIO(KernelError):
    errno = 6
    text = "No such device or address"


class E2BIG(KernelError):
    errno = 7
    text = "Argument list too long"


class ENOEXEC(KernelError):
    errno = 8
    text = "Exec format error"


class EBADF(KernelError):
    errno = 9
    text = "Bad file descriptor"


class ECHILD(KernelError):
    errno = 10
    text = "No child processes"


class EAGAIN(KernelError):
    errno = 11
    text = "Resource temporarily unavailable"


class ENOMEM(KernelError):
    errno = 12
    text = "Cannot allocate memory"


class EACCES(KernelError):
    errno = 13
    text = "Permission denied"


class EFAULT(KernelError):
    errno = 14
    text = "Bad address"


class ENOTBLK(KernelError):
    errno = 15
    text = "Block device required"


class EBUSY(KernelError):
    errno = 16
    text = "Device or resource busy"


class EEXIST(KernelError):
    errno = 17
    text = "File exists"


class EXDEV(KernelError):
    errno = 18
    text = "Invalid cross-device link"


class ENODEV(KernelError):
    errno = 19
    text = "No such device"


class ENOTDIR(KernelError):
    errno = 20
    text = "Not a directory"


class EISDIR(KernelError):
    errno = 21
    text = "Is a directory"


class EINVAL(KernelError):
    errno = 22
    text = "Invalid argument"


class ENFILE(KernelError):
    errno = 23
    text = "Too many open files in system"


class EMFILE(KernelError):
    errno = 24
    text = "Too many open files"


class ENOTTY(KernelError):
    errno = 25
    text = "Inappropriate ioctl for device"


class ETXTBSY(KernelError):
    errno = 26
    text = "Text file busy"


class EFBIG(KernelError):
    errno = 27
    text = "File too large"


class ENOSPC(KernelError):
    errno = 28
    text = "No space left on device"


class ESPIPE(KernelError):
    errno = 29
    text = "Illegal seek"


class EROFS(KernelError):
    errno = 30
    text = "Read-only file system"


class EMLINK(KernelError):
    errno = 31
    text = "Too many links"


class EPIPE(KernelError):
    errno = 32
    text = "Broken pipe"


class EDOM(KernelError):
    errno = 33
    text = "Numerical argument out of domain"


class ERANGE(KernelError):
    errno = 34
    text = "Numerical result out of range"


class EDEADLK(KernelError):
    errno = 35
    text = "Resource deadlock avoided"


class ENAMETOOLONG(KernelError):
    errno = 36
    text = "File name too long"


class ENOLCK(KernelError):
    errno = 37
    text = "No locks available"


class ENOSYS(KernelError):
    errno = 38
    text = "Function not implemented"


class ENOTEMPTY(KernelError):
    errno = 39
    text = "Directory not empty"


class ELOOP(KernelError):
    errno = 40
    text = "Too many levels of symbolic links"


class ENOMSG(KernelError):
    errno = 42
    text = "No message of desired type"


class EIDRM(KernelError):
    errno = 43
    text = "Identifier removed"


class ECHRNG(KernelError):
    errno = 44
    text = "Channel number out of range"


class EL2NSYNC(KernelError):
    errno = 45
    text = "Level 2 not synchronized"


class EL3HLT(KernelError):
    errno = 46
    text = "Level 3 halted"


class EL3RST(KernelError):
    errno = 47
    text = "Level 3 reset"


class ELNRNG(KernelError):
    errno = 48
    text = "Link number out of range"


class EUNATCH(KernelError):
    errno = 49
    text = "Protocol driver not attached"


class ENOCSI(KernelError):
    errno = 50
    text = "No CSI structure available"


class EL2HLT(KernelError):
    errno = 51
    text = "Level 2 halted"


class EBADE(KernelError):
    errno = 52
    text = "Invalid exchange"


class EBADR(KernelError):
    errno = 53
    text = "Invalid request descriptor"


class EXFULL(KernelError):
    errno = 54
    text = "Exchange full"


class ENOANO(KernelError):
    errno = 55
    text = "No anode"


class EBADRQC(KernelError):
    errno = 56
    text = "Invalid request code"


class EBADSLT(KernelError):
    errno = 57
    text = "Invalid slot"


class EBFONT(KernelError):
    errno = 59
    text = "Bad font file format"


class ENOSTR(KernelError):
    errno = 60
    text = "Device not a stream"


class ENODATA(KernelError):
    errno = 61
    text = "No data available"


class ETIME(KernelError):
    errno = 62
    text = "Timer expired"


class ENOSR(KernelError):
    errno = 63
    text = "Out of streams resources"


class ENONET(KernelError):
    errno = 64
    text = "Machine is not on the network"


class ENOPKG(KernelError):
    errno = 65
    text = "Package not installed"


class EREMOTE(KernelError):
    errno = 66
    text = "Object is remote"


class ENOLINK(KernelError):
    errno = 67
    text = "Link has been severed"


class EADV(KernelError):
    errno = 68
    text = "Advertise error"


class ESRMNT(KernelError):
    errno = 69
    text = "Srmount error"


class ECOMM(KernelError):
    errno = 70
    text = "Communication error on send"


class EPROTO(KernelError):
    errno = 71
    text = "Protocol error"


class EMULTIHOP(KernelError):
    errno = 72
    text = "Multihop attempted"


class EDOTDOT(KernelError):
    errno = 73
    text = "RFS specific error"


class EBADMSG(KernelError):
    errno = 74
    text = "Bad message"


class EOVERFLOW(KernelError):
    errno = 75
    text = "Value too large for defined data type"


class ENOTUNIQ(KernelError):
    errno = 76
    text = "Name not unique on network"


class EBADFD(KernelError):
    errno = 77
    text = "File descriptor in bad state"


class EREMCHG(KernelError):
    errno = 78
    text = "Remote address changed"


class ELIBACC(KernelError):
    errno = 79
    text = "Can not access a needed shared library"


class ELIBBAD(KernelError):
    errno = 80
    text = "Accessing a corrupted shared library"


class ELIBSCN(KernelError):
    errno = 81
    text = ".lib section in a.out corrupted"


class ELIBMAX(KernelError):
    errno = 82
    text = "Attempting to link in too many shared libraries"


class ELIBEXEC(KernelError):
    errno = 83
    text = "Cannot exec a shared library directly"


class EILSEQ(KernelError):
    errno = 84
    text = "Invalid or incomplete multibyte or wide character"


class ERESTART(KernelError):
    errno = 85
    text = "Interrupted system call should be restarted"


class ESTRPIPE(KernelError):
    errno = 86
    text = "Streams pipe error"


class EUSERS(KernelError):
    errno = 87
    text = "Too many users"


class ENOTSOCK(KernelError):
    errno = 88
    text = "Socket operation on non-socket"


class EDESTADDRREQ(KernelError):
    errno = 89
    text = "Destination address required"


class EMSGSIZE(KernelError):
    errno = 90
    text = "Message too long"


class EPROTOTYPE(KernelError):
    errno = 91
    text = "Protocol wrong type for socket"


class ENOPROTOOPT(KernelError):
    errno = 92
    text = "Protocol not available"


class EPROTONOSUPPORT(KernelError):
    errno = 93
    text = "Protocol not supported"


class ESOCKTNOSUPPORT(KernelError):
    errno = 94
    text = "Socket type not supported"


class EOPNOTSUPP(KernelError):
    errno = 95
    text = "Operation not supported"


class EPFNOSUPPORT(KernelError):
    errno = 96
    text = "Protocol family not supported"


class EAFNOSUPPORT(KernelError):
    errno = 97
    text = "Address family not supported by protocol"


class EADDRINUSE(KernelError):
    errno = 98
    text = "Address already in use"


class EADDRNOTAVAIL(KernelError):
    errno = 99
    text = "Cannot assign requested address"


class ENETDOWN(KernelError):
    errno = 100
    text = "Network is down"


class ENETUNREACH(KernelError):
    errno = 101
    text = "Network is unreachable"


class ENETRESET(KernelError):
    errno = 102
    text = "Network dropped connection on reset"


class ECONNABORTED(KernelError):
    errno = 103
    text = "Software caused connection abort"


class ECONNRESET(KernelError):
    errno = 104
    text = "Connection reset by peer"


class ENOBUFS(KernelError):
    errno = 105
    text = "No buffer space available"


class EISCONN(KernelError):
    errno = 106
    text = "Transport endpoint is already connected"


class ENOTCONN(KernelError):
    errno = 107
    text = "Transport endpoint is not connected"


class ESHUTDOWN(KernelError):
    errno = 108
    text = "Cannot send after transport endpoint shutdown"


class ETOOMANYREFS(KernelError):
    errno = 109
    text = "Too many references: cannot splice"


class ETIMEDOUT(KernelError):
    errno = 110
    text = "Connection timed out"


class ECONNREFUSED(KernelError):
    errno = 111
    text = "Connection refused"


class EHOSTDOWN(KernelError):
    errno = 112
    text = "Host is down"


class EHOSTUNREACH(KernelError):
    errno = 113
    text = "No route to host"


class EALREADY(KernelError):
    errno = 114
    text = "Operation already in progress"


class EINPROGRESS(KernelError):
    errno = 115
    text = "Operation now in progress"


class ESTALE(KernelError):
    errno = 116
    text = "Stale file handle"


class EUCLEAN(KernelError):
    errno = 117
    text = "Structure needs cleaning"


class ENOTNAM(KernelError):
    errno = 118
    text = "Not a XENIX named type file"


class ENAVAIL(KernelError):
    errno = 119
    text = "No XENIX semaphores available"


class EISNAM(KernelError):
    errno = 120
    text = "Is a named type file"


class EREMOTEIO(KernelError):
    errno = 121
    text = "Remote I/O error"


class EDQUOT(KernelError):
    errno = 122
    text = "Disk quota exceeded"


class ENOMEDIUM(KernelError):
    errno = 123
    text = "No medium found"


class EMEDIUMTYPE(KernelError):
    errno = 124
    text = "Wrong medium type"


class ECANCELED(KernelError):
    errno = 125
    text = "Operation canceled"


class ENOKEY(KernelError):
    errno = 126
    text = "Required key not available"


class EKEYEXPIRED(KernelError):
    errno = 127
    text = "Key has expired"


class EKEYREVOKED(KernelError):
    errno = 128
    text = "Key has been revoked"


class EKEYREJECTED(KernelError):
    errno = 129
    text = "Key was rejected by service"


class EOWNERDEAD(KernelError):
    errno = 130
    text = "Owner died"


class ENOTRECOVERABLE(KernelError):
    errno = 131
    text = "State not recoverable"


class ERFKILL(KernelError):
    errno = 132
    text = "Operation not possible due to RF-kill"


class Restart(KernelError):
    """Base of the internal codes of an interrupted call; see signal delivery."""


class ERESTARTSYS(Restart):
    """Restart if the handler has SA_RESTART (or there is no handler), else EINTR."""

    errno = 512
    text = "To be restarted if SA_RESTART is set"


class ERESTARTNOINTR(Restart):
    """Always restart."""

    errno = 513
    text = "To be restarted"


class ERESTARTNOHAND(Restart):
    """Restart only if no handler runs, else EINTR."""

    errno = 514
    text = "To be restarted if no handler"


class ERESTART_RESTARTBLOCK(Restart):  # noqa: N801  # Linux's name
    """Restart through restart_syscall(2), else EINTR.

    ``block`` is plain data: (name of the call, its plain arguments, absolute deadline in ns).
    """

    errno = 516
    text = "Interrupted by signal"

    def __init__(self, block: tuple[str, tuple[int, ...], int | None], words: str = "") -> None:
        super().__init__(words)
        self.block = block


def _classes(base: type[KernelError]) -> list[type[KernelError]]:
    found = [base]
    for sub in base.__subclasses__():
        found += _classes(sub)
    return found


BY_NUMBER: dict[int, type[KernelError]] = {c.errno: c for c in _classes(KernelError) if c.errno}
BY_NAME: dict[str, type[KernelError]] = {c.__name__: c for c in BY_NUMBER.values()}
