"""Sessions with the console: where it stops, how it goes on, what it changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.debian import debian_root
from tests.support.guest import run_cli
from tests.tools.console.debugged import lines, program, session

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]


# -- beginning and end ---------------------------------------------------------------------------


def test_it_stops_before_the_first_instruction(arch: str) -> None:
    done = session(arch, "word", ["quit 7"])
    assert (done.status, done.stdout) == (7, b"")
    assert re.fullmatch(r"2 \S+ is about to start at 0x[0-9a-f]+ _start", lines(done)[0])


def test_the_end_of_the_commands_is_quit(arch: str) -> None:
    """And the call it was about to make is not made."""
    done = session(arch, "word", ["break write", "continue"])
    assert (done.status, done.stdout) == (0, b"")


@pytest.mark.parametrize("way", ["continue", "detach"])
def test_the_status_is_the_programs(arch: str, way: str) -> None:
    assert session(arch, "twice", [way]).status == 42
    done = session(arch, "fault", [way])
    assert (done.status, done.stdout) == (139, b"before\n")
    if way == "continue":
        assert lines(done)[-1].endswith("killed by SIGSEGV")


def test_detach_stops_nowhere_any_more(arch: str) -> None:
    done = session(arch, "word", ["break write", "c", "detach", "regs"])
    assert (done.status, done.stdout) == (0, b"unchanged\n")
    assert len(lines(done)) == 3


# -- calls ---------------------------------------------------------------------------------------


def test_a_call_with_a_predicate(arch: str) -> None:
    commands = ['break write if count > 5 and b"unch" in buf', "c", "info breaks", "c"]
    done = session(arch, "word", commands)
    assert (done.status, done.stdout) == (0, b"unchanged\n")
    said = lines(done)
    assert sum("enters write(1, " in line for line in said) == 1
    assert any(re.match(r" *1  call +1  yes", line) for line in said), said


def test_sets_of_calls_and_counted_passes(arch: str) -> None:
    done = session(arch, "word", ["break /^write$", "break exit_group,kill", "c", "c 2", "c"])
    stops = [line for line in lines(done) if "enters" in line]
    assert len(stops) == 2
    assert '"unchanged", 9' in stops[0]
    assert "exit_group(0)" in stops[1]


def test_delete_forgets_some_and_keeps_the_others(arch: str) -> None:
    commands = ["break write", "break *main", "break exit_group", "watch counter", "catch signal"]
    done = session(arch, "word", [*commands, "delete 1 4 1", "delete 2", "info breaks", "c", "c"])
    assert (done.status, done.stdout) == (0, b"unchanged\n")
    said = lines(done)
    assert [line.split()[:2] for line in said[-4:-2]] == [["3", "call"], ["5", "catch"]], said
    assert "enters exit_group" in said[-2]


def test_finish_and_step_show_what_came_back(arch: str) -> None:
    done = session(arch, "word", ["break write", "c", "finish", "delete", "step", "step"])
    assert done.stdout == b"unchanged\n"
    returns = [line.split(" ", 2)[2] for line in lines(done) if "returns" in line]
    assert returns == [
        'returns from write(1, "unchanged", 9) = 9',
        'returns from write(1, "\\n", 1) = 1',
    ]
    assert lines(done)[-1].endswith("exited with 0"), "a step over exit_group is the end"


def test_finish_waits_for_a_call_that_sleeps(arch: str) -> None:
    """wait4 returns long after other tasks have run and stopped nowhere."""
    done = session(arch, "fork", ["break wait4", "c", "finish", "c"])
    assert done.status == 6
    assert any(re.search(r"returns from wait4\(.*WEXITSTATUS\(s\) == 6", s) for s in lines(done))


def test_a_call_that_failed_says_why_and_a_sleeper_what_for(arch: str) -> None:
    words = ["-ex", 'break openat if path == "/none"', "-ex", "c", "-ex", "finish", "-ex", "c"]
    done = run_cli("debug", "--arch", arch, *words, "busybox", "cat", "/none")
    assert done.status == 1
    said = lines(done)
    at = next(i for i, line in enumerate(said) if "returns from openat" in line)
    assert said[at + 1] == "    \\ /none: there is no 'none' in /"
    done = session(arch, "threads", ["break getppid", "c", "task 2", "c"])
    assert any("asleep in futex: waits for" in line for line in lines(done))


def test_a_predicate_that_fails_stops_and_says_why(arch: str) -> None:
    done = session(arch, "word", ["break write if count / 0", "c", "quit"])
    assert "diorama: the predicate of 1 failed: ZeroDivisionError: division by zero" in lines(done)
    assert lines(done)[-1].startswith("Breakpoint 1, 2 ")


# -- changing ------------------------------------------------------------------------------------


def test_a_changed_argument(arch: str) -> None:
    commands = ["break write", "c", 'set arg buf "other"', "set arg 2 5", "delete", "c"]
    done = session(arch, "word", commands)
    assert done.stdout == b"other\n"
    assert any(line == 'now write(1, "other", 5)' for line in lines(done))


def test_changed_flags_are_linuxs_on_both_cpus(arch: str) -> None:
    """O_DIRECTORY is another bit on each."""
    commands = [
        'break openat if "hostname" in path',
        "c",
        "print flags",
        "set arg flags O_DIRECTORY",
    ]
    given = [word for line in [*commands, "finish", "c"] for word in ("-ex", line)]
    done = run_cli("debug", "--arch", arch, *given, "busybox", "cat", "/etc/hostname")
    assert done.status == 1
    assert "O_RDONLY" in lines(done)
    assert any('"/etc/hostname", O_RDONLY|O_DIRECTORY) = -1 ENOTDIR' in s for s in lines(done))


def test_a_replaced_call_and_a_replaced_result(arch: str) -> None:
    commands = ["break write if count > 1", "c", "set result ENOSPC", "finish", "delete", "c"]
    done = session(arch, "word", commands)
    assert done.stdout == b"\n", "the call that was replaced is not made"
    assert "-1 ENOSPC (No space left on device)" in lines(done)[-2]
    given = run_cli(
        "debug", "-ex", "break read", "-ex", "c", "-ex", "finish", "-ex", "set result 3",
        "-ex", "delete", "-ex", "c", str(program(arch)), "read", stdin=b"abcdef",
    )  # fmt: skip
    assert (given.status, given.stdout) == (3, b"abc"), "made, and its result another"


def test_a_changed_register_and_changed_memory(arch: str) -> None:
    first = {"x86_64": "rdi", "aarch64": "x0"}[arch]
    commands = ["break *twice", "c", f"set reg {first} 7", "delete", "c"]
    assert session(arch, "twice", commands).status == 7 * 2 + 2
    done = session(arch, "word", ["x word 9", 'set mem word "CHANGED\\x00"', "x word", "c"])
    assert done.stdout == b"CHANGED\n"
    assert any("75 6e 63 68" in line and "unchanged" in line for line in lines(done))


def test_registers_of_a_call_are_its_arguments_and_its_result(arch: str) -> None:
    count, result = {"x86_64": ("rdx", "rax"), "aarch64": ("x2", "x0")}[arch]
    commands = ["break write", "c", f"set reg {count} 2", "delete", "c"]
    done = session(arch, "word", commands)
    assert done.stdout == b"un\n"
    given = ["break wait4", "c", "finish", f"set reg {result} -10", "finish", "delete", "c"]
    done = session(arch, "fork", given)
    assert any("now wait4(" in line and "-1 ECHILD" in line for line in lines(done))


def test_read_only_text_can_be_written(arch: str) -> None:
    """As PTRACE_POKETEXT: in this task's copy, never in the file."""
    five = {"x86_64": "b8 05 00 00 00 c3", "aarch64": "a0 00 80 52 c0 03 5f d6"}[arch]
    done = session(arch, "twice", [f"set mem twice {five}", "disas twice 2", "continue"])
    assert done.status == 10
    assert "ret" in lines(done)[2]
    assert session(arch, "twice", ["continue"]).status == 42


