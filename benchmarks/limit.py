"""The limit of the engine with preemption: a yardstick's bare Unicorn runner, with a block hook.

    python benchmarks/limit.py RUNNER MODE BINARY ARGS...

RUNNER is the ``ucrun.py`` of a yardstick directory, which runs a static program on bare Unicorn.
It is executed as it is, with one native hook added that counts blocks: the price of ending a loop
without system calls, whoever pays it.  x86_64 hosts only, since the hook is machine code.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any, Final

# void hook(uc, address, size, long *counter): dec qword [rcx]; ret
HOOK_CODE: Final = bytes.fromhex("48ff09c3")
UC_HOOK_BLOCK: Final = 8
_kept: list[Any] = []  # what C code points to must not be freed


def add_block_hook(engine: Any) -> None:
    """Count blocks natively on a ``unicorn.Uc``."""
    from unicorn.unicorn_py3.unicorn import uclib

    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(HOOK_CODE)
    counter, handle = ctypes.c_long(1 << 60), ctypes.c_size_t()
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    _kept.extend((code, counter, handle))
    uclib.uc_hook_add.restype = ctypes.c_int
    status = uclib.uc_hook_add(
        engine._uch, ctypes.byref(handle), ctypes.c_int(UC_HOOK_BLOCK), ctypes.c_void_p(address),
        ctypes.byref(counter), ctypes.c_uint64(1), ctypes.c_uint64(0),
    )  # fmt: skip
    if status:
        raise SystemExit(f"uc_hook_add: error {status}")


def main() -> None:
    """Run the runner with every engine hooked before it starts."""
    import unicorn

    runner = sys.argv[1]
    del sys.argv[0]
    engines: Any = unicorn  # its classes carry no types
    plain = engines.Uc.emu_start

    def hooked(engine: Any, *args: Any, **more: Any) -> None:
        add_block_hook(engine)
        plain(engine, *args, **more)

    engines.Uc.emu_start = hooked
    with open(runner, encoding="utf-8") as file:
        exec(compile(file.read(), runner, "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
