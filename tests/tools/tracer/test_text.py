"""How values look, against what strace 6.1 prints."""

from __future__ import annotations

import pytest

from tools.tracer import text
from tools.tracer.names import CONSTANTS, FLAGS
from tools.tracer.show_files import open_flags_text, symbolic_mode
from tools.tracer.show_process import clone_flags_text, limit_text, wait_status
from tools.tracer.show_signals import mask_text
from tools.tracer.strace import end_text


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", '""'),
        (b"hello\n", r'"hello\n"'),
        (b'a"b\\c\t', r'"a\"b\\c\t"'),
        (b"\x01\x018\x009\x7f\xff", r'"\1\18\09\177\377"'),
        (b"\x017", r'"\0017"'),
        (b"\0\0", r'"\0\0"'),
    ],
)
def test_quote_is_as_short_as_c_allows(data: bytes, shown: str) -> None:
    assert text.quote(data) == shown


def test_quote_cut_and_hex() -> None:
    assert text.quote(b"abc", cut=True) == '"abc"...'
    assert text.quote(b"\x01z", force_hex=True) == r'"\x01\x7a"'


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "000"), (5, "005"), (0o22, "022"), (0o644, "0644"), (0o4755, "04755")]
)
def test_mode_bits(value: int, shown: str) -> None:
    assert text.mode_bits(value) == shown


def test_flags_join_and_keep_what_has_no_name() -> None:
    prot = FLAGS["prot"]
    assert prot.text(0) == "PROT_NONE"
    assert prot.text(3) == "PROT_READ|PROT_WRITE"
    assert prot.text(0x11) == "PROT_READ|0x10"
    assert prot.text(0x10) == "0x10 /* PROT_??? */"


def test_constants_name_or_number() -> None:
    assert CONSTANTS["whence"].text(2) == "SEEK_END"
    assert CONSTANTS["whence"].text(7) == "0x7 /* SEEK_??? */"
    assert CONSTANTS["madvise"].text(4) == "MADV_DONTNEED"


def test_open_flags_order_is_straces() -> None:
    assert open_flags_text(0o2204000) == "O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY"
    assert open_flags_text(0o101) == "O_WRONLY|O_CREAT"
    assert open_flags_text(0o20200002) == "O_RDWR|O_TMPFILE"


def test_symbolic_modes() -> None:
    assert symbolic_mode(0o041777) == "S_IFDIR|S_ISVTX|0777"
    assert symbolic_mode(0o104755) == "S_IFREG|S_ISUID|0755"
    assert symbolic_mode(0o010666) == "S_IFIFO|0666"


def test_signal_masks_invert_from_two_thirds() -> None:
    assert mask_text(0) == "[]"
    assert mask_text(1 << 1 | 1 << 14) == "[INT TERM]"
    assert mask_text((1 << 64) - 1 & ~(1 << 8)) == "~[KILL]"
    assert mask_text((1 << 64) - 1 & ~(3 << 31)) == "~[RTMIN RT_1]"


def test_wait_statuses() -> None:
    assert wait_status(3 << 8) == "{WIFEXITED(s) && WEXITSTATUS(s) == 3}"
    assert wait_status(9) == "{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}"
    assert wait_status(11 | 0x80) == "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"
    assert wait_status(20 << 8 | 0x7F) == "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTSTP}"
    assert wait_status(0xFFFF) == "{WIFCONTINUED(s)}"


def test_ends() -> None:
    assert end_text(3 << 8) == "exited with 3"
    assert end_text(11 | 0x80) == "killed by SIGSEGV (core dumped)"
    assert end_text(15) == "killed by SIGTERM"


def test_limits_and_clone() -> None:
    assert limit_text(8 << 20, "RLIM64_INFINITY") == "8192*1024"
    assert limit_text((1 << 64) - 1, "RLIM64_INFINITY") == "RLIM64_INFINITY"
    assert limit_text(1024, "") == "1024"
    assert clone_flags_text(0x1200011) == "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"


def test_times_are_utc() -> None:
    assert text.calendar(1, 2) == "1970-01-01T00:00:01.000000002+0000"
    assert text.calendar(1073741823) == "2004-01-10T13:37:03+0000"
