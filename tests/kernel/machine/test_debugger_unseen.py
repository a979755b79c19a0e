"""A program cannot see the debugger, break it, or become another program by it."""

from __future__ import annotations

import pytest

from kernel.machine.debugger import Stop, Watchpoint
from tests.support.debugging import Debugged, debugged, program
from tests.support.guest import run_guest

pytestmark = [pytest.mark.row("T2"), pytest.mark.guest]

FUNCTIONS = ("main", "marker", "square", "memcpy", "fork", "write", "pread", "open", "close")


def breakpoints_everywhere(run: Debugged, stop: Stop) -> None:
    """At every function of the list; they are met, and that is all."""
    if stop.reason == "start":
        for name in FUNCTIONS:
            run.break_at(stop, name)


def test_nobody_can_read_a_breakpoint(arch: str) -> None:
    """Loads, /proc/self/mem, process_vm_readv, write(2), a child: all show the file's bytes."""
    run = debugged(arch, "looks", answer=breakpoints_everywhere)
    assert run.result.text == ""
    assert run.result.status == 0
    assert len(run.stops) > len(FUNCTIONS)


def on_generated_code(run: Debugged, stop: Stop) -> None:
    """A breakpoint in the page that the program has made, set when it is ready."""
    assert stop.task.mm is not None
    if stop.reason == "start":
        run.break_at(stop, "ready")
    elif stop.address == run.symbols["ready"]:
        code = run.word(stop, "generated", 8)
        run.debugger.break_at(stop.task.mm, code)


def test_a_breakpoint_never_gets_into_a_file(arch: str) -> None:
    """A shared mapping, msync(2), and then a change of the file from outside, which is executed."""
    run = debugged(arch, "shared", answer=on_generated_code)
    assert run.result.status == 0
    assert run.reasons == ["start"] + 3 * ["breakpoint"]


def test_code_may_change_under_a_breakpoint(arch: str) -> None:
    """mprotect to write, change, mprotect to execute, three times; then munmap."""
    run = debugged(arch, "rewrites", answer=on_generated_code)
    assert run.result.status == 0
    assert run.reasons == ["start"] + 6 * ["breakpoint"]


def test_a_program_does_not_notice_that_it_is_stepped(arch: str) -> None:
    """pushf, syscall's r11 and a signal frame's flags, each met by a step."""
    pcs = []

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "notices")
            return
        pcs.append(run.pc(stop))
        if len(pcs) < 400:
            run.debugger.step(stop.task)

    run = debugged(arch, "stepped", answer=answer)
    assert run.result.status == 0
    assert len(pcs) == 400 or run.reasons[-1] == "step"
    assert run.symbols["on_flags"] in pcs  # a step into a handler ends at its first instruction


@pytest.mark.parametrize(
    "words",
    ["loop", "signals", "fault", "trap", "children", "executes", "threads", "asleep", "receives"],
)
def test_a_whole_program_in_steps(arch: str, words: str) -> None:
    """Every instruction of every task is stepped; what comes out is what came out without."""

    def answer(run: Debugged, stop: Stop) -> None:
        debugger = run.debugger
        debugger.catch_forks = debugger.catch_threads = True
        for task in run.debugger.machine.system.tasks.values():
            if task.context is not None and not task.dead:
                debugger.step(task)

    run = debugged(arch, words, answer=answer)
    plain = run_guest(program(arch), words, arch=arch)
    assert (run.result.status, run.result.stdout) == (plain.status, plain.stdout)
    assert run.reasons.count("step") > 300


def test_steps_see_the_program_counters_of_a_run(arch: str) -> None:
    """The blocks a breakpoint finds are among the steps, in the same order and number."""

    def answer(run: Debugged, stop: Stop) -> None:
        if run.debugger.machine.system.tasks.get(stop.task.tid) is stop.task:
            run.debugger.step(stop.task)

    stepped = debugged(arch, "loop", answer=answer)
    calls = [stop.address for stop in stepped.stops]
    assert calls.count(stepped.symbols["square"]) == 5
    assert calls.count(stepped.symbols["marker"]) == 1
    if arch == "aarch64":
        assert all(address % 4 == 0 for address in calls)


def test_threads_lose_and_double_nothing(arch: str) -> None:
    """A silent breakpoint at a function that all threads call, a watchpoint on its counter."""

    values = []

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.break_at(stop, "add", when=lambda stop: False)
            run.watch(stop, "sum", 8, "w")
        elif isinstance(stop.point, Watchpoint):
            both = (stop.point.old, stop.point.new)
            values.append(tuple(int.from_bytes(value, "little") for value in both))

    run = debugged(arch, "atomics", answer=answer)
    assert run.result.status == 0
    assert values == [(n, n + 1) for n in range(150)]


