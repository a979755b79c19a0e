"""Requests of ioctl(2) and the flags of terminals: ioctl_tty(2), termios(3)."""

from __future__ import annotations

from typing import Final

# terminals
TCGETS: Final = 0x5401
TCSETS: Final = 0x5402
TCSETSW: Final = 0x5403
TCSETSF: Final = 0x5404
TCGETA: Final = 0x5405
TCSETA: Final = 0x5406
TCSETAW: Final = 0x5407
TCSETAF: Final = 0x5408
TCSBRK: Final = 0x5409
TCXONC: Final = 0x540A
TCFLSH: Final = 0x540B
TIOCEXCL: Final = 0x540C
TIOCNXCL: Final = 0x540D
TIOCSCTTY: Final = 0x540E
TIOCGPGRP: Final = 0x540F
TIOCSPGRP: Final = 0x5410
TIOCOUTQ: Final = 0x5411
TIOCSTI: Final = 0x5412
TIOCGWINSZ: Final = 0x5413
TIOCSWINSZ: Final = 0x5414
TIOCMGET: Final = 0x5415
TIOCINQ: Final = 0x541B
TIOCCONS: Final = 0x541D
TIOCPKT: Final = 0x5420
FIONBIO: Final = 0x5421
TIOCNOTTY: Final = 0x5422
TIOCSETD: Final = 0x5423
TIOCGETD: Final = 0x5424
TCSBRKP: Final = 0x5425
TIOCGSID: Final = 0x5429
TCGETS2: Final = 0x802C542A
TCSETS2: Final = 0x402C542B
TCSETSW2: Final = 0x402C542C
TCSETSF2: Final = 0x402C542D
TIOCGPTN: Final = 0x80045430
TIOCSPTLCK: Final = 0x40045431
TIOCGDEV: Final = 0x80045432
TIOCSIG: Final = 0x40045436
TIOCVHANGUP: Final = 0x5437
TIOCGPKT: Final = 0x80045438
TIOCGPTLCK: Final = 0x80045439
TIOCGEXCL: Final = 0x80045440
TIOCGPTPEER: Final = 0x5441

# files
FIONREAD: Final = 0x541B
FIONCLEX: Final = 0x5450
FIOCLEX: Final = 0x5451
FIOASYNC: Final = 0x5452
FIOQSIZE: Final = 0x5460
FIGETBSZ: Final = 2
FIBMAP: Final = 1
FICLONE: Final = 0x40049409
FICLONERANGE: Final = 0x4020940D
FS_IOC_GETFLAGS: Final = 0x80086601
FS_IOC_SETFLAGS: Final = 0x40086602
FS_IOC_FSGETXATTR: Final = 0x801C581F
FS_IOC_FIEMAP: Final = 0xC020660B
FIFREEZE: Final = 0xC0045877
FITHAW: Final = 0xC0045878
BLKGETSIZE: Final = 0x1260
BLKGETSIZE64: Final = 0x80081272
BLKSSZGET: Final = 0x1268

# virtual consoles
VT_OPENQRY: Final = 0x5600
VT_GETMODE: Final = 0x5601
VT_GETSTATE: Final = 0x5603
VT_ACTIVATE: Final = 0x5606
KDGETMODE: Final = 0x4B3B
KDGKBTYPE: Final = 0x4B33
KDGKBMODE: Final = 0x4B44
KDMKTONE: Final = 0x4B30
KIOCSOUND: Final = 0x4B2F

# termios: c_iflag
IGNBRK: Final = 1
BRKINT: Final = 2
IGNPAR: Final = 4
PARMRK: Final = 0o10
INPCK: Final = 0o20
ISTRIP: Final = 0o40
INLCR: Final = 0o100
IGNCR: Final = 0o200
ICRNL: Final = 0o400
IUCLC: Final = 0o1000
IXON: Final = 0o2000
IXANY: Final = 0o4000
IXOFF: Final = 0o10000
IMAXBEL: Final = 0o20000
IUTF8: Final = 0o40000

# termios: c_oflag
OPOST: Final = 1
OLCUC: Final = 2
ONLCR: Final = 4
OCRNL: Final = 0o10
ONOCR: Final = 0o20
ONLRET: Final = 0o40
OFILL: Final = 0o100
OFDEL: Final = 0o200
NLDLY: Final = 0o400
CRDLY: Final = 0o3000
TABDLY: Final = 0o14000
TAB3: Final = 0o14000
BSDLY: Final = 0o20000
VTDLY: Final = 0o40000
FFDLY: Final = 0o100000

# termios: c_cflag
CBAUD: Final = 0o10017
B0: Final = 0
B50: Final = 1
B75: Final = 2
B110: Final = 3
B134: Final = 4
B150: Final = 5
B200: Final = 6
B300: Final = 7
B600: Final = 0o10
B1200: Final = 0o11
B1800: Final = 0o12
B2400: Final = 0o13
B4800: Final = 0o14
B9600: Final = 0o15
B19200: Final = 0o16
B38400: Final = 0o17
CSIZE: Final = 0o60
CS5: Final = 0
CS6: Final = 0o20
CS7: Final = 0o40
CS8: Final = 0o60
CSTOPB: Final = 0o100
CREAD: Final = 0o200
PARENB: Final = 0o400
PARODD: Final = 0o1000
HUPCL: Final = 0o2000
CLOCAL: Final = 0o4000
CBAUDEX: Final = 0o10000
B57600: Final = 0o10001
B115200: Final = 0o10002
B230400: Final = 0o10003
CIBAUD: Final = 0o2003600000
CRTSCTS: Final = 0o20000000000

# termios: c_lflag
ISIG: Final = 1
ICANON: Final = 2
XCASE: Final = 4
ECHO: Final = 0o10
ECHOE: Final = 0o20
ECHOK: Final = 0o40
ECHONL: Final = 0o100
NOFLSH: Final = 0o200
TOSTOP: Final = 0o400
ECHOCTL: Final = 0o1000
ECHOPRT: Final = 0o2000
ECHOKE: Final = 0o4000
FLUSHO: Final = 0o10000
PENDIN: Final = 0o40000
IEXTEN: Final = 0o100000
EXTPROC: Final = 0o200000

# termios: c_cc
VINTR: Final = 0
VQUIT: Final = 1
VERASE: Final = 2
VKILL: Final = 3
VEOF: Final = 4
VTIME: Final = 5
VMIN: Final = 6
VSWTC: Final = 7
VSTART: Final = 8
VSTOP: Final = 9
VSUSP: Final = 10
VEOL: Final = 11
VREPRINT: Final = 12
VDISCARD: Final = 13
VWERASE: Final = 14
VLNEXT: Final = 15
VEOL2: Final = 16
NCCS: Final = 19

# tcflush(3), tcflow(3)
TCIFLUSH: Final = 0
TCOFLUSH: Final = 1
TCIOFLUSH: Final = 2
TCOOFF: Final = 0
TCOON: Final = 1
TCIOFF: Final = 2
TCION: Final = 3

# tty packet mode
TIOCPKT_DATA: Final = 0
TIOCPKT_FLUSHREAD: Final = 1
TIOCPKT_FLUSHWRITE: Final = 2
TIOCPKT_STOP: Final = 4
TIOCPKT_START: Final = 8
TIOCPKT_NOSTOP: Final = 16
TIOCPKT_DOSTOP: Final = 32
TIOCPKT_IOCTL: Final = 64

# line disciplines
N_TTY: Final = 0