# -- addresses -----------------------------------------------------------------------------------


def test_a_function_with_a_predicate(arch: str) -> None:
    first = {"x86_64": "rdi", "aarch64": "x0"}[arch]
    done = session(
        arch, "twice", [f"break *twice if {first} == 1", "c", "stack", "finish", "stack"]
    )
    said = lines(done)
    assert re.search(r"Breakpoint 1, 2 \S+ stops at 0x[0-9a-f]+ twice$", said[2])
    assert "(twice)" in said[3] or "(twice+" in said[3]
    assert "(main+" in said[4]
    after = next(i for i, line in enumerate(said) if "main+" in line and "stops" in line)
    assert after > 4, "finish ends in the caller"


def test_each_level_of_a_recursion_is_in_the_stack(arch: str) -> None:
    """Before, in and behind the instructions that make the frame, where all return addresses are
    the same one.
    """
    commands = ["break *below", "c", "c", "c 2", *["stack", "stepi"] * 4, "quit"]
    said = lines(session(arch, "recursion", commands))
    levels = [line.split("(")[1].split("+")[0] for line in said if line.startswith("#")]
    chains = "/".join(levels).split("main")
    assert levels.count("below") == 4 * 4, chains


def test_what_gdb_users_type(arch: str) -> None:
    """Formats, registers with a dollar everywhere, ``info`` before what shows something."""
    first, pc = {"x86_64": ("rdi", "rip"), "aarch64": ("x0", "pc")}[arch]
    commands = [
        f"break *twice if ${first} == 1", "c", f"p ${first} + 1", "p/x 255", "where",
        "info threads", "info registers", "i r", "thread", "x/2dg counter", "x/s word", "x/3i $pc",
        "x/a counter", "x/4c word", "x/xb word", "quit",
    ]  # fmt: skip
    said = lines(session(arch, "twice", commands))[2:]
    assert "twice" in said[0]
    assert said[1:3] == ["2", "0xff"]
    assert re.match(r"#0  0x\w+ +/.*\(twice\+0x0\)", said[3])
    text = "\n".join(said[4:])
    assert re.search(r"^\*> +2 +2 ", text, re.MULTILINE)
    assert len(re.findall(rf"^{pc} +0x\w+ +\d+  twice$", text, re.MULTILINE)) == 2
    assert re.search(r"^2 \S+ at 0x\w+ twice$", text, re.MULTILINE)
    assert re.search(r"^0x\w+: +20 +-?\d+$", text, re.MULTILINE), "counter after twice(20)"
    assert re.search(r'^0x\w+:  "unchanged"$', text, re.MULTILINE)
    assert len(re.findall(r"<twice(?:\+0x\w+)?>", text)) == 3
    assert re.search(r"^0x\w+:  0x14$", text, re.MULTILINE)
    assert re.search(r"^0x\w+:  117 'u'  110 'n'   99 'c'  104 'h'$", text, re.MULTILINE)
    assert said[-1].endswith(":  0x75")


