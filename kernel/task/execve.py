"""execve: a new program in an old task.  See execve(2).

The new address space is filled beside the old one, so everything that can go wrong goes wrong
while the caller is whole: it gets an errno, never half a program.  Then the other threads of the
process are ended, and the caller sleeps until they are gone.  ``_commit`` is the point of no
return; nothing in it fails.

Linux analogue: ``fs/exec.c``, where the point of no return comes before loading.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import E2BIG, EAGAIN, ELOOP, ENOENT, ENOEXEC, KernelError
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    MAY_READ,
    S_IFLNK,
    S_IFMT,
)
from kernel.abi.results import NO_RETURN_VALUE
from kernel.abi.signals import SIGCHLD, SS_DISABLE
from kernel.arch.base import AltStack
from kernel.cred import (
    CAP_SYS_ADMIN,
    CAP_SYS_RESOURCE,
    RLIMIT_NPROC,
    RLIMIT_STACK,
)
from kernel.task.credentials import after_exec
from kernel.task.executable import drop_executable, set_executable
from kernel.task.exit import forget, release_space
from kernel.task.posix_timer import delete_timers
from kernel.task.program import (
    BinaryFormat,
    Image,
    Interpreter,
    Program,
    open_place,
    open_program,
    read_at,
)
from kernel.task.signals import end_siblings
from kernel.vfs.permissions import may
from kernel.vfs.walk import EMPTY, FOLLOW, walk
from kernel.wait import Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile
    from kernel.wait import Blocking

__all__ = ["BinaryFormat", "Image", "Interpreter", "Program", "execute", "read_strings", "spawn"]

MAX_STRING: Final = 128 << 10  # MAX_ARG_STRLEN
MAX_STACK_LIMIT: Final = 6 << 20  # three quarters of the usual stack
MAX_INTERPRETERS: Final = 5
HEAD_SIZE: Final = 256  # BINPRM_BUF_SIZE
COMM_SIZE: Final = 15
CLEARED_ON_SETID: Final = 0x0040000 | 0x0400000 | 0x0200000 | 0x0100000  # PER_CLEAR_ON_SETID


class Target(NamedTuple):
    """Which file: as execveat(2) names it."""

    dirfd: int
    path: bytes
    flags: int = 0

    @property
    def name(self) -> bytes:
        """The name the program will see: the path, or one under /dev/fd."""
        if self.path[:1] == b"/" or self.dirfd == AT_FDCWD:
            return self.path
        base = b"/dev/fd/%d" % self.dirfd
        return base + b"/" + self.path if self.path else base


def execute(task: Task, target: Target, argv: int, envp: int) -> int | Blocking[int]:
    """execve(2), execveat(2): ``argv`` and ``envp`` are addresses of arrays of strings.

    It sleeps if the process has other threads: they have to end first.
    """
    if not target.path and not target.flags & AT_EMPTY_PATH:
        raise ENOENT("the path is empty")
    _check_process_limit(task)
    file = _open(task, target)
    try:
        arguments = read_strings(task, argv, envp)
        program, image = _prepare(task, target, file, *arguments)
    finally:
        file.drop()
    if len(task.group.tasks) > 1:
        return _commit_alone(task, program, image)
    _commit(task, program, image)
    return NO_RETURN_VALUE


def spawn(task: Task, path: bytes, argv: tuple[bytes, ...], envp: tuple[bytes, ...]) -> None:
    """Start the first program of a task that has none: strings come from the kernel itself."""
    target = Target(AT_FDCWD, path)
    file = _open(task, target)
    try:
        prepared = _prepare(task, target, file, argv, envp)
        for observer in task.kernel.events:
            observer.task_start(task, None)
        _commit(task, *prepared)
    finally:
        file.drop()


def _check_process_limit(task: Task) -> None:
    """Linux checks RLIMIT_NPROC again here for a process that changed its user (EAGAIN)."""
    user = task.cred.ruid
    limit = task.limits.soft(RLIMIT_NPROC)
    if user == 0 or task.cred.capable(CAP_SYS_RESOURCE) or task.cred.capable(CAP_SYS_ADMIN):
        return
    if task.nproc_exceeded and task.kernel.user_processes.get(user, 0) > limit:
        raise EAGAIN(
            "uid %d has %d processes, over RLIMIT_NPROC, %d",
            user, task.kernel.user_processes.get(user, 0), limit,
        )  # fmt: skip
    task.nproc_exceeded = False


def _open(task: Task, target: Target) -> OpenFile:
    follow = 0 if target.flags & AT_SYMLINK_NOFOLLOW else FOLLOW
    if target.flags & AT_EMPTY_PATH:
        follow |= EMPTY
    place = walk(task, target.dirfd, target.path, follow)
    if target.flags & AT_SYMLINK_NOFOLLOW and place.dentry.inode.mode & S_IFMT == S_IFLNK:
        raise ELOOP("%s is a symbolic link (AT_SYMLINK_NOFOLLOW)", place)
    return open_place(task, place)


def read_strings(task: Task, argv: int, envp: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Copy arguments and environment, within the limits of execve(2) (E2BIG).

    The total, with pointers, is a quarter of the stack limit, at most 6 MiB and at least 128 KiB;
    a single string 128 KiB.
    """
    quarter = min(task.limits.soft(RLIMIT_STACK) // 4, MAX_STACK_LIMIT)
    total = max(quarter, MAX_STRING)
    arguments = _strings(task, argv, total)
    used = sum(len(string) + 9 for string in arguments)
    environment = _strings(task, envp, total - used)
    return arguments or (b"",), environment  # Linux 5.18: an empty argv becomes {""}


def _strings(task: Task, address: int, room: int) -> tuple[bytes, ...]:
    if not address:
        return ()  # Linux takes NULL as an empty array
    strings = task.mem.string_array(address, max(room, 0))
    if any(len(string) >= MAX_STRING for string in strings):
        raise E2BIG(
            "a string of %d bytes, and at most %d are allowed",
            max(map(len, strings)),
            MAX_STRING - 1,
        )
    return tuple(strings)


def _prepare(
    task: Task,
    target: Target,
    file: OpenFile,
    argv: tuple[bytes, ...],
    envp: tuple[bytes, ...],
) -> tuple[Program, Image]:
    """Everything that can fail."""
    name = target.name
    cred, secure = after_exec(task, file)
    space = task.kernel.new_space(task.limits)
    program = Program(task, name, name, argv, envp, file, b"", space, cred, secure)
    try:
        image = _load(program, target)
        set_executable(program.space, program.file)
    except KernelError:
        program.space.destroy()
        raise
    finally:
        if program.file is not file:
            program.file.drop()
    return program, image


def _load(program: Program, target: Target) -> Image:
    """Ask the formats; follow ``#!`` up to five times."""
    for _ in range(MAX_INTERPRETERS + 1):  # the first is the file itself
        program.head = read_at(program.task, program.file, 0, HEAD_SIZE)
        program.secret |= not may(program.task.cred, program.file.inode, MAY_READ)
        found = _ask_formats(program)
        if isinstance(found, Image):
            return found
        if _vanishes(program, target):
            raise ENOENT("the script's descriptor is closed before the interpreter can open it")
        _switch_to_interpreter(program, found)
    raise ELOOP("%s: more than five interpreters of interpreters", target.path)


def _ask_formats(program: Program) -> Image | Interpreter:
    reason = "no binary format knows this file"
    for binary_format in program.task.kernel.formats:
        try:
            return binary_format.load(program)
        except ENOEXEC as error:
            reason = error.reason or reason
    raise ENOEXEC(reason)


def _vanishes(program: Program, target: Target) -> bool:
    """A script named by a close-on-exec descriptor cannot be opened again (execveat(2), BUGS)."""
    return target.name is not target.path and target.dirfd in program.task.fds.cloexec


def _switch_to_interpreter(program: Program, found: Interpreter) -> None:
    script = program.file
    try:
        opened = open_program(program.task, AT_FDCWD, found.path)
    except KernelError as error:
        why = (error.reason or error.text).removeprefix(f"{os.fsdecode(found.path)}: ")
        raise type(error)("the script's interpreter %s: %s", found.path, why) from error
    if program.interp is not program.path:
        script.drop()  # an interpreter that was itself a script: opened here, one round ago
    program.file = opened
    program.interp = found.path
    program.argv = found.argv
    program.cred, program.secure = after_exec(program.task, opened)


# --- the point of no return ------------------------------------------------------------------


def _commit_alone(task: Task, program: Program, image: Image) -> Blocking[int]:
    """End the other threads, wait until they are gone, and take the leader's place."""
    group = task.group
    done = False
    end_siblings(task)
    group.siblings_gone = queue = WaitQueue("execve: the other threads")
    task.killable_only = True
    try:
        while len(group.tasks) > 1:
            yield Sleep((queue,))
        done = True
    finally:
        group.executing = group.siblings_gone = None
        if not done:  # killed while it waited
            drop_executable(program.space)
            program.space.destroy()
    if task is not group.leader:
        _become_leader(task)
    _commit(task, program, image)
    return NO_RETURN_VALUE


def _become_leader(task: Task) -> None:
    """The process keeps its number: the calling thread takes it over from the dead leader."""
    group, kernel = task.group, task.kernel
    leader, old = group.leader, task.tid
    leader.pending.discard(-1)
    forget(leader)
    for observer in kernel.events:
        observer.renumbered(task, old, group.pid)
    kernel.pids.hold(group.pid)
    del kernel.tasks[old], group.tasks[old]
    kernel.pids.release(old)
    task.tid = group.pid
    task.start_time = leader.start_time
    group.leader = group.tasks[group.pid] = kernel.tasks[group.pid] = task


def _commit(task: Task, program: Program, image: Image) -> None:
    """The old program is gone from here on."""
    kernel = task.kernel
    setid = program.cred.euid != task.cred.euid or program.cred.egid != task.cred.egid
    _replace_space(task, program.space)
    _reset_signals(task)
    if task.fds.users > 1:
        own = task.fds.copy()
        task.fds.release()
        task.fds = own
    task.fds.close_on_exec()
    _change_identity(task, program, setid)
    kernel.cpu.reset_context(task.context)
    registers = kernel.cpu.registers(task.context)
    registers.pc = image.entry
    registers.sp = image.sp
    for observer in kernel.events:
        observer.exec(task, program.path, program.argv)


def _replace_space(task: Task, space: AddressSpace) -> None:
    release_space(task)
    task.mm = space
    task.mem = space.user
    task.robust_list = (0, 0)
    task.rseq = None


def _reset_signals(task: Task) -> None:
    actions = task.actions
    actions.users -= 1
    task.actions = actions.after_exec()
    task.altstack = AltStack(0, SS_DISABLE, 0)
    task.restart_block = None
    task.group.exit_signal = SIGCHLD
    task.trap = (0, 0, 0)


def _change_identity(task: Task, program: Program, setid: bool) -> None:
    old = task.cred
    task.comm = program.path.rpartition(b"/")[2][:COMM_SIZE]
    task.kernel.change_user(old.ruid, program.cred.ruid)
    task.cred = program.cred
    task.group.did_exec = True
    delete_timers(task.group)
    mixed = old.euid != old.ruid or old.egid != old.rgid
    task.group.dumpable = 0 if setid or mixed or program.secret else 1
    if setid:
        task.parent_death_signal = 0
        task.personality &= ~CLEARED_ON_SETID
