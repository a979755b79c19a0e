"""A session: one program from boot to exit status, and what the host may say meanwhile.

Host signals do not interrupt the kernel: Python's handler only writes to the poller's wake-up pipe
and sets the attention word, and the loop asks for them between turns.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import ENOENT, ENOTDIR, KernelError
from kernel.abi.files import AT_FDCWD
from kernel.abi.signals import SIGINT
from kernel.cred import Credentials
from kernel.fs.inherited import hold_closed
from kernel.machine.deadlock import Deadlock
from kernel.machine.snapshot import snapshot_lines, take_snapshot
from kernel.task.execve import spawn
from kernel.task.init import create_init, create_program, hang_up_all, kill_all, living_processes
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.vfs.fdtable import FdTable
from kernel.vfs.fscontext import FsContext
from kernel.vfs.walk import DIRECTORY, FOLLOW, walk
from kernel.views.terminal.host_terminal import line_end
from tools.boot import stdio
from tools.boot.applets import applet_links
from tools.boot.capture import connect_captured
from tools.boot.files import lay_out_files, seal_root, show_applets, show_file
from tools.boot.hardware import Hardware, assemble
from tools.boot.host_signals import HostSignals, SignalHandlers
from tools.boot.network import connect_network
from tools.boot.program import Program, check_volumes, cpus_for, resolve, search_path
from tools.boot.users import StartUser
from tools.boot.watch import Watchers
from tools.busybox import find_busybox
from tools.config import DEFAULT_PATH, InspectOptions, RunConfig
from tools.errors import EXIT_TIMEOUT, EXIT_USAGE, CannotRun, DioramaError, ProgramNotFound

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.net.publish import Published
    from kernel.task.system import System
    from kernel.task.task import Task
    from tools.config import GdbAddress
    from tools.gdb.server import GdbServer
    from tools.inspector.server import Inspector

GRACE_NS: Final = 500_000_000
"""How long the processes left over may react to SIGHUP before SIGKILL."""
DYNAMIC_HINT: Final = " (--rootfs or -v brings it and the libraries; or link it with -static)"
SCRIPT_HINT: Final = " (--busybox puts BusyBox into /bin, --rootfs brings other programs)"
INTERRUPTS_TO_LEAVE_NS: Final = 2_000_000_000


def _say(line: str) -> None:
    """Our own words go to stderr, UTF-8 whatever the locale; a closed stderr loses them."""
    try:
        text = f"diorama: {line}".encode("utf-8", "surrogateescape") + b"\n"
        os.write(2, text.replace(b"\n", line_end(2)))
    except OSError:
        return


def boot(config: RunConfig, log: Callable[[str], None] = _say) -> Session:
    """A machine as configured, with its program loaded and not yet run.

    Raises DioramaError (125), CannotRun (126) or ProgramNotFound (127).
    """
    hold_closed()
    check_volumes(config.volumes)
    program = resolve(config)
    first, *others = cpus_for(program, config)
    try:
        return _boot_on(first, program, config, log)
    except CannotRun as refusal:
        for arch in others:  # only opening a program of the guest's own tells whose it is
            with suppress(CannotRun):
                return _boot_on(arch, program, config, log)
        raise refusal


def _boot_on(arch: str, program: Program, config: RunConfig, log: Callable[[str], None]) -> Session:
    hardware = assemble(
        arch,
        config.memory,
        hostname=config.hostname,
        seed=0 if config.deterministic and config.seed is None else config.seed,
        log=log,
        quiet=config.quiet,
        allow_wx=config.allow_wx,
        deterministic=config.deterministic,
    )
    session = Session(config, hardware)
    try:
        session.start(program)
    except BaseException:
        session.close()
        raise
    return session


class Session:
    """One machine and its first program.  ``status`` is None until that has ended.

    For a debugger: ``on_interrupt`` is called for Ctrl-C and SIGINT instead of telling the guest;
    ``on_deadlock`` with the report, before the run ends for it.
    """

    def __init__(
        self, config: RunConfig, hardware: Hardware, *, with_terminal: bool = True
    ) -> None:
        self.config = config
        self.hardware = hardware
        self.machine: Machine = hardware.machine
        self.system: System = hardware.system
        self.status: int | None = None
        self.task: Task | None = None
        self.user = StartUser()
        self.console = stdio.make_console(self.system) if with_terminal else None
        self._signals = HostSignals(self.machine.cpu, hardware.poller)
        self._leave: int | None = None  # an exit status decided by the host: timeout, SIGTERM
        self._interrupted_at: int | None = None
        self._watchers: Watchers | None = None
        self._inspector: Inspector | None = None
        self._gdb: GdbServer | None = None
        self._published: list[Published] = []
        self.on_interrupt: Callable[[], None] | None = None
        self.on_deadlock: Callable[[str], None] | None = None

    # -- before the run --------------------------------------------------------------------------

    def prepare(self) -> Task:
        """Files and pid 1; returns init."""
        init, self.user = lay_out_files(self.hardware, self.config, self.console, self._make_init)
        self.system.on_reap = self._reaped
        self._published = connect_network(self.config, init)
        return init

    def _make_init(self) -> Task:
        return create_init(self.system, FdTable(), FsContext(self.hardware.mounts))

    def start(self, program: Program) -> None:
        """Load the program as pid 2.  CannotRun or ProgramNotFound if that cannot be."""
        self.prepare()
        self._show(program)
        self.task = self.new_process()
        stdio.connect(self.system, self.task, self.console, self.user[:2])
        self._watchers = Watchers(
            self.config, self.machine, _say, lambda: self._signals.asked_to_leave
        )
        self.load(self.task, program, self.config.args)
        if self.config.inspect is not None:
            self._open_inspector(self.config.inspect)
        if self.config.gdb is not None:
            self._open_gdb(self.config.gdb, self.task)

    def _open_gdb(self, address: GdbAddress, program: Task) -> None:
        """A socket for gdb.  DioramaError: it cannot be made, or there is another debugger."""
        from tools.gdb.server import GdbServer  # only runs with -g need it

        self._gdb = GdbServer(
            self.machine,
            self.hardware.poller,
            address,
            program=program,
            over=self._over,
            log=_say,
            virtual=self.config.deterministic,
        )

    def _wait_for_gdb(self) -> None:
        """Until somebody connects; Ctrl-C leaves."""
        if self._gdb is not None:
            before = self.on_interrupt
            self.on_interrupt = lambda: self.end(128 + signal.SIGINT)
            try:
                self._gdb.wait()
            finally:
                self.on_interrupt = before

    def _open_inspector(self, options: InspectOptions) -> None:
        """A socket for those who look.  DioramaError: it cannot be made."""
        from tools.inspector.server import Inspector  # only runs with --inspect need it

        words = tuple(os.fsdecode(word) for word in self.config.args)
        program = (self.config.program or "sh", *words)
        self._inspector = Inspector(
            self.machine,
            self.hardware.poller,
            options.path,
            program,
            virtual=self.config.deterministic,
        )
        if self.console is not None:
            self._inspector.mirror(self.console)
        _say(f"inspector: diorama top --attach={self._inspector.path}")

    def _show(self, program: Program) -> None:
        """PROGRAM in /bin; a BusyBox with its applet links."""
        config, hardware = self.config, self.hardware
        if program.is_busybox and program.host is not None:
            self.show_busybox(program.host)
        elif program.host is not None:
            show_file(hardware, program.host, program.path)
        elif program.is_busybox and program.source is not None:
            show_applets(hardware, program.path, applet_links(program.source, list_applets))
        if config.busybox and (program.host is None or not program.is_busybox):
            self.show_busybox(str(find_busybox(self.system.arch.name)))
        if config.read_only:
            seal_root(hardware)

    def show_busybox(self, host: str) -> None:
        """BusyBox at /bin/busybox, and a link for every applet."""
        show_file(self.hardware, host, b"/bin/busybox")
        show_applets(self.hardware, b"/bin/busybox", applet_links(host, list_applets))

    def new_process(self) -> Task:
        """A child of init with the configured user, directory and umask 022."""
        config = self.config
        fs = FsContext(self.hardware.mounts)
        task = create_program(self.system, FdTable(), fs, Credentials.for_user(*self.user))
        if config.workdir is not None:
            try:
                fs.set_cwd(walk(self.system.init, AT_FDCWD, config.workdir, FOLLOW | DIRECTORY))
            except KernelError as error:
                where = os.fsdecode(config.workdir)
                raise DioramaError(f"--workdir {where}: {error.text}") from None
        return task

    def environment(self, extra: Mapping[bytes, bytes] | None = None) -> tuple[bytes, ...]:
        """PATH, HOME, TERM where there is a terminal, what the configuration adds, ``extra``."""
        values = {b"PATH": DEFAULT_PATH, b"HOME": b"/root"}
        if self.console is not None and (stdio.is_terminal(0) or stdio.is_terminal(1)):
            values[b"TERM"] = os.environb.get(b"TERM", b"linux")
        values.update(self.config.environment)
        for name in self.config.unset:
            values.pop(name, None)
        values.update(extra or {})
        return tuple(name + b"=" + value for name, value in values.items())

    def load(
        self,
        task: Task,
        program: Program,
        args: tuple[bytes, ...],
        extra: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """execve on behalf of the host, with its errors in words; ``extra``: environment."""
        name = os.fsdecode(program.argv0)
        environment = self.environment(extra)
        try:
            path = program.path
            if b"/" not in path:
                path = search_path(task, path, environment)
            spawn(task, path, (program.argv0, *args), environment)
        except (ENOENT, ENOTDIR) as error:
            if program.host is not None or "interpreter" in error.reason:
                hint = _hint(error.reason)
                raise CannotRun(f"{name}: {error.reason or error.text}{hint}") from None
            raise ProgramNotFound(f"{name}: not found in the guest's files") from None
        except KernelError as error:
            raise CannotRun(f"{name}: {error.reason or error.text}") from None
        self.system.scheduler.enqueue(task)

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> int:
        """Run to the end of the program; returns what diorama exits with."""
        # SIGIO comes from those who look, from their sockets where time is virtual.
        looked_at = self._inspector is not None or self._gdb is not None
        self._signals.catch(*((signal.SIGIO,) if looked_at else ()))
        self.machine.on_attention.append(self._attend)
        if self.config.timeout is not None:
            deadline = self.system.clock.monotonic() + int(self.config.timeout * 1e9)
            self.system.timers.add(deadline, self._timed_out).watchdog = True
        self._wait_for_gdb()
        if self.console is not None:
            self.console.on_leave = lambda: self.end(128 + signal.SIGQUIT)
            self.console.on_interrupt = self.on_interrupt
            self.console.on_snapshot = self._show_snapshot
            self.console.on_suspend = lambda: os.kill(os.getpid(), signal.SIGSTOP)
            self.console.start()
        try:
            if self._inspector is not None:
                self._inspector.begin()
                if self.config.inspect is not None and self.config.inspect.wait:
                    self._inspector.wait_for_view()
            self._run_program()
            self._end_the_rest()
        finally:
            if self.console is not None:
                self.console.stop()
            if self._inspector is not None:
                self._inspector.finish(self._exit_status())
            if self._gdb is not None:
                self._gdb.finish()
                self._gdb = None
            self._signals.restore()
            assert self._watchers is not None
            try:
                self._watchers.finish()
            finally:
                self.close()
        return self._exit_status()

    def _exit_status(self) -> int:
        return self._leave if self._leave is not None else exit_code(self.status or 0)

    def _run_program(self) -> None:
        """To its end, or until everybody waits for ever."""
        try:
            self.machine.run(self._over)
        except Deadlock as report:
            if self.on_deadlock is not None:
                self.on_deadlock(str(report))
                self._leave = EXIT_USAGE if self._leave is None else self._leave
                return
            _say(f"deadlock: {report}")
            self._leave = EXIT_USAGE

    def stand_still(self, use: Callable[[], None], handlers: SignalHandlers) -> None:
        """While no guest runs: let ``use`` have the caller's terminal and the host's signals."""
        with self._signals.lent(handlers):
            if self.console is not None:
                self.console.lend(use)
            else:
                use()
        if self.console is not None:
            self.console.on_interrupt = self.on_interrupt

    def _show_snapshot(self) -> None:
        """SIGQUIT, or Ctrl-\\ twice at the terminal: what everybody is doing."""
        _say("\n".join(snapshot_lines(take_snapshot(self.machine))))

    def run_captured(self, program: Program, args: tuple[bytes, ...]) -> bytes:
        """Run one program without the host's streams; returns its stdout."""
        self.task = self.new_process()
        out, _ = connect_captured(self.task, b"")
        self.load(self.task, program, args)
        self.machine.run(self._over)
        self._end_the_rest()
        return bytes(out.data)

    def _over(self) -> bool:
        """The program has ended, and nothing that gdb debugs is left; or the host says so."""
        if self._leave is not None:
            return True
        return self.status is not None and not (self._gdb is not None and self._gdb.debugging)

    def _reaped(self, pid: int, status: int) -> None:
        if self.task is not None and pid == self.task.tgid:
            self.status = status
            self.machine.cpu.request_attention()

    def end(self, status: int) -> None:
        """The host ends the run; diorama exits with ``status``."""
        self._leave = status
        self.machine.stopping = True
        self.machine.cpu.request_attention()

    def _timed_out(self) -> None:
        self.end(EXIT_TIMEOUT)

    def _end_the_rest(self) -> None:
        """What is left gets SIGHUP and SIGCONT, then SIGKILL."""
        system = self.system
        self.machine.stopping = False
        if self._leave is None and living_processes(system):
            hang_up_all(system)
            limit = system.clock.monotonic() + GRACE_NS
            system.timers.add(limit, self.machine.cpu.request_attention)
            self.machine.run(
                lambda: not living_processes(system) or system.clock.monotonic() >= limit
            )
        if self._leave == EXIT_TIMEOUT:
            kill_all(system, "the time of --timeout is over")
        else:
            kill_all(system)
        self.machine.run(lambda: not living_processes(system))

    # -- the host's signals ----------------------------------------------------------------------

    def _attend(self) -> None:
        for number in self.hardware.poller.take_signals():
            if number == signal.SIGINT:
                self._interrupt()
            elif number == signal.SIGUSR1:
                assert self._watchers is not None
                self._watchers.toggle_trace()
            elif number == signal.SIGWINCH:
                if self.console is not None:
                    self.console.resized()
            elif number == signal.SIGCONT:
                if self.console is not None:
                    self.console.continued()
            elif number == signal.SIGQUIT:
                self._show_snapshot()
            elif number in (signal.SIGTERM, signal.SIGHUP):
                self.end(128 + number)

    def _interrupt(self) -> None:
        """SIGINT goes to the foreground group; a second one without effect ends the run."""
        if self.on_interrupt is not None:
            self._signals.asked_to_leave = False
            self.on_interrupt()
            return
        now = time.monotonic_ns()
        last = self._interrupted_at
        if last is not None and now - last < INTERRUPTS_TO_LEAVE_NS:
            self.end(128 + signal.SIGINT)
            return
        self._interrupted_at = now
        task = self.task
        if task is not None:
            pgrp = task.group.pgrp
            if self.console is not None and self.console.foreground is not None:
                pgrp = self.console.foreground
            for member in list(pgrp.members.values()):
                send_to_group(member, SigInfo(SIGINT))

    def close(self) -> None:
        """Give the host's resources back."""
        if self._inspector is not None:
            self._inspector.close()
        if self._gdb is not None:
            self._gdb.finish()
            self._gdb = None
        for port in self._published:
            port.close()
        self.hardware.close()


def _hint(reason: str) -> str:
    """What to do about an interpreter that is missing."""
    if "script's interpreter" in reason:
        return SCRIPT_HINT
    return DYNAMIC_HINT if "its interpreter" in reason else ""


def list_applets(busybox: str) -> bytes:
    """What ``busybox --list-full`` prints, from a small machine of its own."""
    config = RunConfig(program=busybox, args=(b"--list-full",), memory=64 << 20, quiet=True)
    program = resolve(config)
    hardware = assemble(
        program.arch, config.memory, hostname=b"list", seed=0, log=_say, quiet=True, allow_wx=False
    )
    session = Session(config, hardware, with_terminal=False)
    try:
        session.prepare()
        show_file(hardware, busybox, program.path)
        output = session.run_captured(program, config.args)
    finally:
        session.close()
    if session.status != 0 or not output:
        raise CannotRun(f"{busybox}: --list-full failed; is this a BusyBox?")
    return output


def exit_code(status: int) -> int:
    """A wait(2) status as a shell shows it: the exit code, or 128 + signal."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