def test_single_instructions(arch: str) -> None:
    done = session(arch, "twice", ["break *twice", "c", "stepi", "stepi", "disas $pc 1", "quit"])
    steps = [int(m[1], 16) for s in lines(done) if (m := re.search(r"stepped at (0x\w+)", s))]
    assert len(steps) == 2
    assert steps[0] < steps[1]
    assert f"=>  {steps[1]:#x}" in lines(done)[-1]


# -- events --------------------------------------------------------------------------------------


def test_a_signal_is_caught_and_dropped(arch: str) -> None:
    done = session(arch, "signal", ["catch signal USR1", "c", "signals", "c"])
    assert done.stdout == b"handled\nalive\n"
    assert any("is about to get SIGUSR1 {si_signo=SIGUSR1" in line for line in lines(done))
    assert any(re.match(r"SIGUSR1 +handler", line) for line in lines(done))
    done = session(arch, "signal", ["catch signal", "c", "set signal 0", "c"])
    assert done.stdout == b"alive\n"
    done = session(arch, "signal", ["catch signal", "c", "set signal TERM", "delete", "c"])
    assert (done.status, done.stdout) == (143, b"")


def test_a_fault_is_caught_before_it_is_a_signal(arch: str) -> None:
    done = session(arch, "fault", ["catch fault", "c", "stack", "c"])
    assert done.status == 139
    stop = next(line for line in lines(done) if line.startswith("Catchpoint 1, "))
    assert "SIGSEGV" in stop
    assert "si_addr=0x10" in stop
    assert "main" in stop


