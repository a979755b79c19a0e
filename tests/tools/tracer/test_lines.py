"""Columns, prefixes, and lines that others interrupt."""

from __future__ import annotations

import io

from tools.tracer.lines import Lines, Prefix


def lines(prefix: Prefix | None = None, now: int = 0) -> tuple[Lines, io.StringIO]:
    sink = io.StringIO()
    return Lines(sink, prefix or Prefix(), lambda: now), sink


def test_the_result_stands_in_column_40() -> None:
    out, sink = lines()
    out.begin(2)
    out.write("close(3")
    out.result("0")
    out.flush()
    assert sink.getvalue() == "close(3)" + " " * 32 + "= 0\n"
    assert sink.getvalue().index("=") == 40


def test_a_long_line_has_one_space() -> None:
    out, sink = lines()
    out.begin(2)
    out.write("x" * 60)
    out.result("0")
    out.flush()
    assert sink.getvalue() == "x" * 60 + ") = 0\n"


def test_another_task_leaves_the_line_unfinished() -> None:
    out, sink = lines(Prefix(pid_always=True))
    out.begin(17663)
    out.write("read(3, ")
    out.line(17664, "+++ exited with 0 +++")
    out.resume(17663, "read")
    out.write('"hi", 2')
    out.result("2")
    out.flush()
    assert sink.getvalue() == (
        "17663 read(3,  <unfinished ...>\n"
        "17664 +++ exited with 0 +++\n" + '17663 <... read resumed>"hi", 2)'.ljust(40) + "= 2\n"
    )


def test_resuming_ones_own_line_says_nothing() -> None:
    out, sink = lines()
    out.begin(2)
    out.write("getpid(")
    out.resume(2, "getpid")
    out.result("2")
    out.flush()
    assert sink.getvalue().startswith("getpid()")


def test_pids_on_the_terminal_only_from_the_second_task_on() -> None:
    out, sink = lines(Prefix(pid_if_many=True))
    out.tasks = 1
    out.line(2, "a")
    out.tasks = 2
    out.line(3, "b")
    assert sink.getvalue() == "a\n[pid     3] b\n"


def test_time_stamps() -> None:
    now = 1_000_000_000_123_456_789
    for prefix, shown in (
        (Prefix(absolute="unix.us"), "1000000000.123456 a\n"),
        (Prefix(absolute="unix.s"), "1000000000 a\n"),
        (Prefix(relative="us"), "     0.000000 a\n"),
        (Prefix(relative="s"), "     0 a\n"),
        (Prefix(absolute="unix.ms", relative="ms"), "1000000000.123 (+     0.000) a\n"),
    ):
        out, sink = lines(prefix, now)
        out.line(2, "a")
        assert sink.getvalue() == shown
    out, sink = lines(Prefix(absolute="time.us"), now)
    out.line(2, "a")
    assert sink.getvalue()[8:] == ".123456 a\n"
