"""The table of errors is Linux's, raised here or not."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from kernel.abi import errors
from kernel.abi.errors import BY_NAME, BY_NUMBER, ENOENT, KernelError
from kernel.abi.unused_errors import UNUSED


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are Linux's")
def test_every_error_of_linux_has_its_number_and_text() -> None:
    found = {number: (name, os.strerror(number)) for number, name in errno.errorcode.items()}
    found[errno.EDEADLK] = ("EDEADLK", os.strerror(errno.EDEADLK))  # not its second name
    found[errno.EOPNOTSUPP] = ("EOPNOTSUPP", os.strerror(errno.EOPNOTSUPP))
    ours = {number: (kind.__name__, kind.text) for number, kind in BY_NUMBER.items()}
    assert {number: ours[number] for number in sorted(ours) if number < 512} == found


def test_the_order_is_that_of_the_numbers() -> None:
    assert list(BY_NUMBER) == sorted(BY_NUMBER)
    assert [kind.errno for kind in BY_NAME.values()] == list(BY_NUMBER)


def test_an_error_is_written_down_once() -> None:
    assert not {name for _, name, _ in UNUSED} & set(vars(errors))


def test_one_that_is_never_raised_can_be_all_the_same() -> None:
    with pytest.raises(KernelError, match="the quota") as caught:
        raise BY_NAME["EDQUOT"]("the quota of %s is full", b"/home")
    assert (caught.value.name, caught.value.reason) == ("EDQUOT", "the quota of /home is full")
    assert BY_NAME["ENOENT"] is ENOENT