def test_a_fault_is_caught_again_as_a_signal(arch: str) -> None:
    done = session(arch, "fault", ["catch fault", "catch signal", *5 * ["c"]])
    assert done.status == 139
    said = [line for line in lines(done) if line.startswith("Catchpoint") and "SIGSEGV" in line]
    assert [line.split(", ")[0] for line in said] == ["Catchpoint 1", "Catchpoint 2"]
    done = session(arch, "fault", ["catch fault", "catch signal", "c", "set signal 0", "c"])
    assert re.match(r"Catchpoint 1, 2 \S+ faults, SIGSEGV", lines(done)[-1])


def test_forks_are_caught(arch: str) -> None:
    done = session(arch, "fork", ["catch fork", "c", "tasks", "catch exit", "c", "c", "c"])
    assert done.status == 6
    said = lines(done)
    assert any("made the child 3 by" in line for line in said)
    assert [line.split(" ")[-1] for line in said if "exited with" in line] == ["6", "6"]


def test_programs_are_caught(arch: str) -> None:
    done = session(arch, "exec", ["catch exec", "c", "break *twice", "c", "c", "c"])
    assert done.status == 42
    assert sum("stops at" in line for line in lines(done)) == 2


def test_points_of_an_old_program_are_gone(arch: str) -> None:
    done = session(arch, "exec", ["break *twice", "catch exec", "c", "info breaks", "c"])
    assert done.status == 42
    assert any(re.match(r" *1  address +0  gone", line) for line in lines(done)), lines(done)


def test_threads_stop_and_are_selected(arch: str) -> None:
    commands = ["catch thread", "break getppid", "c", "c", "task 2", "stack", "delete", "c"]
    done = session(arch, "threads", commands)
    assert done.status == 5
    said = lines(done)
    assert any("made the thread 3 by clone" in line for line in said)
    assert any(re.match(r"Breakpoint 2, 2/3 \S+ enters getppid\(\)", line) for line in said)
    assert any(re.match(r"2 \S+ at 0x\w+ .*asleep in futex", line) for line in said), said


def test_a_deadlock_stops_and_is_explained(arch: str) -> None:
    done = session(arch, "deadlock", ["c", "waits", "futexes", "c", "quit 9"])
    assert done.status == 9
    said = lines(done)
    assert any(line.startswith("deadlock: every task waits for ever") for line in said)
    assert "diorama: nobody can go on: every task waits for ever (quit ends the run)" in said
    assert sum("STUCK" in line for line in said) == 3
    assert session(arch, "deadlock", ["c"]).status == 125


# -- pipelines, scripts, trees -------------------------------------------------------------------


def test_a_pipeline(arch: str) -> None:
    script = "echo one | cat | wc -c"
    commands = ["break read if task.tid != 2", "c", "tasks", "pipes", "delete", "c"]
    given = [word for line in commands for word in ("-ex", line)]
    done = run_cli(
        "debug", "--deterministic", "--arch", arch, *given, "busybox", "sh", "-c", script
    )
    assert (done.status, done.stdout.strip()) == (0, b"4")
    assert sum("pipe:[" in line for line in lines(done)) >= 2


def test_commands_from_a_file_and_from_stdin(arch: str, tmp_path: Path) -> None:
    script = tmp_path / "commands"
    script.write_text("# a comment\nbreak read\n\ncontinue\nprint 'here'\ndetach\n")
    done = run_cli("debug", "-x", str(script), str(program(arch)), "read", stdin=b"abc")
    assert (done.status, done.stdout) == (3, b"abc"), "stdin is the program's"
    assert "here" in lines(done)
    both = b"break read\ncontinue\ncontinue\nabcd"
    done = run_cli("debug", str(program(arch)), "read", stdin=both)
    assert (done.status, done.stdout) == (4, b"abcd"), "the program reads on behind the commands"


