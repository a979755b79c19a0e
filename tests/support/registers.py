"""Registers and memory as plain dictionaries, for tests of code that only moves them about."""

from __future__ import annotations

from kernel.abi.errors import EFAULT
from kernel.arch.base import Arch

MASK = (1 << 64) - 1


class PlainRegisters:
    """``kernel.arch.base.Registers`` that stores what it is given; sanitizes nothing."""

    def __init__(self, arch: Arch, **values: int) -> None:
        self._arch = arch
        self._values = dict.fromkeys(arch.register_names, 0) | values
        self._fp = arch.clean_fp_image
        x86 = arch.name == "x86_64"
        self._pc = "rip" if x86 else "pc"
        self._sp = "rsp" if x86 else "sp"
        self._result = "rax" if x86 else "x0"
        self._tls = "fs_base" if x86 else "tpidr"

    def get(self, name: str, /) -> int:
        return self._values[name]

    def set(self, name: str, value: int, /) -> None:
        assert name in self._values
        self._values[name] = value & MASK

    @property
    def pc(self) -> int:
        return self._values[self._pc]

    @pc.setter
    def pc(self, value: int) -> None:
        self._values[self._pc] = value & MASK

    @property
    def sp(self) -> int:
        return self._values[self._sp]

    @sp.setter
    def sp(self, value: int) -> None:
        self._values[self._sp] = value & MASK

    @property
    def result(self) -> int:
        return self._values[self._result]

    @result.setter
    def result(self, value: int) -> None:
        self._values[self._result] = value & MASK

    @property
    def tls(self) -> int:
        return self._values[self._tls]

    @tls.setter
    def tls(self, value: int) -> None:
        self._values[self._tls] = value & MASK

    def general(self) -> tuple[int, ...]:
        return tuple(self._values[name] for name in self._arch.register_names)

    def set_general(self, values: tuple[int, ...], /) -> None:
        self._values = dict(zip(self._arch.register_names, values, strict=True))

    def fp_image(self) -> bytes:
        return self._fp

    def set_fp_image(self, image: bytes, /) -> None:
        assert len(image) == self._arch.fp_image_size
        self._fp = bytes(image)


class PlainMemory:
    """One mapped range; everything outside is EFAULT."""

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.data = bytearray(size)

    def _offset(self, address: int, size: int) -> int:
        if address < self.start or address + size > self.start + len(self.data):
            raise EFAULT(f"{address:#x}")
        return address - self.start

    def read(self, address: int, size: int, /) -> bytes:
        at = self._offset(address, size)
        return bytes(self.data[at : at + size])

    def write(self, address: int, data: bytes, /) -> None:
        at = self._offset(address, len(data))
        self.data[at : at + len(data)] = data
