"""The path walk against a naive model, and each of its flags."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import (
    EACCES,
    EBADF,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    EXDEV,
    KernelError,
)
from kernel.abi.files import (
    AT_FDCWD,
    O_DIRECTORY,
    O_PATH,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from kernel.fs.root import make_directory, make_file, make_link
from kernel.fs.tmpfs import Tmpfs
from kernel.vfs.dentry import path_from
from kernel.vfs.walk import DIRECTORY, EMPTY, FOLLOW, walk, walk_create, walk_parent
from tests.support.files import FakeCaller, FileWorld

# --- a naive model -------------------------------------------------------------------------------

Tree = dict[str, "Tree | str | None"]  # a directory, a link's text, or a file
NAMES = ("a", "b", "c")


class Model:
    """Recursive resolution on nested dicts: the definition, without speed."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.links = 0

    def resolve(self, where: tuple[str, ...], path: str, follow: bool) -> tuple[str, ...]:
        here = () if path.startswith("/") else where
        parts = [part for part in path.split("/") if part]
        slash = path.endswith("/")
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            if not isinstance(self.at(here), dict):
                raise ENOTDIR
            if part == ".":
                continue
            if part == "..":
                here = here[:-1]
                continue
            directory = self.at(here)
            assert isinstance(directory, dict)
            if part not in directory:
                raise ENOENT
            node = directory[part]
            if isinstance(node, str) and (not last or slash or follow):
                self.links += 1
                if self.links > 40:
                    raise ELOOP
                here = self.resolve(here, node, True)
            else:
                here = (*here, part)
        if slash and not isinstance(self.at(here), dict):
            raise ENOTDIR
        return here

    def at(self, where: tuple[str, ...]) -> Tree | str | None:
        node: Tree | str | None = self.tree
        for name in where:
            assert isinstance(node, dict)
            node = node[name]
        return node