def test_an_empty_line_repeats(arch: str) -> None:
    done = run_cli("debug", str(program(arch)), "word", stdin=b"break write\nc\n\n\n")
    assert sum("enters write" in line for line in lines(done)) == 2
    done = run_cli("debug", str(program(arch)), "word", stdin=b"x $sp 16\n\n# no\nhelp\n\n")
    addresses = [line[:18] for line in lines(done) if line.startswith("0x")]
    assert int(addresses[1], 16) == int(addresses[0], 16) + 16, "x goes on behind what it showed"
    assert len(addresses) == 2


def test_finish_knows_its_own_frame(arch: str) -> None:
    """Each level of a recursion returns to the one above it, not to the first that passes."""
    first = {"x86_64": "rdi", "aarch64": "x0"}[arch]
    commands = [f"break *below if {first} == 1", "c", "print '--'", "finish", "stack", "c"]
    done = session(arch, "recursion", commands)
    assert done.status == 6
    said = lines(done)
    cut = said.index("--")
    assert re.search(r"stops at 0x\w+ below\+", said[cut + 1])
    assert sum("(below+" in line for line in said[cut + 2 :]) == 2, "of three, one has returned"


def test_a_signal_can_be_sent(arch: str) -> None:
    done = session(arch, "signal", ["break write", "c", "c", "catch signal", "send TERM", "c", "c"])
    assert done.status == 143
    assert done.stdout == b"handled\nalive\n"
    assert any("is about to get SIGTERM {si_signo=SIGTERM" in line for line in lines(done))


def test_names_cannot_move_the_cursor(arch: str) -> None:
    commands = ["break write", "c", "tasks", "print comm", "print task.comm", "task 2", "c"]
    done = session(arch, "name", commands)
    assert b"\x1b" not in done.stderr
    assert any(line.startswith("Breakpoint 1, 2 \\x1b[2J\\n") for line in lines(done))


def test_completion(arch: str) -> None:
    typed = {
        "fin": ["finish"],
        "break exit_": ["exit_group"],
        "break openat ": ["if"],
        "break openat if pa": ["path", "pathname"],
        "break *twi": ["*twice"],
        "catch f": ["fault", "fork"],
        "catch signal SIGUS": ["SIGUSR1", "SIGUSR2"],
        "set a": ["arg"],
        "set arg f": ["fd"],
        "set signal SIGKI": ["SIGKILL"],
        "send SIGTE": ["SIGTERM"],
        "task ": ["1", "2"],
        "x coun": ["counter"],
        "help runq": ["runqueue"],
        "source execvea": ["execveat"],
        "delete ": ["1"],
        "info ": ["breaks"],
        "nothing x": [],
        "maps x": [],
    }
    find = "__import__('tools.console.complete').console.complete.candidates(console, {!r})"
    commands = [f"print {find.format(text)}" for text in typed]
    done = session(arch, "word", ["break write", "c", *commands, "quit"])
    assert lines(done)[3:] == [str(found) for found in typed.values()]


# -- corners -------------------------------------------------------------------------------------


def test_a_child_does_not_meet_its_parents_breakpoints(arch: str) -> None:
    """An address belongs to one address space: the child's copy of `twice` is its own."""
    done = session(arch, "fork", ["break *twice", "c", "info breaks"])
    assert done.status == 6
    assert not any("stops at" in line for line in lines(done))


def test_a_child_has_breakpoints_of_its_own(arch: str) -> None:
    commands = ["catch fork", "c", "task 3", "break *twice", "task 2", "c", "stack", "c"]
    done = session(arch, "fork", commands)
    assert done.status == 6
    assert any(re.match(r"Breakpoint 2, 3 \S+ stops at 0x\w+ twice", s) for s in lines(done))


