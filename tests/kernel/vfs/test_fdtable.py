"""Descriptor tables against a dict, and the references they hold."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EBADF, EINVAL, EMFILE
from kernel.abi.files import O_CREAT, O_PATH, O_RDWR
from kernel.vfs.fdtable import FdTable
from kernel.vfs.openfile import OpenFile
from tests.support.files import FileWorld

LIMIT = 12


class TableAgainstDict(RuleBasedStateMachine):
    """Lowest free number, dup2, close-on-exec, copies."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = FileWorld(ram=1 << 20).root
        self.table = FdTable()
        self.model: dict[int, OpenFile] = {}
        self.cloexec: dict[int, None] = {}

    @rule(cloexec=st.booleans(), minimum=st.integers(0, LIMIT))
    def install(self, cloexec: bool, minimum: int) -> None:
        file = self.caller.open(b"/f", O_CREAT | O_RDWR)
        free = next(n for n in range(minimum, 100) if n not in self.model)
        if free >= LIMIT:
            with pytest.raises(EMFILE):
                self.table.install(file, cloexec, minimum, LIMIT)
            return
        assert self.table.install(file, cloexec, minimum, LIMIT) == free
        self.model[free] = file
        if cloexec:
            self.cloexec[free] = None

    @rule(fd=st.integers(-1, LIMIT))
    def close(self, fd: int) -> None:
        if fd not in self.model:
            with pytest.raises(EBADF):
                self.table.close(fd)
            return
        self.table.close(fd)
        del self.model[fd]
        self.cloexec.pop(fd, None)

    @rule(old=st.integers(0, LIMIT), new=st.integers(-1, LIMIT + 1), cloexec=st.booleans())
    def duplicate(self, old: int, new: int, cloexec: bool) -> None:
        if old not in self.model or not 0 <= new < LIMIT:
            with pytest.raises(EBADF):
                self.table.duplicate(old, new, cloexec, LIMIT)
        elif old == new:
            with pytest.raises(EINVAL):
                self.table.duplicate(old, new, cloexec, LIMIT)
        else:
            self.table.duplicate(old, new, cloexec, LIMIT)
            self.model[new] = self.model[old]
            self.cloexec.pop(new, None)
            if cloexec:
                self.cloexec[new] = None

    @rule()
    def exec(self) -> None:
        self.table.close_on_exec()
        for fd in self.cloexec:
            del self.model[fd]
        self.cloexec = {}

    @rule()
    def fork(self) -> None:
        old, self.table = self.table, self.table.copy()
        old.release()

    @invariant()
    def agrees(self) -> None:
        self.table.check_invariants()
        assert self.table.items() == sorted(self.model.items(), key=lambda item: item[0])
        assert sorted(self.table.cloexec) == sorted(self.cloexec)
        for file in self.model.values():
            assert file.refs == sum(1 for other in self.model.values() if other is file)


TestTableAgainstDict = TableAgainstDict.TestCase
TestTableAgainstDict.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_o_path_is_only_a_place() -> None:
    caller = FileWorld(ram=1 << 20).root
    caller.open(b"/f", O_CREAT | O_RDWR)
    fd = caller.fds.install(caller.open(b"/f", O_PATH))
    with pytest.raises(EBADF):
        caller.fds.get(fd)
    assert caller.fds.get_any(fd).is_path


def test_a_file_that_finds_no_number_is_closed() -> None:
    caller = FileWorld(ram=1 << 20).root
    file = caller.open(b"/f", O_CREAT | O_RDWR)
    inode = file.inode
    with pytest.raises(EMFILE):
        caller.fds.install(file, limit=0)
    assert inode.opens == 0
    assert inode.writers == 0
