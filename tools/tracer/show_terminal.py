"""Printers for ioctl(2): requests by name, and the structures of terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi import ioctls
from kernel.abi.structs import TERMIOS, WINSIZE
from tools.tracer import show_interfaces as interfaces
from tools.tracer.names import CONSTANTS, Flags, members, prefixed
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal

if TYPE_CHECKING:
    from tools.tracer.view import Call

_REQUESTS = {
    value: name
    for prefix in ("TC", "TIOC", "FIO", "FI", "FS_IOC_", "BLK", "VT_", "KD")
    for name, value in prefixed(ioctls, prefix).items()
    if value > 0x1000 and not name.startswith("TIOCPKT_")
}
_REQUESTS = interfaces.REQUESTS | _REQUESTS
# Numbers that two drivers share: strace names both.
_REQUESTS |= {
    ioctls.TCSETS: "SNDCTL_TMR_START or TCSETS",
    ioctls.TCSETSW: "SNDCTL_TMR_STOP or TCSETSW",
    ioctls.TCSETSF: "SNDCTL_TMR_CONTINUE or TCSETSF",
    ioctls.FICLONE: "BTRFS_IOC_CLONE or FICLONE",
    ioctls.FICLONERANGE: "BTRFS_IOC_CLONE_RANGE or FICLONERANGE",
}
_NO_ARGUMENT = (
    ioctls.TIOCEXCL,
    ioctls.TIOCNXCL,
    ioctls.TIOCNOTTY,
    ioctls.FIOCLEX,
    ioctls.FIONCLEX,
    ioctls.TIOCVHANGUP,
)
_INT_OUT = (
    ioctls.TIOCGPGRP,
    ioctls.TIOCGSID,
    ioctls.FIONREAD,
    ioctls.TIOCOUTQ,
    ioctls.TIOCGPTN,
    ioctls.TIOCGETD,
    ioctls.TIOCGPTLCK,
    ioctls.TIOCGPKT,
    ioctls.TIOCGEXCL,
    *interfaces.INT_OUT,
)
_INT_IN = (
    ioctls.TIOCSPGRP,
    ioctls.FIONBIO,
    ioctls.FIOASYNC,
    ioctls.TIOCSPTLCK,
    ioctls.TIOCPKT,
    *interfaces.INT_IN,
)
_TERMIOS_OUT = (ioctls.TCGETS,)
_TERMIOS_IN = (ioctls.TCSETS, ioctls.TCSETSW, ioctls.TCSETSF)

IFLAG = Flags(
    {
        **members(ioctls, "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON"),
        **members(ioctls, "IXANY IXOFF IMAXBEL IUTF8"),
    },
    "",
    zero="",
)
OFLAG = Flags(members(ioctls, "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET OFILL OFDEL"), "", zero="")
CFLAG = Flags(members(ioctls, "CSTOPB CREAD PARENB PARODD HUPCL CLOCAL CRTSCTS"), "", zero="")
LFLAG = Flags(
    {
        **members(ioctls, "ISIG ICANON ECHO ECHOE ECHOK ECHONL NOFLSH IEXTEN XCASE TOSTOP"),
        **members(ioctls, "ECHOCTL ECHOPRT ECHOKE FLUSHO PENDIN EXTPROC"),
    },
    "",
    zero="",
)
_SPEEDS = {value: name for name, value in prefixed(ioctls, "B").items() if name[1:].isdigit()}
_DELAYS = (
    (0o400, "NL", 8),
    (0o3000, "CR", 9),
    (0o14000, "TAB", 11),
    (0o20000, "BS", 13),
    (0o40000, "VT", 14),
    (0o100000, "FF", 15),
)


@shows("ioctl_cmd")
def ioctl_command(call: Call, i: int) -> str:
    """A request by name, or taken apart."""
    value = call.values[i]
    interfaces.remember_room(call, value, call.value(i + 1))
    name = _REQUESTS.get(value)
    if name is not None:
        return name
    direction = value >> 30
    names = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")
    parts = (hexadecimal(value >> 8 & 0xFF), hexadecimal(value & 0xFF))
    size = hexadecimal(value >> 16 & 0x3FFF)
    return f"_IOC({names[direction]}, {parts[0]}, {parts[1]}, {size})"


def _late(call: Call, i: int) -> bool:
    return call.values[1] in (*_INT_OUT, *_TERMIOS_OUT, ioctls.TIOCGWINSZ, *interfaces.ANSWERED)


@shows("ioctl_arg", late_if=_late)
def ioctl_argument(call: Call, i: int) -> str | None:
    """The third argument of ioctl(2), as the request has it."""
    request, where = call.values[1], call.values[i]
    if request in _NO_ARGUMENT:
        return None
    if request in interfaces.INTERFACE:
        return interfaces.interface_request(call, request, where)
    if call.failed and _late(call, i):
        return address(where)
    if request in _INT_OUT or request in _INT_IN:
        data = call.read(where, 4)
        return (
            address(where) if data is None else f"[{int.from_bytes(data, 'little', signed=True)}]"
        )
    if request in (*_TERMIOS_OUT, *_TERMIOS_IN):
        return _termios(call, where)
    if request in (ioctls.TIOCGWINSZ, ioctls.TIOCSWINSZ):
        return _winsize(call, where)
    if request == ioctls.TCFLSH:
        return CONSTANTS["tcflush"].text(where)
    if request == ioctls.TCXONC:
        return CONSTANTS["tcflow"].text(where)
    if request in (ioctls.TCSBRK, ioctls.TCSBRKP, ioctls.TIOCSCTTY, ioctls.FICLONE):
        return str((where & 0x7FFFFFFF) - (where & 0x80000000))
    if request in interfaces.REQUESTS:
        return interfaces.other_request(request, where)
    return hexadecimal(where) if request not in _REQUESTS else address(where)


def _winsize(call: Call, where: int) -> str:
    found = call.unpack(WINSIZE, where)
    if found is None:
        return address(where)
    names = ("ws_row", "ws_col", "ws_xpixel", "ws_ypixel")
    return fields((name, str(value)) for name, value in zip(names, found, strict=True))


def _termios(call: Call, where: int) -> str:
    """The four flag words; delays, speed and character size are numbers within them."""
    found = call.unpack(TERMIOS, where)
    if found is None:
        return address(where)
    iflag, oflag, cflag, lflag = found[:4]
    output = [f"{name}{(oflag & mask) >> shift}" for mask, name, shift in _DELAYS]
    rest = oflag & ~sum(mask for mask, _, _ in _DELAYS)
    output.append(OFLAG.text(rest))
    speed = _SPEEDS.get(cflag & ioctls.CBAUD, f"{cflag & ioctls.CBAUD:#o}")
    size = f"CS{5 + ((cflag & ioctls.CSIZE) >> 4)}"
    control = CFLAG.text(cflag & ~(ioctls.CBAUD | ioctls.CSIZE))
    return fields(
        (
            ("c_iflag", IFLAG.text(iflag)),
            ("c_oflag", "|".join(output)),
            ("c_cflag", f"{speed}|{size}|{control}"),
            ("c_lflag", LFLAG.text(lflag)),
        ),
        more=True,
    )


@shows("*mincore")
def mincore(call: Call, i: int) -> str:
    """Which pages are resident, one number each."""
    pages = (call.values[1] + 4095) // 4096
    data = call.read(call.values[i], min(pages, 32))
    if data is None:
        return address(call.values[i])
    shown = ", ".join(str(byte & 1) for byte in data)
    return f"[{shown}{', ...' if pages > 32 else ''}]"
