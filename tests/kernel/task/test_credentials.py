"""The rules of setuid and its family, case by case and against what must always hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.abi.errors import EINVAL, EPERM
from kernel.cred import ALL_CAPABILITIES, CAP_SETUID, Credentials
from kernel.task import credentials as rules
from kernel.task.credentials import NO_ID, SECBIT_KEEP_CAPS

ROOT = Credentials.for_user(0, 0)
USER = Credentials.for_user(1000, 100)


def uids(cred: Credentials) -> tuple[int, int, int, int]:
    return cred.ruid, cred.euid, cred.suid, cred.fsuid


def gids(cred: Credentials) -> tuple[int, int, int, int]:
    return cred.rgid, cred.egid, cred.sgid, cred.fsgid


def test_root_becomes_somebody_for_good() -> None:
    cred = rules.setuid(ROOT, 5)
    assert uids(cred) == (5, 5, 5, 5)
    assert cred.permitted == cred.effective == 0
    with pytest.raises(EPERM):
        rules.setuid(cred, 0)


def test_a_set_uid_program_goes_back_and_forth() -> None:
    cred = USER.changed(euid=0, suid=0, fsuid=0, permitted=1, effective=1)
    cred = rules.setresuid(cred, NO_ID, 1000, NO_ID)
    assert uids(cred) == (1000, 1000, 0, 1000)
    assert (cred.permitted, cred.effective) == (1, 0)
    cred = rules.setuid(cred, 0)
    assert uids(cred) == (1000, 0, 0, 0)
    assert cred.effective == 1


def test_setreuid_saves_what_it_should() -> None:
    assert uids(rules.setreuid(ROOT, NO_ID, 7)) == (0, 7, 7, 7)
    assert uids(rules.setreuid(ROOT, 7, NO_ID)) == (7, 0, 0, 0)
    assert uids(rules.setreuid(USER, NO_ID, NO_ID)) == (1000, 1000, 1000, 1000)
    with pytest.raises(EPERM):
        rules.setreuid(USER, 5, NO_ID)
    with pytest.raises(EPERM):
        rules.setreuid(USER, NO_ID, 5)


def test_setresuid_of_a_user_permutes() -> None:
    cred = Credentials(1, 2, 3, 2, permitted=0, effective=0)
    assert uids(rules.setresuid(cred, 3, 1, 2)) == (3, 1, 2, 1)
    with pytest.raises(EPERM):
        rules.setresuid(cred, NO_ID, NO_ID, 4)


def test_minus_one_is_no_id() -> None:
    for call in (rules.setuid, rules.setgid):
        with pytest.raises(EINVAL):
            call(ROOT, NO_ID)
    assert rules.setfsuid(ROOT, NO_ID) is ROOT


def test_fsuid_takes_and_gives_file_capabilities() -> None:
    cred = rules.setfsuid(ROOT, 5)
    assert cred.fsuid == 5
    assert cred.effective == ALL_CAPABILITIES & ~rules.FS_CAPABILITIES
    assert rules.setfsuid(cred, 0) == ROOT
    assert rules.setfsuid(USER, 5) is USER


def test_groups() -> None:
    assert gids(rules.setgid(ROOT, 5)) == (5, 5, 5, 5)
    assert gids(rules.setregid(ROOT, NO_ID, 5)) == (0, 5, 5, 5)
    assert gids(rules.setresgid(ROOT, 1, 2, 3)) == (1, 2, 3, 2)
    with pytest.raises(EPERM):
        rules.setgid(USER, 5)
    with pytest.raises(EPERM):
        rules.setresgid(USER, 5, NO_ID, NO_ID)
    assert rules.setgroups(ROOT, (7, 3, 5)).groups == (3, 5, 7)


def test_keepcaps() -> None:
    cred = rules.setuid(ROOT.changed(securebits=SECBIT_KEEP_CAPS), 5)
    assert (cred.permitted, cred.effective) == (ALL_CAPABILITIES, 0)


IDS = st.sampled_from([0, 1, 2, 3, NO_ID])


@given(
    st.tuples(*[st.sampled_from([0, 1, 2, 3])] * 3),
    st.booleans(),
    st.sampled_from(["setuid", "setreuid", "setresuid"]),
    st.tuples(IDS, IDS, IDS),
)
def test_nobody_gets_an_id_he_did_not_have(
    have: tuple[int, int, int], may: bool, name: str, wanted: tuple[int, int, int]
) -> None:
    caps = 1 << CAP_SETUID if may else 0
    cred = Credentials(*have, have[1], permitted=caps, effective=caps)
    call = getattr(rules, name)
    count = {"setuid": 1, "setreuid": 2, "setresuid": 3}[name]
    try:
        new = call(cred, *wanted[:count])
    except (EPERM, EINVAL):
        assert not may or NO_ID in wanted
        return
    assert new.fsuid == new.euid
    if not may:
        assert {new.ruid, new.euid, new.suid} <= set(have)
    assert not new.effective & ~new.permitted
