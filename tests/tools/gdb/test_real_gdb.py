"""The real gdb debugs programs here, on both CPUs: what it prints is what a user would see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.gdb import debug, line_of

pytestmark = [pytest.mark.guest, pytest.mark.slow]

SQUARE = line_of("int result = n * n;")
CALL = line_of("int half = square(n);")


@pytest.mark.row("T2")
def test_the_first_stop_is_before_the_first_instruction(arch: str) -> None:
    result = debug(arch, ["", "3"], "info registers", "x/i $pc", "info symbol $pc", "continue")
    assert result.status == 3, result
    assert result.stdout == "twice: 72\n"
    result.line(r"^_start in section \.text")
    for register in {"x86_64": ("rax", "rbx", "rdi"), "aarch64": ("x0", "x1", "x30")}[arch]:
        result.line(rf"^{register} +0x0 +0")
    result.line(r"\[Inferior 1 \(process 2\) exited with code 03\]")


@pytest.mark.row("T2")
def test_break_step_finish_and_a_call(arch: str) -> None:
    result = debug(
        arch,
        [],
        "break square",
        "continue",
        "backtrace",
        "print n",
        "next",
        "print result",
        "finish",
        "step",
        "info locals",
        "print square(9)",
        "continue",
        "delete",
        "set var $before = $sp",
        "print twice(5)",
        "print $sp == $before",
        "info line",
        "continue",
    )
    result.lines(
        rf"Breakpoint 1, square \(n=6\) at .*:{SQUARE}",
        r"#0 +square \(n=6\)",
        r"#1 +twice \(n=6\)",
        r"#2 +main \(argc=1, argv=",
        r"\$1 = 6$",
        r"return result;",
        r"\$2 = 36$",
        r"Value returned is \$3 = 36",
        r"return half \+ half;",
        r"half = 36$",
        r"The program being debugged stopped while in a function called from GDB",
        r"\$\d = 50$",
        r"\$\d = 1$",
        r"^Line \d+ of .* starts at address",
        r"exited normally",
    )
    assert result.status == 0


def test_every_instruction_is_one_step(arch: str) -> None:
    """As many stepi as the function has instructions, each at the next address."""
    result = debug(
        arch,
        [],
        "break *square",
        "continue",
        "disassemble",
        "python import gdb",
        "python pcs = []",
        "python while gdb.selected_frame().name() == 'square': "
        "pcs.append(int(gdb.parse_and_eval('(long)$pc'))); gdb.execute('stepi', to_string=True)",
        "python block = gdb.decode_line('*' + hex(pcs[0]))",
        "python code = gdb.selected_inferior().architecture().disassemble(pcs[0], pcs[-1])",
        "python print('same', [i['addr'] for i in code] == pcs, len(pcs) > 4)",
        "kill",
    )
    result.line("^same True True")
    assert result.status == 128 + 9


def test_values_are_read_and_changed(arch: str) -> None:
    result = debug(
        arch,
        ["", "4"],
        f"break {CALL}",
        "continue",
        "print here",
        "x/s here.name",
        "ptype here",
        "print ratio * 2",
        "set var n = 10",
        "print n",
        "print argc = 1",
        "up",
        "print argv[1][0]",
        "set var $unused = 5",
        "down",
        "print (char)here.name[0] = 'H'",
        "x/s here.name",
        "find &here, +sizeof(here), 'e', 'r'",
        "continue",
    )
    result.lines(
        r'\$1 = \{x = 3, y = 4, name = "here\\000\\000\\000"\}',
        r'"here"',
        r"struct place",
        r"= 3$",
        r"= 10$",
        r"= 0 '\\000'",
        r"= 72 'H'",
        r'"Here"',
        r"<here\+9>",
        r"1 pattern found",
    )
    assert result.stdout == "twice: 200\n"
    assert result.status == 4


def test_floating_point_and_vector_registers(arch: str) -> None:
    float_register, vector = {
        "x86_64": ("$xmm3.v4_int32", "$xmm15.v2_int64"),
        "aarch64": ("$v3.s.u", "$v31.d.u"),
    }[arch]
    wide = "{0x99aabbccddeeff00, 0x1122334455667788}"
    result = debug(
        arch,
        [],
        "break square",
        "continue",
        f"set var {vector}[0] = 0x99aabbccddeeff00",
        f"set var {vector}[1] = 0x1122334455667788",
        f"p/x {vector}",
        f"set var {float_register}[2] = 77",
        f"p {float_register}[2]",
        "stepi",
        f"p/x {vector}",
        f"p {float_register}[2]",
        "info all-registers",
        "continue",
    )
    result.lines(f"= {wide}", "= 77", f"= {wide}", "= 77", "exited normally")
    names = {"x86_64": ("st0", "fctrl", "mxcsr"),
             "aarch64": ("fpsr", "fpcr", "cpsr", "tpidr")}[arch]  # fmt: skip
    for name in names:
        result.line(rf"^{name} ")


@pytest.mark.row("T2")
def test_break_in_a_thread(arch: str) -> None:
    result = debug(
        arch,
        ["threads"],
        f"break {line_of('/* in a thread */')}",
        "continue",
        "info threads",
        "backtrace",
        "thread apply all backtrace 1",
        "print mine",
        "continue",
        "delete",
        "continue",
    )
    result.lines(
        r"Thread 2 .*hit Breakpoint 1, work \(argument=",
        r"^\* 2 +Thread 2\.3 .*work",
        r"#0 +work \(argument=",
        r"^Thread 1 ",
        r"hit Breakpoint 1, work",
        r"exited normally",
    )
    assert result.stdout == "threads: 14\n"


def test_one_thread_steps_while_others_stand_still(arch: str) -> None:
    result = debug(
        arch,
        ["threads"],
        "set scheduler-locking step",
        f"break {line_of('mine += n;')}",
        "continue",
        "delete",
        "next",
        "next",
        "info threads",
        "set scheduler-locking off",
        "continue",
    )
    result.lines(r"hit Breakpoint 1, work", r"counter \+=", r"return 0;", r"exited normally")


@pytest.mark.row("T2")
def test_catch_fork_and_let_the_child_go(arch: str) -> None:
    result = debug(
        arch, ["fork"], "catch fork", "continue", "backtrace", "info inferiors", "continue"
    )
    result.lines(
        r"Catchpoint 1 \(forked process 3\)",
        r"children \(quietly=0\)",
        r"\* 1 +process 2",
        r"\[Inferior 1 \(process 2\) exited with code 07\]",
    )
    assert (result.status, result.stdout) == (7, "child: 7\n")


def test_a_breakpoint_does_not_stop_a_child_that_is_not_debugged(arch: str) -> None:
    """gdb takes its breakpoints out of the child before it lets it go."""
    result = debug(arch, ["fork"], "break square", "continue")
    result.lines(r"\[Inferior 1 \(process 2\) exited with code 07\]")
    assert (result.status, result.stdout) == (7, "child: 7\n")


@pytest.mark.row("T2")
def test_follow_the_child(arch: str) -> None:
    result = debug(
        arch,
        ["fork"],
        "set follow-fork-mode child",
        "break square",
        "continue",
        "backtrace",
        "continue",
    )
    result.lines(
        r"Breakpoint 1.*, square \(n=5\)", r"children \(quietly=0\)", r"exited with code 07"
    )
    assert (result.status, result.stdout) == (7, "child: 7\n")


def test_parent_and_child_both(arch: str) -> None:
    result = debug(
        arch,
        ["fork"],
        "set detach-on-fork off",
        "catch fork",
        "continue",
        "next",
        "info inferiors",
        "inferior 2",
        f"tbreak debuggee.c:{line_of('/* in the child */')}",
        "continue",
        "print counter",
        "next",
        "print counter",
        "continue",
        "inferior 1",
        "print counter",
        "continue",
    )
    result.lines(
        r"forked process 3",
        r"\* 1 +process 2",
        r"  2 +process 3",
        r"Switching to inferior 2",
        r"children \(quietly=0\)",
        r"= 0$",
        r"= 25$",
        r"Inferior 2 \(process 3\) exited with code 07",
        r"= 0$",
        r"Inferior 1 \(process 2\) exited with code 07",
    )


@pytest.mark.row("T2")
def test_catch_vfork_and_exec(arch: str) -> None:
    result = debug(
        arch,
        ["vfork"],
        "catch vfork",
        "continue",
        "break square",
        "continue",
    )
    result.lines(r"vforked process 3", r"exited with code 011")
    assert (result.status, result.stdout) == (9, "child: 9\n")


def test_follow_a_vfork_child_through_its_exec(arch: str) -> None:
    result = debug(
        arch,
        ["vfork"],
        "set follow-fork-mode child",
        "catch exec",
        "continue",
        "info inferiors",
        "break main",
        "continue",
        "print *argv@argc",
        "continue",
    )
    result.lines(r"exec'd /bin/debuggee", r"hit Breakpoint 2.*, main", r'"leaf"', r"code 011")
    assert (result.status, result.stdout) == (9, "child: 9\n")


@pytest.mark.row("T2")
def test_catch_exec(arch: str) -> None:
    result = debug(
        arch,
        ["exec"],
        "break main",
        "catch exec",
        "continue",
        "continue",
        "info symbol $pc",
        "continue",
        "print argv[0]",
        "continue",
    )
    result.lines(
        r"Breakpoint 1, main", r"Catchpoint 2 \(exec'd /bin/debuggee", r"_start in section",
        r"Breakpoint 1.*, main", r'"leaf"', r"exited with code 011",
    )  # fmt: skip


@pytest.mark.row("T2")
def test_catch_a_system_call_by_name(arch: str) -> None:
    result = debug(
        arch,
        [],
        "catch syscall writev exit_group",
        "continue",
        "backtrace 2",
        "continue",
        "continue",
        "continue",
    )
    result.lines(
        r"Catchpoint 1 \(call to syscall writev\)",
        r"#0 ",
        r"Catchpoint 1 \(returned from syscall writev\)",
        r"Catchpoint 1 \(call to syscall exit_group\)",
        r"exited normally",
    )


def test_arguments_and_results_of_a_call_are_changed(arch: str) -> None:
    """The status of exit_group on its way in; what writev says on its way out."""
    first = {"x86_64": "$rdi", "aarch64": "$x0"}[arch]
    result = debug(
        arch,
        [],
        "catch syscall exit_group",
        "continue",
        f"set var {first} = 42",
        "continue",
    )
    result.lines(r"call to syscall exit_group", r"exited with code 052")
    assert result.status == 42


def test_a_function_called_at_a_call_does_not_lose_the_call(arch: str) -> None:
    """gdb leads the thread away and back; the call is made then, once."""
    result = debug(
        arch,
        ["", "4"],
        "catch syscall writev exit_group",
        "continue",
        "print square(9)",
        "continue",
        "continue",
        "continue",
        "print square(8)",
        "continue",
        "continue",
    )
    result.lines(
        r"call to syscall writev", r"= 81$", r"call to syscall writev",
        r"returned from syscall writev", r"call to syscall exit_group", r"= 64$",
        r"call to syscall exit_group", r"exited with code 04",
    )  # fmt: skip
    assert (result.status, result.stdout) == (4, "twice: 72\n")


def test_a_function_called_in_a_sleeper_lets_it_sleep_on(arch: str, work: Path) -> None:
    """^C while everybody sleeps; the read that was interrupted still gets what comes later."""
    os.mkfifo("input")
    reader = os.open("input", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("input", os.O_WRONLY)
    os.set_blocking(reader, True)
    try:
        result = debug(
            arch,
            ["asleep"],
            "python import os, signal, threading",
            "python threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()",
            "continue",
            "print square(6)",
            "print twice(2)",
            "shell printf x > input",
            "continue",
            stdin=reader,
        )
    finally:
        os.close(reader)
        os.close(writer)
    result.lines(r"received signal SIGINT", r"= 36$", r"= 8$", r"exited with code 07")
    assert (result.status, result.stdout) == (7, "asleep\n")


def test_a_signal_survives_a_function_call(arch: str) -> None:
    """Its siginfo, too: gdb saves it and puts it back."""
    result = debug(
        arch,
        ["info"],
        "continue",
        "print $_siginfo._sifields._rt.si_sigval.sival_int",
        "print square(9)",
        "continue",
    )
    result.lines(r"received signal SIGUSR1", r"= 33$", r"= 81$", r"exited with code 041")
    assert result.status == 33


def test_a_child_that_outlives_the_program(arch: str) -> None:
    """As long as gdb debugs something, the machine runs."""
    result = debug(
        arch,
        ["daemon"],
        "set follow-fork-mode child",
        f"break {line_of('/* alone */')}",
        "continue",
        "print counter",
        "continue",
    )
    result.lines(r"hit Breakpoint 1|Breakpoint 1, ", r"= 1$", r"exited with code 010")
    assert (result.status, result.stdout) == (0, "alone\n")


@pytest.mark.row("T2")
def test_watch_a_variable(arch: str) -> None:
    result = debug(
        arch,
        ["watch"],
        "break watching",
        "continue",
        "watch counter",
        "continue",
        "continue",
        "delete",
        "rwatch counter",
        "continue",
        "delete",
        "awatch here.x",
        "continue",
        "delete",
        "continue",
    )
    result.lines(
        r"Hardware watchpoint 2: counter",
        r"Old value = 0",
        r"New value = 1",
        r"Old value = 1",
        r"New value = 3",
        r"Hardware read watchpoint 3: counter",
        r"Value = 3",
        r"Hardware access \(read/write\) watchpoint 4: here.x",
        r"exited with code 07",
    )


def test_watch_stops_at_the_line_that_wrote(arch: str) -> None:
    result = debug(
        arch,
        ["watch"],
        "break watching",
        "continue",
        "watch here.x",
        "continue",
        "continue",
        "kill",
    )
    # The next instruction: the loop's increment, or the branch that the closing brace stands for.
    line = line_of("here.x = counter;") + {"x86_64": -2, "aarch64": 1}[arch]
    result.lines(rf"New value = 0\nwatching .*\n{line}\t", rf"New value = 1\nwatching .*\n{line}\t")


def test_hardware_breakpoints_and_conditions(arch: str) -> None:
    result = debug(
        arch,
        ["threads"],
        "hbreak square if n == 3",
        "continue",
        "print n",
        "info breakpoints",
        "continue",
    )
    result.lines(
        r"Hardware assisted breakpoint 1", r"hit Breakpoint 1, square \(n=3\)", r"= 3$",
        r"already hit 1 time", r"exited normally",
    )  # fmt: skip


@pytest.mark.row("T2")
def test_signals_are_reported_passed_or_dropped(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "continue",
        "print $_siginfo.si_signo",
        "print $_siginfo._sifields._kill.si_pid",
        "signal 0",
        "continue",
    )
    result.lines(
        r"received signal SIGUSR1", r"= 10$", r"= 2$", r"received signal SIGUSR2",
        r"exited with code 014",
    )  # fmt: skip
    assert (result.status, result.stdout) == (12, "signals: 12\n")


def test_handle_says_which_signals_come_unseen(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "handle SIGUSR1 nostop noprint pass",
        "handle SIGUSR2 nostop print nopass",
        "continue",
    )
    assert "received signal SIGUSR1" not in result.gdb
    result.lines(r"received signal SIGUSR2", r"exited with code 012")
    assert result.stdout == "signals: 10\n"


def test_a_breakpoint_in_a_handler_and_a_step_out_of_it(arch: str) -> None:
    result = debug(
        arch,
        ["signals"],
        "handle SIGUSR1 nostop noprint pass",
        "handle SIGUSR2 nostop noprint pass",
        "tbreak handler",
        "continue",
        "backtrace",
        "finish",
        "continue",
    )
    result.lines(r"handler \(signo=10\)", r"<signal handler called>", r"signals \(\)")
    assert result.stdout == "signals: 22\n"


@pytest.mark.row("T2")
def test_a_fault_shows_where_and_ends_as_it_would(arch: str) -> None:
    result = debug(
        arch, ["fault"], "continue", "print/x $_siginfo._sifields._sigfault.si_addr", "continue"
    )
    result.lines(
        r"received signal SIGSEGV", r"fault \(\)", r"= 0x3$",
        r"terminated with signal SIGSEGV",
    )  # fmt: skip
    assert result.status == 128 + 11


def test_auxv_mappings_and_process(arch: str) -> None:
    result = debug(
        arch,
        [],
        "info auxv",
        "info proc",
        "info proc mappings",
        "info inferiors",
        "monitor tasks",
        "kill",
    )
    result.lines(
        r"AT_PHDR", r"AT_ENTRY", r"AT_EXECFN .*/bin/debuggee",
        r"process 2", r"exe = '/bin/debuggee", r"/bin/debuggee", r"\[stack\]",
        r"process 2.*debuggee", r"2/2 debuggee",
    )  # fmt: skip


def test_without_a_program_gdb_takes_it_from_the_guest(arch: str) -> None:
    """`target:` files: no copy of the program, no sysroot."""
    result = debug(arch, [], "break square", "continue", "backtrace", "continue", symbols=False)
    result.lines(r"Reading /bin/debuggee.* from remote target", r"square \(n=6\)", r"#2 +main")


def test_files_go_in_and_out(arch: str, work: Path) -> None:
    (work / "in").write_bytes(bytes(range(256)) * 300)
    result = debug(
        arch,
        [],
        f"remote put {work}/in /tmp/there",
        f"remote get /tmp/there {work}/out",
        "remote delete /tmp/there",
        f"remote get /tmp/there {work}/gone",
        "kill",
    )
    result.line("^Remote I/O error: No such file")
    assert (work / "out").read_bytes() == (work / "in").read_bytes()


@pytest.mark.row("T2")
def test_detach_lets_the_program_go_on(arch: str) -> None:
    result = debug(arch, ["threads"], "break work", "continue", "detach")
    assert (result.status, result.stdout) == (0, "threads: 14\n")


def test_kill_ends_it(arch: str) -> None:
    result = debug(arch, ["busy"], "break wait_for_it", "continue", "kill")
    assert result.status == 128 + 9
