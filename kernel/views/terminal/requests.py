"""The requests of ioctl_tty(2): settings, window, foreground group, queues.

``file`` is what the request came through, ``terminal`` what it is about: a pseudoterminal master's
settings, window and job control are those of its slave, as in Linux.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS
from kernel.abi.ioctls import (
    FIONREAD,
    TCFLSH,
    TCGETA,
    TCGETS,
    TCGETS2,
    TCIFLUSH,
    TCIOFF,
    TCIOFLUSH,
    TCION,
    TCOFLUSH,
    TCOOFF,
    TCOON,
    TCSBRK,
    TCSBRKP,
    TCSETA,
    TCSETAF,
    TCSETAW,
    TCSETS,
    TCSETS2,
    TCSETSF,
    TCSETSF2,
    TCSETSW,
    TCSETSW2,
    TCXONC,
    TIOCEXCL,
    TIOCGDEV,
    TIOCGETD,
    TIOCGEXCL,
    TIOCGPGRP,
    TIOCGSID,
    TIOCGWINSZ,
    TIOCNOTTY,
    TIOCNXCL,
    TIOCOUTQ,
    TIOCSCTTY,
    TIOCSETD,
    TIOCSPGRP,
    TIOCSTI,
    TIOCSWINSZ,
    TIOCVHANGUP,
    VSTART,
    VSTOP,
)
from kernel.abi.signals import SIGTTOU
from kernel.abi.structs import INT, TERMIO, TERMIOS, TERMIOS2, UINT, WINSIZE
from kernel.cred import CAP_SYS_ADMIN
from kernel.task import jobs
from kernel.views.terminal.settings import Settings, WindowSize
from kernel.wait import Blocking, Interrupted, Sleep

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.views.terminal.terminal import Terminal
    from kernel.views.terminal.terminal_file import TerminalFile

Request = Callable[["Task", "TerminalFile", "Terminal", int, int], "int | Blocking[int]"]

_AT_ONCE: Final = (TCSETS, TCSETS2, TCSETA)
_FLUSHING: Final = (TCSETSF, TCSETSF2, TCSETAF)


def terminal_ioctl(
    task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int
) -> int | Blocking[int]:
    """Answer one request; ENOTTY for what is none of a terminal's."""
    if file.hung_up:
        kind = ENOTTY if cmd == TIOCSPGRP else EIO
        raise kind("%s was hung up", file.path)
    request = _REQUESTS.get(cmd)
    if request is None:
        raise ENOTTY("%s does not know request %#x", file.path, cmd)
    return request(task, file, terminal, cmd, arg)


# -- settings ---------------------------------------------------------------------------------


