"""What the tests of file calls share."""

from __future__ import annotations

import pytest

from kernel.fs.root import make_directory, make_file, make_link
from tests.support.calls import Guest


@pytest.fixture
def guest(arch: str) -> Guest:
    made = Guest(arch)
    root = made.world.rootfs.root
    make_directory(root, b"dir/sub")
    make_file(root, b"dir/file", b"0123456789")
    make_link(root, b"link", b"dir/file")
    return made
