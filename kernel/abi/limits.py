"""Sizes and limits of the ABI, all on one page; see limits.h, param.h."""

from __future__ import annotations

from typing import Final

# paths and names
PATH_MAX: Final = 4096
NAME_MAX: Final = 255
XATTR_NAME_MAX: Final = 255
XATTR_SIZE_MAX: Final = 65536
XATTR_LIST_MAX: Final = 65536
SYMLOOP_MAX: Final = 40

# execve(2)
MAX_ARG_STRLEN: Final = 131072
MAX_ARG_STRINGS: Final = 2147483647
BINPRM_BUF_SIZE: Final = 256

# readv(2), writev(2)
UIO_MAXIOV: Final = 0x400
UIO_FASTIOV: Final = 0x8
MAX_RW_COUNT: Final = 0x7FFFF000

# pipes
PIPE_BUF: Final = 4096
PIPE_DEFAULT_SIZE: Final = 65536
PIPE_MAX_SIZE: Final = 1048576

# uname(2), prctl(2)
__NEW_UTS_LEN: Final = 64
TASK_COMM_LEN: Final = 16

# processes
PID_MAX: Final = 32768
NGROUPS_MAX: Final = 65536
CPU_SETSIZE: Final = 1024

# memory
PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 4096
