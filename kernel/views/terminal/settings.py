"""What stty shows: the settings of a terminal, as a plain value, and their three wire forms.

See termios(3) and ioctl_tty(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kernel.abi.ioctls import (
    B38400,
    CBAUD,
    CBAUDEX,
    CREAD,
    CS8,
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ICANON,
    ICRNL,
    IEXTEN,
    ISIG,
    IXON,
    NCCS,
    ONLCR,
    OPOST,
)
from kernel.abi.structs import TERMIO, TERMIOS, TERMIOS2

_CC: Final = bytes(
    (3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0)
)  # ^C ^\ DEL ^U ^D TIME=0 MIN=1 - ^Q ^S ^Z - ^R ^O ^W ^V

SPEEDS: Final = (
    0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
)  # fmt: skip
FAST_SPEEDS: Final = (
    57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
    2500000, 3000000, 3500000, 4000000,
)  # fmt: skip


def speed_of(cflag: int, given: int) -> int:
    """The speed in baud that c_cflag's code means; ``given`` where the code is CBAUDEX."""
    code = cflag & CBAUD
    if code == CBAUDEX:
        return given
    if code & CBAUDEX:
        index = (code & ~CBAUDEX) - 1
        return FAST_SPEEDS[index] if index < len(FAST_SPEEDS) else 0
    return SPEEDS[code]


@dataclass(slots=True)
class Settings:
    """Linux's ``struct ktermios``.  Owner: the terminal; replaced as a whole by TCSETS."""

    iflag: int = ICRNL | IXON
    oflag: int = OPOST | ONLCR
    cflag: int = B38400 | CS8 | CREAD
    lflag: int = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
    line: int = 0
    cc: bytes = _CC
    ispeed: int = 38400
    ospeed: int = 38400

    def copy(self) -> Settings:
        """An independent copy."""
        return Settings(
            self.iflag, self.oflag, self.cflag, self.lflag,
            self.line, self.cc, self.ispeed, self.ospeed,
        )  # fmt: skip

    @classmethod
    def raw(cls) -> Settings:
        """What a pseudoterminal's master side starts with: nothing is interpreted."""
        return cls(iflag=0, oflag=0, lflag=0)

    def pack(self) -> bytes:
        """``struct termios``."""
        return TERMIOS.pack(self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc)

    def pack2(self) -> bytes:
        """``struct termios2``."""
        return TERMIOS2.pack(
            self.iflag, self.oflag, self.cflag, self.lflag,
            self.line, self.cc, self.ispeed, self.ospeed,
        )  # fmt: skip

    def pack_short(self) -> bytes:
        """``struct termio``: the low halves and the first eight characters."""
        low = 0xFFFF
        return TERMIO.pack(
            self.iflag & low, self.oflag & low, self.cflag & low, self.lflag & low,
            self.line, self.cc[:8],
        )  # fmt: skip

    @classmethod
    def unpack(cls, raw: bytes) -> Settings:
        """From ``struct termios``; the speed follows from its code."""
        iflag, oflag, cflag, lflag, line, cc = TERMIOS.unpack(raw)
        speed = speed_of(cflag, 38400)
        return cls(iflag, oflag, cflag, lflag, line, cc, speed, speed)

    @classmethod
    def unpack2(cls, raw: bytes) -> Settings:
        """From ``struct termios2``."""
        iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed = TERMIOS2.unpack(raw)
        speed = speed_of(cflag, ospeed)
        return cls(iflag, oflag, cflag, lflag, line, cc, ispeed or speed, speed)

    def merged_short(self, raw: bytes) -> Settings:
        """With ``struct termio`` put over the low halves."""
        iflag, oflag, cflag, lflag, line, cc = TERMIO.unpack(raw)
        high = 0xFFFF0000
        merged = Settings(
            self.iflag & high | iflag, self.oflag & high | oflag, self.cflag & high | cflag,
            self.lflag & high | lflag, line, cc + self.cc[8:],
        )  # fmt: skip
        merged.ispeed = merged.ospeed = speed_of(merged.cflag, self.ospeed)
        return merged


@dataclass(slots=True)
class WindowSize:
    """Rows and columns of the screen, and its size in pixels (``struct winsize``)."""

    rows: int = 0
    columns: int = 0
    xpixel: int = 0
    ypixel: int = 0


assert len(_CC) == NCCS
