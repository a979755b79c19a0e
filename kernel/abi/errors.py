"""Errors a system call can end with: one exception class per errno, with Linux's numbers.

Handlers say ``raise ENOENT("no entry 'x' in /tmp")``: the class carries the number, the argument
carries the *reason* (for people; see ``trace --explain`` and ``kernel_error``).  The dispatcher is
the only place that catches them.  See errno(3).

The four ``ERESTART*`` codes are internal, as in Linux: a sleeping call that was interrupted raises
one of them, and signal delivery turns it into EINTR or a restart (signal(7), "Interruption of
system calls").  They never reach user code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kernel.abi.kernel_error import Count as Count
from kernel.abi.kernel_error import KernelError as KernelError
from kernel.abi.unused_errors import UNUSED


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


class ENODATA(KernelError):
    errno = 61
    text = "No data available"


class EOVERFLOW(KernelError):
    errno = 75
    text = "Value too large for defined data type"


class ELIBBAD(KernelError):
    errno = 80
    text = "Accessing a corrupted shared library"


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


class EAFNOSUPPORT(KernelError):
    errno = 97
    text = "Address family not supported by protocol"


class EADDRINUSE(KernelError):
    errno = 98
    text = "Address already in use"


class EADDRNOTAVAIL(KernelError):
    errno = 99
    text = "Cannot assign requested address"


class ENETUNREACH(KernelError):
    errno = 101
    text = "Network is unreachable"


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


class ETOOMANYREFS(KernelError):
    errno = 109
    text = "Too many references: cannot splice"


class ETIMEDOUT(KernelError):
    errno = 110
    text = "Connection timed out"


class ECONNREFUSED(KernelError):
    errno = 111
    text = "Connection refused"


class EALREADY(KernelError):
    errno = 114
    text = "Operation already in progress"


class EINPROGRESS(KernelError):
    errno = 115
    text = "Operation now in progress"


class ESTALE(KernelError):
    errno = 116
    text = "Stale file handle"


class ECANCELED(KernelError):
    errno = 125
    text = "Operation canceled"


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


def _raised(base: type[KernelError]) -> Iterator[type[KernelError]]:
    yield base
    for sub in base.__subclasses__():
        yield from _raised(sub)


def _unused() -> Iterator[type[KernelError]]:
    for errno, name, text in UNUSED:
        members = {"__module__": __name__, "errno": errno, "text": text}
        yield type(name, (KernelError,), members)


_CLASSES: Final = sorted((*_raised(KernelError), *_unused()), key=lambda error: error.errno)
BY_NUMBER: dict[int, type[KernelError]] = {error.errno: error for error in _CLASSES if error.errno}
BY_NAME: dict[str, type[KernelError]] = {error.__name__: error for error in BY_NUMBER.values()}
