"""The binary formats, as execve(2) asks them: ELF programs and ``#!`` scripts.

Linux analogue: ``struct linux_binfmt``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kernel.abi.errors import ELIBBAD, ENOENT, ENOEXEC
from kernel.arch.base import Arch
from kernel.task.program import Image, Interpreter, Program
from loader.elf import ElfImage, Reader
from loader.program import Mappable, Parameters, image_of, load
from loader.script import parse_script
from loader.stack import RANDOM_BYTES

if TYPE_CHECKING:
    from kernel.task.program import BinaryFormat
    from kernel.vfs.openfile import OpenFile
    from loader.vdso import Vdso


class ElfFormat:
    """ELF64 programs of one CPU: static, static-PIE, and dynamic with their interpreter."""

    __slots__ = ("_arch", "_vdso")

    name = "elf"

    def __init__(self, arch: Arch, vdso: Vdso | None = None) -> None:
        self._arch = arch
        self._vdso = vdso

    def load(self, program: Program) -> Image:
        """Map the program into ``program.space``.  ENOEXEC with the reason, ENOENT, ELIBBAD."""
        image = image_of(program.file, _reader(program, program.file), self._arch)
        parameters = Parameters(
            program.argv,
            program.envp,
            program.path,
            program.cred,
            program.secure,
            program.task.kernel.random.bytes(RANDOM_BYTES),
            self._vdso,
        )
        mappable = Mappable(program.file, image)
        if image.interpreter is None:
            return load(program.space, self._arch, mappable, None, parameters)
        file = _open_interpreter(program, image.interpreter)
        try:
            interpreter = Mappable(file, self._interpreter_image(program, file))
            return load(program.space, self._arch, mappable, interpreter, parameters)
        finally:
            file.drop()  # its mappings hold it from now on

    def _interpreter_image(self, program: Program, file: OpenFile) -> ElfImage:
        try:
            return image_of(file, _reader(program, file), self._arch)
        except ENOEXEC as error:
            raise ELIBBAD("its interpreter is no good: %s", error.reason) from error


class ScriptFormat:
    """``#!`` lines."""

    __slots__ = ()

    name = "script"

    def load(self, program: Program) -> Interpreter:
        """Name the interpreter and its arguments.  ENOEXEC if this is no script."""
        script = parse_script(program.head)
        if script is None:
            raise ENOEXEC
        return Interpreter(script.interpreter, script.argv(program.interp, program.argv))


def formats_for(arch: Arch, vdso: Vdso | None = None) -> list[BinaryFormat]:
    """The formats of a machine, in the order they are asked.

    ELF comes first so that its words describe a file that is neither.
    """
    return [ElfFormat(arch, vdso), ScriptFormat()]


def _reader(program: Program, file: OpenFile) -> Reader:
    return lambda offset, size: program.read(file, offset, size)


def _open_interpreter(program: Program, path: bytes) -> OpenFile:
    try:
        return program.open_interpreter(path)
    except ENOENT as error:
        raise ENOENT("its interpreter %s does not exist here", os.fsdecode(path)) from error
