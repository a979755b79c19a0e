"""From parsed headers to a program ready to run: the part of exec that fills an address space.

``image_of`` parses a file, or takes the image kept with its inode.  ``load`` maps the program and
its interpreter, makes the stack and the sigreturn page, and says where to begin.
Linux analogue: ``load_elf_binary``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import E2BIG, EEXIST, ENOEXEC
from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from kernel.arch.base import PAGE_SIZE, USER_TOP, Arch
from kernel.cred import RLIMIT_STACK
from kernel.task.program import Image
from loader.auxv import ProgramFacts, auxv_entries
from loader.elf import ElfImage, Reader, parse
from loader.segments import interpreter_bias, map_image, program_bias, set_layout
from loader.stack import RANDOM_BYTES, StackImage, stack_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel.cred import Credentials
    from kernel.mm.address_space import AddressSpace
    from kernel.vfs.openfile import OpenFile
    from loader.vdso import Vdso

STACK_TOP: Final = USER_TOP
STACK_SLACK: Final = 128 << 10
"""Mapped below the first stack pointer at once, as Linux does; the rest grows."""


class Mappable(NamedTuple):
    """A file and its parsed headers: the program itself or its interpreter."""

    file: OpenFile
    image: ElfImage


class Parameters(NamedTuple):
    """What execve(2) knows beside the files; ``random``: 16 bytes for AT_RANDOM."""

    argv: Sequence[bytes]
    envp: Sequence[bytes]
    execfn: bytes
    cred: Credentials
    secure: bool
    random: bytes
    vdso: Vdso | None = None


def image_of(file: OpenFile, read: Reader, arch: Arch) -> ElfImage:
    """The parsed headers; from the inode if an earlier exec left them there.  Raises ENOEXEC.

    What is kept is valid for one state of the file: its size and the times of its last changes.
    """
    inode = file.inode
    inode.refresh()
    stamp = (arch.name, inode.size, inode.mtime, inode.ctime)
    cached = inode.exec_cache
    if isinstance(cached, _Cached) and cached.stamp == stamp:
        return cached.image
    image = parse(read, inode.size, arch)
    inode.exec_cache = _Cached(stamp, image)
    return image


class _Cached(NamedTuple):
    """What ``Inode.exec_cache`` holds."""

    stamp: tuple[str, int, int, int]
    image: ElfImage


def load(
    space: AddressSpace,
    arch: Arch,
    program: Mappable,
    interpreter: Mappable | None,
    parameters: Parameters,
) -> Image:
    """Fill a fresh address space.  Raises ENOEXEC, ENOMEM, E2BIG; the space is then thrown away."""
    image = program.image
    if image.wants_write_and_execute:
        space.allow_wx = True
    bias = program_bias(image)
    map_image(space, image, program.file, bias)
    set_layout(space, image, bias)
    base, pc = 0, image.entry + bias
    if interpreter is not None:
        base = interpreter_bias(space, interpreter.image)
        map_image(space, interpreter.image, interpreter.file, base)
        pc = interpreter.image.entry + base
    phdr = image.phdr_address + bias if image.phdr_address else 0
    facts = ProgramFacts(phdr, image.phdr_count, image.entry + bias, base)
    _map_sigreturn(space, arch)
    if parameters.vdso is not None:
        facts = facts._replace(vdso=parameters.vdso.map_into(space))
    sp = _make_stack(space, arch, image.executable_stack, facts, parameters)
    return Image(pc, sp)


def _make_stack(
    space: AddressSpace, arch: Arch, executable: bool, facts: ProgramFacts, given: Parameters
) -> int:
    stack = stack_image(
        STACK_TOP,
        given.argv,
        given.envp,
        given.execfn,
        arch.platform,
        given.random[:RANDOM_BYTES],
        auxv_entries(arch, facts, given.cred, given.secure),
    )
    used = STACK_TOP - (stack.sp & -PAGE_SIZE)
    limit = space.limits.soft(RLIMIT_STACK)
    if used > limit:
        raise E2BIG("%s bytes of arguments, and a stack limit of %s", used, limit)
    room = max(used, min(used + STACK_SLACK, limit & -PAGE_SIZE))
    protection = PROT_READ | PROT_WRITE | (PROT_EXEC if executable else 0)
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN
    try:
        space.mmap(STACK_TOP - room, room, protection, flags, label=b"[stack]")
    except EEXIST:
        raise ENOEXEC("a segment where the stack must be") from None
    space.user.write(stack.sp, stack.data)
    _note_stack(space, stack)
    return stack.sp


def _note_stack(space: AddressSpace, stack: StackImage) -> None:
    space.start_stack = stack.sp
    space.arg_start, space.arg_end = stack.arg_start, stack.arg_end
    space.env_start, space.env_end = stack.env_start, stack.env_end
    space.auxv = stack.auxv


def _map_sigreturn(space: AddressSpace, arch: Arch) -> None:
    """The page signal handlers return to where they bring no restorer of their own."""
    if not arch.sigreturn_code:
        return
    private = MAP_PRIVATE | MAP_ANONYMOUS
    address = space.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, private, label=b"[sigpage]")
    space.user.write(address, arch.sigreturn_code)
    space.mprotect(address, PAGE_SIZE, PROT_READ | PROT_EXEC)
    space.vdso_sigreturn = address
