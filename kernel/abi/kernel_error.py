"""What a call that fails raises: the base of all errors, and how it carries its reason.

A reason is made of words and facts, put together only when somebody reads it: most errors are met
by nobody but the program (a search along PATH, a read of an empty pipe), and must cost no
formatting.  ``raise EMFILE("descriptor %d is beyond RLIMIT_NOFILE (%d)", fd, limit)``: the facts
are plain values, or plain objects whose ``str()`` is their name for people.  They are read at once,
before the program goes on, so they show the kernel as the error found it.
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