def test_registers_of_a_sleeper(arch: str) -> None:
    """Its call goes back to its start and is made again."""
    register = {"x86_64": "r15", "aarch64": "x25"}[arch]
    commands = ["break getppid", "c", "task 2", f"set reg {register} ${register}", "tasks", "c"]
    done = session(arch, "threads", commands)
    assert done.status == 5
    row = next(line for line in lines(done) if re.match(r" *\*? *2 +2 ", line))
    assert "futex" not in row, "settled"
    kept = session(arch, "threads", ["break getppid", "c", "task 2", "print task.call[0]", "c"])
    assert kept.status == 5


def test_predicates_of_events(arch: str) -> None:
    commands = ["catch signal if signal == SIGTERM", "catch exit if pid == 3", "c", "c"]
    done = session(arch, "fork", commands)
    assert done.status == 6
    met = [line for line in lines(done) if line.startswith("Catchpoint 2, 3 ")]
    assert len(met) == 1


def test_a_virtual_clock(arch: str) -> None:
    """Standing still is no time: two sessions say the same, whatever lies between their lines."""
    commands = ["break clock_nanosleep", "c", "finish", "print system.clock.monotonic()", "c"]
    given = [word for line in commands for word in ("-ex", line)]
    words = ["debug", "--deterministic", "--arch", arch, *given, "busybox", "sleep", "1000"]
    first, second = run_cli(*words), run_cli(*words)
    assert first.status == 0
    assert first.stderr == second.stderr
    assert int(lines(first)[-2]) > 1000 * 10**9


def test_the_console_and_a_trace_together(arch: str, tmp_path: Path) -> None:
    out = tmp_path / "calls.json"
    words = ["-ex", "break write", "-ex", "c", "-ex", "set result 9", "-ex", "quit"]
    done = run_cli("debug", "--json", str(out), *words, str(program(arch)), "word")
    assert done.status == 0
    assert '"name":"mmap"' in out.read_text() or '"name":"set_tid_address"' in out.read_text()
    assert out.read_text().endswith("}\n"), "nothing recorded is lost"


def test_the_time_limit_holds_in_a_session(arch: str) -> None:
    words = ["-ex", "continue", "-ex", "continue"]
    done = run_cli("debug", "--timeout", "0.5", *words, str(program(arch)), "spin")
    assert done.status == 124


def test_a_step_over_another_tasks_point_stops_there(arch: str) -> None:
    """The goal of the step is forgotten, as in gdb."""
    commands = ["break wait4", "c", "break exit_group if pid == 3", "finish", "info breaks", "c"]
    done = session(arch, "fork", commands)
    assert done.status == 6
    said = lines(done)
    assert any(line.startswith("Breakpoint 2, 3 ") for line in said)
    assert not any("returns from wait4" in line for line in said)


def test_stepping_through_an_execve_and_a_handler(arch: str) -> None:
    done = session(arch, "exec", ["break execve", "c", "step", "delete", "c"])
    assert done.status == 42
    assert any("returns from execve(" in line and line.endswith(" = 0") for line in lines(done))
    done = session(arch, "signal", ["break rt_sigreturn", "c", "finish", "delete", "c"])
    assert done.stdout == b"handled\nalive\n"
    assert any("returns from rt_sigreturn(" in line for line in lines(done))


def test_symbols_of_files_that_were_moved(arch: str) -> None:
    """A shared library's functions are where it was loaded; the program's names are its own."""
    commands = ["break write", "c", "break *_exit", "c", "stack", "c"]
    given = [word for line in commands for word in ("-ex", line)]
    root = debian_root("debian", arch)
    done = run_cli("debug", "--rootfs", str(root), *given, "/bin/echo", "moved")
    assert (done.status, done.stdout) == (0, b"moved\n")
    said = lines(done)
    assert any(re.match(r"Breakpoint 2, 2 echo stops at 0x7\w+ _exit$", line) for line in said)
    assert any("/libc.so.6(_exit+0x0)" in line for line in said)
