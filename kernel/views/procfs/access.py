"""Who may look into a process.  See ptrace(2), "Ptrace access mode checking".

Its memory, environment, open files and places are shown only to the same user (all of its user and
group ids), if it may leave a core, or to CAP_SYS_PTRACE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EACCES
from kernel.cred import CAP_SYS_PTRACE

if TYPE_CHECKING:
    from kernel.task.task import Task


def may_look(task: Task, target: Task) -> bool:
    """PTRACE_MODE_READ_FSCREDS.

    ``task`` may be an access(2) caller in the shape of its real user, which has no group.
    """
    if task.tgid == target.tgid:
        return True
    if task.cred.capable(CAP_SYS_PTRACE):
        return True
    mine, theirs = task.cred, target.cred
    same_user = mine.fsuid == theirs.ruid == theirs.euid == theirs.suid
    same_group = mine.fsgid == theirs.rgid == theirs.egid == theirs.sgid
    return same_user and same_group and target.group.dumpable == 1


def check_look(task: Task, target: Task) -> None:
    """EACCES unless ``may_look``."""
    if not may_look(task, target):
        raise EACCES(
            "process %d belongs to uid %d; uid %d may not look into it without CAP_SYS_PTRACE",
            target.tgid, target.cred.ruid, task.cred.fsuid,
        )  # fmt: skip
