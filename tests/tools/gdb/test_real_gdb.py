"""The real gdb debugs programs here, on both CPUs: what it prints is what a user would see."""

from __future__ import annotations

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
        r"Thread \d .*hit Breakpoint 1, work \(argument=",  # whichever comes first
        r"^\* \d +Thread 2\.\d .*work",
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


def test_a_thread_that_ends_while_all_others_stand_still(arch: str) -> None:
    """gdb is told that nobody runs any more, and lets the others go.

    None of those holds a lock of the C library's here: the thread could not end without it.
    """
    result = debug(
        arch,
        ["busy"],
        f"break {line_of('counter++;')}",
        "continue",
        "delete",
        "set var go_on = 1",
        "set scheduler-locking on",
        "thread 2",
        "continue",
        "set scheduler-locking off",
        "thread 1",
        "continue",
    )
    result.lines(r"hit Breakpoint 1", r"No unwaited-for children left", r"exited with code 05")


def test_advance_until_return_and_jump(arch: str) -> None:
    result = debug(
        arch,
        ["", "4"],
        "tbreak main",
        "continue",
        "advance square",
        "until",
        "print result",
        "return 5",
        "next",
        "print half",
        f"tbreak {CALL}",
        f"jump {CALL}",
        "next",
        "print half",
        "continue",
    )
    result.lines(
        r"^square \(n=6\)", r"return result;", r"= 36$", r"= 5$", r"Temporary breakpoint 2, twice",
        r"= 36$", r"exited with code 04",
    )  # fmt: skip
    assert result.stdout == "twice: 72\n"


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