def _get_settings(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    settings = terminal.settings
    if cmd == TCGETS:
        packed = settings.pack()
    elif cmd == TCGETS2:
        packed = settings.pack2()
    else:
        packed = settings.pack_short()
    task.mem.write(arg, packed)
    return 0


def _set_settings(
    task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int
) -> int | Blocking[int]:
    """TCSETS at once; TCSETSW after the output has gone; TCSETSF then forgets the input too."""
    jobs.check_background(task, terminal, SIGTTOU)
    if cmd in (TCSETS, TCSETSW, TCSETSF):
        settings = Settings.unpack(task.mem.read(arg, TERMIOS.size))
    elif cmd in (TCSETS2, TCSETSW2, TCSETSF2):
        settings = Settings.unpack2(task.mem.read(arg, TERMIOS2.size))
    else:
        settings = terminal.settings.merged_short(task.mem.read(arg, TERMIO.size))
    flush = cmd in _FLUSHING
    if cmd in _AT_ONCE or terminal.drained():
        return _install(terminal, settings, flush)
    return _drain_then(terminal, lambda: _install(terminal, settings, flush))


def _install(terminal: Terminal, settings: Settings, flush: bool) -> int:
    if flush:
        terminal.discipline.flush_input()
        terminal.input_taken()
    terminal.change_settings(settings)
    return 0


def _drain_then(terminal: Terminal, action: Callable[[], int]) -> Blocking[int]:
    while not terminal.drained():
        try:
            yield Sleep((terminal.changed,))
        except Interrupted:
            raise ERESTARTSYS("output is still on its way") from None
    return action()


def _drain(
    task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int
) -> int | Blocking[int]:
    """TCSBRK, TCSBRKP: wait for the output.  A break then has no wire to go over (tcsendbreak(3):
    a terminal that is no serial line returns without action)."""
    jobs.check_background(task, terminal, SIGTTOU)
    return 0 if terminal.drained() else _drain_then(terminal, lambda: 0)


# -- queues and flow --------------------------------------------------------------------------


def _flush(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    jobs.check_background(task, terminal, SIGTTOU)
    if arg not in (TCIFLUSH, TCOFLUSH, TCIOFLUSH):
        raise EINVAL("TCFLSH knows 0, 1 and 2, not %d", arg)
    if arg != TCOFLUSH:
        terminal.discipline.flush_input()
        terminal.input_taken()
    if arg != TCIFLUSH:
        terminal.discard_output()
    return 0


def _flow(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    jobs.check_background(task, terminal, SIGTTOU)
    cc = terminal.settings.cc
    if arg == TCOOFF:
        terminal.discipline.stop()
    elif arg == TCOON:
        terminal.discipline.start()
    elif arg in (TCIOFF, TCION):
        char = cc[VSTOP if arg == TCIOFF else VSTART]
        if char:
            terminal.transmit(bytes((char,)))
    else:
        raise EINVAL("TCXONC knows 0 to 3, not %d", arg)
    return 0


def _queued(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    value = terminal.unsent() if cmd == TIOCOUTQ else file.bytes_readable(task)
    task.mem.pack(INT, arg, value)
    return 0


def _push_input(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCSTI is refused, as Linux does since 6.2 with dev.tty.legacy_tiocsti=0."""
    raise EIO("typing for somebody else (TIOCSTI) is switched off")


# -- window -----------------------------------------------------------------------------------


def _get_window(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    size = terminal.window
    task.mem.pack(WINSIZE, arg, size.rows, size.columns, size.xpixel, size.ypixel)
    return 0


def _set_window(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    terminal.resize(WindowSize(*task.mem.unpack(WINSIZE, arg)))
    return 0


# -- job control ------------------------------------------------------------------------------


def _get_group(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCGPGRP, TIOCGSID.  A master answers for its slave, whoever asks."""
    if not file.is_master:
        ask = jobs.session_of_terminal if cmd == TIOCGSID else jobs.foreground_group
        number = ask(task, terminal)
    elif cmd == TIOCGSID:
        if terminal.session is None:
            raise ENOTTY("%s controls no session", file.path)
        number = terminal.session.sid
    else:
        number = terminal.foreground.pgid if terminal.foreground is not None else 0
    task.mem.pack(INT, arg, number)
    return 0


def _set_group(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCSPGRP; where a background job would get EIO, it gets ENOTTY here (Linux)."""
    if jobs.terminal_of(task) is not terminal:
        raise ENOTTY("%s is not the controlling terminal of process %d", file.path, task.tgid)
    (pgid,) = task.mem.unpack(INT, arg)
    try:
        jobs.set_foreground_group(task, terminal, pgid)
    except EIO as error:
        raise ENOTTY(error.reason) from None
    terminal.changed.wake()
    return 0


def _control(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCSCTTY: become the controlling terminal of the caller's session."""
    if not file.readable and not task.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("%s is not open for reading", file.path)
    jobs.acquire_terminal(task, terminal, steal=arg == 1)
    return 0


def _give_up(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCNOTTY: without a session leader there is no more controlling terminal."""
    if jobs.terminal_of(task) is not terminal:
        raise ENOTTY("%s is not the controlling terminal of process %d", file.path, task.tgid)
    jobs.give_up_terminal(task)
    return 0


# -- the rest ---------------------------------------------------------------------------------


def _exclusive(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    if cmd == TIOCGEXCL:
        task.mem.pack(INT, arg, int(terminal.exclusive))
    else:
        terminal.exclusive = cmd == TIOCEXCL
    return 0


def _line(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    """TIOCGETD, TIOCSETD: N_TTY is the only line discipline there is."""
    if cmd == TIOCGETD:
        task.mem.pack(INT, arg, 0)
        return 0
    jobs.check_background(task, terminal, SIGTTOU)
    (wanted,) = task.mem.unpack(INT, arg)
    if wanted:
        raise EINVAL("there is no line discipline %d", wanted)
    return 0


def _device(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    task.mem.pack(UINT, arg, terminal.device)
    return 0


def _vhangup(task: Task, file: TerminalFile, terminal: Terminal, cmd: int, arg: int) -> int:
    if not task.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("hanging up needs CAP_SYS_ADMIN, which uid %d has not", task.cred.euid)
    terminal.hang_up()
    return 0


_REQUESTS: Final[dict[int, Request]] = {
    TCGETS: _get_settings, TCGETS2: _get_settings, TCGETA: _get_settings,
    TCSETS: _set_settings, TCSETSW: _set_settings, TCSETSF: _set_settings,
    TCSETS2: _set_settings, TCSETSW2: _set_settings, TCSETSF2: _set_settings,
    TCSETA: _set_settings, TCSETAW: _set_settings, TCSETAF: _set_settings,
    TCSBRK: _drain, TCSBRKP: _drain, TCFLSH: _flush, TCXONC: _flow,
    FIONREAD: _queued, TIOCOUTQ: _queued, TIOCSTI: _push_input,
    TIOCGWINSZ: _get_window, TIOCSWINSZ: _set_window,
    TIOCGPGRP: _get_group, TIOCGSID: _get_group, TIOCSPGRP: _set_group,
    TIOCSCTTY: _control, TIOCNOTTY: _give_up,
    TIOCEXCL: _exclusive, TIOCNXCL: _exclusive, TIOCGEXCL: _exclusive,
    TIOCGETD: _line, TIOCSETD: _line, TIOCGDEV: _device, TIOCVHANGUP: _vhangup,
}  # fmt: skip