def test_a_watchpoint_sees_what_the_kernel_writes(arch: str) -> None:
    """read(2) into a watched buffer is reported when it returns, with both values."""
    seen = []

    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.watch(stop, "buffer", 8, "w")
        else:
            assert isinstance(stop.point, Watchpoint)
            seen.append((stop.point.old, stop.point.new))

    run = debugged(arch, "receives", answer=answer)
    assert run.result.status == 0
    assert run.reasons == ["start", "watchpoint"]
    assert seen == [(bytes(8), b"abcdefgh")]


def test_a_read_watchpoint_tells_reads_from_writes(arch: str) -> None:
    def answer(run: Debugged, stop: Stop) -> None:
        if stop.reason == "start":
            run.watch(stop, "counter", 4, "r")

    run = debugged(arch, "loop", answer=answer)
    reads = run.reasons.count("watchpoint")
    assert reads == 6  # five additions, and marker
    assert run.result.status == 0


@pytest.mark.parametrize("words", ["threads", "children", "atomics"])
def test_the_same_session_twice_is_the_same(arch: str, words: str) -> None:
    """--deterministic with a debugger: equal stops at equal times."""

    def record() -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []

        def answer(run: Debugged, stop: Stop) -> None:
            debugger = run.debugger
            debugger.catch_forks = debugger.catch_threads = debugger.catch_exits = True
            if stop.reason == "start":
                run.break_at(stop, "square")
                run.break_at(stop, "add")
                run.watch(stop, "counter", 4, "a")
            now = debugger.machine.system.clock.monotonic()
            seen.append((stop.reason, stop.task.tid, stop.address, now))
            if len(seen) % 3 == 0:
                debugger.step(stop.task)

        debugged(arch, words, answer=answer, deterministic=True)
        return seen

    first = record()
    assert first == record()
    assert len(first) > 3


SCRIPT = (
    "i=0; while [ $i -lt 6 ]; do i=$((i+1)); echo $i | tr 1 x; done; seq 1 50 | sort -r | md5sum;"
    "(trap 'echo got' USR1; kill -USR1 $$; echo done); sleep 0.01; ls /bin | wc -l"
)


def test_a_shell_full_of_points_says_what_it_always_says(arch: str) -> None:
    """BusyBox with silent breakpoints at 80 of its instructions, in every process, and watchpoints
    on every stack: the same output at more than a thousand hits."""
    options: dict[str, object] = {"deterministic": True}
    places: list[int] = []

    def collect(run: Debugged, stop: Stop) -> None:
        places.append(stop.address)
        if len(places) < 4000:
            run.debugger.step(stop.task)
        else:
            run.debugger.close()

    plain = run_guest("busybox", "sh", "-c", SCRIPT, arch=arch, deterministic=True)
    Debugged(arch, "sh", "-c", SCRIPT, program="busybox", **options).run(collect)
    chosen = sorted(set(places))[:: max(1, len(set(places)) // 80)]
    hits = [0]

    def silent(stop: Stop) -> bool:
        hits[0] += 1
        return False

    def answer(run: Debugged, stop: Stop) -> None:
        run.debugger.catch_forks = run.debugger.catch_execs = True
        task = stop.other or stop.task
        if task.mm is None or stop.reason in ("vfork", "vfork_done"):
            return
        for place in chosen:
            run.debugger.break_at(task.mm, place, when=silent)
        stack = run.debugger.machine.cpu.registers(task.context).sp
        run.debugger.watch(task.mm, stack - 400, 8, "a", when=silent)

    run = Debugged(arch, "sh", "-c", SCRIPT, program="busybox", **options).run(answer)
    assert (run.result.status, run.result.stdout) == (plain.status, plain.stdout)
    assert hits[0] > 1000


def test_standing_still_changes_no_schedule(arch: str) -> None:
    """Pauses at odd moments of a deterministic run: threads meet the same places at equal times."""

    def record(pauses: int) -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []

        def answer(run: Debugged, stop: Stop) -> None:
            if stop.reason == "start":
                run.break_at(stop, "add")
            if stop.reason == "pause":
                return
            now = run.debugger.machine.system.clock.monotonic()
            seen.append((stop.reason, stop.task.tid, now))
            if len(seen) % 7 < pauses:
                run.debugger.pause()

        run = debugged(arch, "atomics", answer=answer, deterministic=True)
        assert run.result.status == 0
        assert ("pause" in run.reasons) == (pauses > 0)
        return seen

    assert record(0) == record(3)
