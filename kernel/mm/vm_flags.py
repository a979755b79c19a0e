"""Flags of an area, as in Linux's ``include/linux/mm.h``; the PROT bits are the lowest three."""

from __future__ import annotations

from typing import Final

VM_READ: Final = 1
VM_WRITE: Final = 2
VM_EXEC: Final = 4
VM_SHARED: Final = 8
VM_MAYREAD: Final = 0x10
VM_MAYWRITE: Final = 0x20
VM_MAYEXEC: Final = 0x40
VM_MAYSHARE: Final = 0x80
VM_GROWSDOWN: Final = 0x100
VM_LOCKED: Final = 0x2000
VM_DONTCOPY: Final = 0x20000
VM_DONTEXPAND: Final = 0x40000
VM_LOCKONFAULT: Final = 0x80000
VM_ACCOUNT: Final = 0x100000
"""The area's pages are charged against the commit limit."""
VM_NORESERVE: Final = 0x200000
VM_WIPEONFORK: Final = 0x2000000
VM_DONTDUMP: Final = 0x4000000

VM_ACCESS: Final = VM_READ | VM_WRITE | VM_EXEC
VM_MAY: Final = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
