"""The registers of one context: kernel.arch.base.Registers on the engine.

Unicorn numbers registers; the tables here give the numbers in the order of ``Arch.register_names``.
A context that is not loaded is loaded first (0.3 µs), so nothing differs between the two.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.cpu.library import W_REGISTERS
from kernel.cpu.sanitize import FP_IMAGES, MASK64, SANITIZERS

if TYPE_CHECKING:
    from kernel.arch.base import Arch

UNICORN_IDS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "rax": 35, "rbx": 37, "rcx": 38, "rdx": 40, "rsi": 43, "rdi": 39, "rbp": 36, "rsp": 44,
        **{f"r{n}": 98 + n for n in range(8, 16)},
        "rip": 41, "eflags": 25, "fs_base": 250, "gs_base": 251,
    },
    "aarch64": {
        **{f"x{n}": 199 + n for n in range(29)},
        "x29": 1, "x30": 2, "sp": 4, "pc": 260, "pstate": 265, "tpidr": 262,
    },
}  # fmt: skip

_ROLES: Final = {
    "x86_64": {"pc": "rip", "sp": "rsp", "result": "rax", "tls": "fs_base"},
    "aarch64": {"pc": "pc", "sp": "sp", "result": "x0", "tls": "tpidr"},
}


class RegisterFile:
    """What is the same for all contexts of one engine: numbers, sanitizers, C functions."""

    __slots__ = ("by_index", "engine", "fp_sanitize", "fp_size", "ids", "lib", "names", "numbers",
                 "roles", "sanitizers", "words")  # fmt: skip

    def __init__(self, arch: Arch, lib: Any, engine: int, words: memoryview) -> None:
        self.lib = lib
        self.engine = engine
        self.words = words
        self.ids = UNICORN_IDS[arch.name]
        self.names = arch.register_names
        self.numbers = array("i", [self.ids[name] for name in self.names])
        self.roles = {role: self.ids[name] for role, name in _ROLES[arch.name].items()}
        self.sanitizers: dict[int, Callable[[int], int]] = {
            self.ids[name]: function for name, function in SANITIZERS[arch.name].items()
        }
        self.by_index = [
            (index, self.sanitizers[number])
            for index, number in enumerate(self.numbers)
            if number in self.sanitizers
        ]
        self.fp_sanitize = FP_IMAGES[arch.name]
        self.fp_size = arch.fp_image_size

    def __repr__(self) -> str:
        return f"<RegisterFile {' '.join(self.names)}>"


class EngineRegisters:
    """Registers of one context, read from and written to the engine at once; nothing is cached."""

    __slots__ = ("_file", "_handle")

    def __init__(self, file: RegisterFile, handle: int) -> None:
        self._file = file
        self._handle = handle

    def __repr__(self) -> str:
        return f"<EngineRegisters of context {self._handle:#x}>"  # the engine may be gone

    def _read(self, number: int) -> int:
        file = self._file
        value: int = file.lib.engine_read_register(file.engine, self._handle, number)
        return value

    def _write(self, number: int, value: int) -> None:
        file = self._file
        value &= MASK64
        sanitize = file.sanitizers.get(number)
        if sanitize:
            value = sanitize(value)
        file.lib.engine_write_register(file.engine, self._handle, number, value)

    @property
    def pc(self) -> int:
        """The program counter."""
        return self._read(self._file.roles["pc"])

    @pc.setter
    def pc(self, value: int) -> None:
        self._write(self._file.roles["pc"], value)

    @property
    def sp(self) -> int:
        """The stack pointer."""
        return self._read(self._file.roles["sp"])

    @sp.setter
    def sp(self, value: int) -> None:
        self._write(self._file.roles["sp"], value)

    @property
    def result(self) -> int:
        """The register of system-call results."""
        return self._read(self._file.roles["result"])

    @result.setter
    def result(self, value: int) -> None:
        self._write(self._file.roles["result"], value)

    @property
    def tls(self) -> int:
        """The thread pointer."""
        return self._read(self._file.roles["tls"])

    @tls.setter
    def tls(self, value: int) -> None:
        self._write(self._file.roles["tls"], value)

    def get(self, name: str, /) -> int:
        """One register by name."""
        return self._read(self._file.ids[name])

    def set(self, name: str, value: int, /) -> None:
        """Set one register by name; sanitized."""
        self._write(self._file.ids[name], value)

    def general(self) -> tuple[int, ...]:
        """All general registers, in the order of ``Arch.register_names``."""
        file = self._file
        count = len(file.numbers)
        address = file.numbers.buffer_info()[0]
        file.lib.engine_read_registers(file.engine, self._handle, address, count)
        return tuple(file.words[W_REGISTERS : W_REGISTERS + count])

    def set_general(self, values: tuple[int, ...], /) -> None:
        """Set all general registers; sanitized."""
        file = self._file
        address, count = file.numbers.buffer_info()
        if len(values) != count:
            raise ValueError(f"{count} registers expected, not {len(values)}")
        clean = array("Q", [value & MASK64 for value in values])
        for index, sanitize in file.by_index:
            clean[index] = sanitize(clean[index])
        file.words[W_REGISTERS : W_REGISTERS + count] = memoryview(clean)
        file.lib.engine_write_registers(file.engine, self._handle, address, count)

    def fp_image(self) -> bytes:
        """Floating-point and vector registers; see kernel.arch.base.Registers."""
        file = self._file
        file.lib.engine_read_fp(file.engine, self._handle)
        return bytes(file.words.cast("B")[W_REGISTERS * 8 : W_REGISTERS * 8 + file.fp_size])

    def set_fp_image(self, image: bytes, /) -> None:
        """Set them all; sanitized."""
        file = self._file
        if len(image) != file.fp_size:
            raise ValueError(f"an image of {file.fp_size} bytes expected, not {len(image)}")
        start = W_REGISTERS * 8
        file.words.cast("B")[start : start + file.fp_size] = file.fp_sanitize(image)
        file.lib.engine_write_fp(file.engine, self._handle)