components = st.sampled_from((*NAMES, ".", "..", "a", "b"))
paths = st.builds(
    lambda root, parts, slash: (root + "/".join(parts) + slash) or ".",
    st.sampled_from(("", "", "/")),
    st.lists(components, min_size=1, max_size=4),
    st.sampled_from(("", "", "", "/", "//")),
)
trees = st.recursive(
    st.one_of(st.none(), paths),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


def build(caller: FakeCaller, tree: Tree, prefix: bytes) -> None:
    root = caller.fs.root.inode
    for name, node in tree.items():
        path = prefix + b"/" + name.encode()
        if isinstance(node, dict):
            make_directory(root, path)
            build(caller, node, path)
        elif node is None:
            make_file(root, path, b"")
        else:
            make_link(root, path, node.encode())


@settings(max_examples=150, deadline=None)
@given(tree=trees, asked=st.lists(st.tuples(paths, st.booleans()), min_size=1, max_size=12))
def test_walk_agrees_with_the_naive_model(tree: Tree, asked: list[tuple[str, bool]]) -> None:
    caller = FileWorld(ram=1 << 20).root
    build(caller, tree, b"")
    for path, follow in asked:
        try:
            expected: object = "/" + "/".join(Model(tree).resolve((), path, follow))
        except KernelError as error:
            expected = type(error)
        try:
            place = walk(caller, AT_FDCWD, path.encode(), FOLLOW if follow else 0)
            found: object = path_from(caller.fs.root, place)[0].decode()
        except KernelError as error:
            found = type(error)
        assert found == expected, path


# --- by hand -------------------------------------------------------------------------------------


@pytest.fixture
def caller() -> FakeCaller:
    world = FileWorld(ram=1 << 20)
    root = world.rootfs.root
    for path in (b"d/e/f", b"mnt", b"private"):
        make_directory(root, path)
    make_file(root, b"d/file", b"x")
    make_file(root, b"d/e/deep", b"y")
    make_link(root, b"d/abs", b"/d/e")
    make_link(root, b"d/up", b"../d/file")
    make_link(root, b"d/out", b"../../d/file")
    make_link(root, b"loop", b"loop")
    return world.root


def where(caller: FakeCaller, path: bytes, flags: int = FOLLOW, dirfd: int = AT_FDCWD) -> bytes:
    return path_from(caller.fs.root, walk(caller, dirfd, path, flags))[0]


def test_empty_path_needs_the_flag(caller: FakeCaller) -> None:
    with pytest.raises(ENOENT):
        where(caller, b"")
    fd = caller.fd(b"/d/file")
    assert where(caller, b"", EMPTY, fd) == b"/d/file"
    assert where(caller, b"", EMPTY) == b"/"


def test_dirfd_is_where_relative_paths_start(caller: FakeCaller) -> None:
    fd = caller.fd(b"/d/e", O_PATH | O_DIRECTORY)
    assert where(caller, b"deep", dirfd=fd) == b"/d/e/deep"
    assert where(caller, b"/d", dirfd=99) == b"/d"
    with pytest.raises(EBADF):
        where(caller, b"x", dirfd=99)
    with pytest.raises(ENOTDIR):
        where(caller, b"x", dirfd=caller.fd(b"/d/file"))


def test_forty_links_are_enough_and_forty_one_are_not(caller: FakeCaller) -> None:
    root = caller.fs.root.inode
    make_file(root, b"l0", b"")
    for number in range(1, 42):
        make_link(root, b"l%d" % number, b"l%d" % (number - 1))
    assert where(caller, b"l40") == b"/l0"
    with pytest.raises(ELOOP):
        where(caller, b"l41")
    with pytest.raises(ELOOP):
        where(caller, b"loop/x")


def test_long_names_and_paths(caller: FakeCaller) -> None:
    with pytest.raises(ENOENT):
        where(caller, b"x" * 255)
    with pytest.raises(ENAMETOOLONG):
        where(caller, b"x" * 256)
    with pytest.raises(ENAMETOOLONG):
        where(caller, b"./" * 2048)
    assert where(caller, b"./" * 2047 + b"d") == b"/d"


def test_search_permission_is_needed_even_for_dot(caller: FakeCaller) -> None:
    caller.inode(b"/private").mode = 0o40700
    user = caller.kernel.caller(1000)
    for path in (b"/private/.", b"/private/..", b"/private/x"):
        with pytest.raises(EACCES):
            where(user, path)
    assert where(user, b"/private") == b"/private"


@pytest.mark.parametrize("path", [b"..", b"e/../..", b"/d", b"abs", b"out"])
def test_beneath_refuses_every_way_out(caller: FakeCaller, path: bytes) -> None:
    fd = caller.fd(b"/d", O_DIRECTORY)
    with pytest.raises(EXDEV):
        where(caller, path, FOLLOW | RESOLVE_BENEATH, fd)
    assert where(caller, b"e/../file", FOLLOW | RESOLVE_BENEATH, fd) == b"/d/file"


def test_in_root_stays_inside(caller: FakeCaller) -> None:
    fd = caller.fd(b"/d", O_DIRECTORY)
    flags = FOLLOW | RESOLVE_IN_ROOT
    assert where(caller, b"../../e", flags, fd) == b"/d/e"
    assert where(caller, b"/e/deep", flags, fd) == b"/d/e/deep"
    with pytest.raises(ENOENT):  # /d/e inside /d is not there
        where(caller, b"abs", flags, fd)


def test_no_symlinks(caller: FakeCaller) -> None:
    with pytest.raises(ELOOP):
        where(caller, b"/d/up", FOLLOW | RESOLVE_NO_SYMLINKS)
    assert where(caller, b"/d/up", RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS) == b"/d/up"


def test_no_xdev_refuses_mount_points_both_ways(caller: FakeCaller) -> None:
    world = caller.kernel
    sb = Tmpfs(world.frames, world.mounts.new_dev(), world.now)
    world.mounts.mount(sb, walk(caller, AT_FDCWD, b"/mnt"))
    make_directory(sb.root, b"in")
    assert where(caller, b"/mnt/in/../../d") == b"/d"
    with pytest.raises(EXDEV):
        where(caller, b"/mnt/in", FOLLOW | RESOLVE_NO_XDEV)
    fd = caller.fd(b"/mnt/in", O_DIRECTORY)
    with pytest.raises(EXDEV):
        where(caller, b"../..", FOLLOW | RESOLVE_NO_XDEV, fd)
    assert where(caller, b"..", FOLLOW | RESOLVE_NO_XDEV, fd) == b"/mnt"


def test_directory_flag(caller: FakeCaller) -> None:
    with pytest.raises(ENOTDIR):
        where(caller, b"/d/file", FOLLOW | DIRECTORY)
    with pytest.raises(ENOTDIR):
        where(caller, b"/d/abs", DIRECTORY)


def test_parent_mode_leaves_the_last_name_alone(caller: FakeCaller) -> None:
    last = walk_parent(caller, AT_FDCWD, b"/d/loop//")
    assert (last.name, last.slash) == (b"loop", True)
    assert walk_parent(caller, AT_FDCWD, b"//").name == b""
    assert walk_parent(caller, AT_FDCWD, b"d/..").name == b".."


def test_create_mode_follows_a_dangling_link(caller: FakeCaller) -> None:
    make_link(caller.fs.root.inode, b"dangling", b"d/new")
    last = walk_create(caller, AT_FDCWD, b"dangling", FOLLOW)
    assert last.path is None
    assert last.name == b"new"
    assert path_from(caller.fs.root, last.parent)[0] == b"/d"
    make_link(caller.fs.root.inode, b"slashed", b"d/new//")
    for path in (b"d/new/", b"slashed"):
        with pytest.raises(EISDIR):
            walk_create(caller, AT_FDCWD, path, FOLLOW)


def test_chroot_is_the_top(caller: FakeCaller) -> None:
    caller.fs.set_root(walk(caller, AT_FDCWD, b"/d"))
    caller.fs.set_cwd(caller.fs.root)
    assert where(caller, b"/../../e/..") == b"/"
    assert where(caller, b"/file") == b"/file"
