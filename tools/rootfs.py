"""``--rootfs FILE``: opening the archive of a root file system, whatever it is compressed with.

gz, bz2 and xz are Python's own.  zst is where Python is 3.14 or newer; before that zstd(1) does it,
where the host has one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from kernel.fs.tarball import BadArchive, unpack
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.vfs.inode import Inode

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


def unpack_root(archive: str, root: Inode) -> int:
    """Fill ``root`` from the archive; a DioramaError says what is wrong with it."""
    try:
        with _opened(Path(archive)) as stream:
            return unpack(stream, root)
    except BadArchive as error:
        raise DioramaError(f"--rootfs {archive}: {error}") from error
    except OSError as error:
        raise DioramaError(f"--rootfs {archive}: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        compressed = file.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
        file.seek(0)
        if not compressed:
            yield file
            return
    with _zstd(path) as stream:
        yield stream


@contextmanager
def _zstd(path: Path) -> Iterator[IO[bytes]]:
    if find_spec("compression") is not None:
        with import_module("compression.zstd").open(path) as stream:
            yield stream
        return
    program = shutil.which("zstd")
    if program is None:
        raise DioramaError(
            f"--rootfs {path}: zstd-compressed, which needs Python 3.14 or the zstd program; "
            "a tar compressed with gz or xz works"
        )
    with subprocess.Popen([program, "-dcq", "--", path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout
        process.stdout.close()
