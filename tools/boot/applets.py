"""The applet links of a BusyBox, from its own ``--list-full``.

The list is taken once per binary by running it in a small machine of its own, and cached under the
hash of the binary's contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tools.cache import cache_directory, install_file


def applet_links(busybox: str, list_applets: Callable[[str], bytes]) -> list[bytes]:
    """Paths without a leading slash (``bin/ls``) that are to be links to this BusyBox.

    ``list_applets(path)`` runs ``path --list-full`` in a guest and returns its output.
    """
    digest = hashlib.sha256(Path(busybox).read_bytes()).hexdigest()
    cached = cache_directory() / "applets" / digest
    try:
        listing = cached.read_bytes()
    except OSError:
        listing = list_applets(busybox)
        with suppress(OSError):  # a cache that cannot be written only costs time
            install_file(cached, listing)
    return [line for line in listing.split(b"\n") if line and line != b"bin/busybox"]
