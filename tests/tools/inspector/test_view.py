"""The screen, driven by a pilot, on machines that really run."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.syntax import Syntax
from textual.widgets import Input, Static

from tests.support.inspector import machine
from tests.support.inspector_view import NARROW, Looker, look, look_in
from tools.inspector.help import Help

pytestmark = pytest.mark.guest


def shell(arch: str, *script: str) -> tuple[str, ...]:
    return ("-q", "--arch", arch, "busybox", "sh", *(("-c", *script) if script else ()))


@pytest.mark.row("T1")
def test_a_shell_in_the_pane_and_what_it_does_beside_it(arch: str) -> None:
    """Echo, output, line editing; calls, tasks, descriptors, areas, waits."""

    async def scenario(person: Looker) -> None:
        await person.read("/ # ")
        assert person.app.focused is person.app.terminal
        await person.type("echo he''llox")
        await person.pilot.press("backspace", "enter")
        await person.read("/ # echo he''llo")
        await person.read("hello")
        await person.see("calls", 'write(1, "hello\\n", 6)')
        await person.type("sleep 1000 | cat &\n")
        await person.see("tasks", "sleep")
        assert "└ " in await person.see("tasks", "cat")
        assert "pipe" in await person.see("waits", "cat read")
        await person.see("kernel", "pipe:[")
        await person.see("files", "/dev/console")
        await person.see("memory", "[stack]")
        await person.type("exit 7\n")
        await person.state("over")
        assert person.app.status.ending == "with status 7"

    assert look(scenario, *shell(arch)) == 7


def test_keys_reach_the_guest_and_not_us(arch: str) -> None:
    """q, p and ? are letters while the terminal has the focus; Ctrl-C is the guest's."""

    async def scenario(person: Looker) -> None:
        await person.read("/ # ")
        await person.type("echo qup?; cat\n")
        await person.read("qup?")
        await person.pilot.press("ctrl+c")
        await person.type("echo $?\n")
        await person.read("130")
        assert not isinstance(person.app.screen, Help)
        await person.leave_terminal()
        await person.pilot.press("question_mark")
        await person.until(lambda: isinstance(person.app.screen, Help))
        await person.pilot.press("escape")
        await person.pilot.press("t")
        await person.until(lambda: person.app.focused is person.app.terminal)

    look(scenario, *shell(arch))


def test_the_filter_chooses_calls(arch: str) -> None:
    async def scenario(person: Looker) -> None:
        await person.see("calls", "clock_nanosleep")
        await person.leave_terminal()
        await person.pilot.press("slash")
        entry = person.app.query_one("#filter", Input)
        await person.until(lambda: entry.has_focus)
        await person.type("nosuchcall")
        await person.pilot.press("enter")
        await person.until(lambda: entry.has_class("wrong"))
        assert person.lines("calls")  # what was there is still there, and so is the old filter
        entry.value = "/open status=failed"
        await person.pilot.press("enter")
        await person.until(lambda: not entry.has_class("wrong"))
        await person.see("calls", "ENOENT")
        lines = [line for line in person.lines("calls") if "(" in line]
        assert all("open" in line and "ENOENT" in line for line in lines), lines

    script = "while :; do cat /nothing /etc/passwd; sleep 0.05; done > /dev/null 2>&1"
    look(scenario, *shell(arch, script))


@pytest.mark.row("T2")
def test_pause_step_resume(arch: str) -> None:
    """Held before the first instruction, one call at a time, on, and still again."""

    async def scenario(person: Looker) -> None:
        app = person.app
        assert app.status.state == "waiting"
        assert person.lines("calls") == []
        await person.leave_terminal()
        for count in range(1, 4):
            await person.pilot.press("s")
            await person.until(lambda n=count: len(person.lines("calls")) == n)  # type: ignore[misc]
            await person.state("paused")
        await person.see("tasks", "here")
        await person.pilot.press("slash")
        await person.type("write")
        await person.pilot.press("enter")
        await person.until(lambda: app.focused is app.listing("calls"))
        await person.pilot.press("s")
        await person.see("calls", '"one\\n"')
        await person.state("paused")
        assert len(person.lines("calls")) == 1
        await person.pilot.press("p")
        await person.state("running")
        await person.see("calls", '"more\\n"')
        await person.pilot.press("p")
        await person.state("paused")
        await person.pilot.pause(0.2)
        still = person.app.listing("calls").rows[-1].key
        await person.pilot.pause(0.2)
        assert person.app.listing("calls").rows[-1].key == still
        await person.pilot.press("p")
        await person.until(lambda: person.app.listing("calls").rows[-1].key != still)

    script = "echo one; echo two; while :; do echo more; done"
    look(scenario, *shell(arch, script), paused=True)


@pytest.mark.row("T5")
def test_a_click_shows_fields_and_source(arch: str) -> None:
    async def scenario(person: Looker) -> None:
        await person.see("waits", "waits for")
        for pane, line, field, source in (
            ("files", "/dev/console", "O_RDWR", "class "),
            ("memory", "[stack]", "PGD", "class Vma"),
            ("waits", "waits for", "waits_for", "class Waiter"),
            ("kernel", "/proc ", "fstype", "class "),
            ("calls", "nanosleep", "arguments", "def clock_nanosleep"),
        ):
            await person.click(pane, line)
            details = await person.details()
            assert field in str(details.query_one("#fields-text", Static).content), pane
            shown = details.query_one("#source-text", Static).content
            assert isinstance(shown, Syntax), pane
            assert source in shown.code
            first = details.where.rpartition(":")[2]
            marked = shown.code.splitlines()[int(first) - 1 :]
            assert source.split()[0] in marked[0] or marked[0].startswith("@")
            await person.pilot.press("escape")
            await person.until(lambda: len(person.app.screen_stack) == 1)

    look(scenario, *shell(arch, "sleep 1000"))


def test_a_task_is_selected_and_then_opened(arch: str) -> None:
    """Files and memory are those of the selected task."""

    async def scenario(person: Looker) -> None:
        await person.see("tasks", "sleep")
        await person.see("files", "/dev/console")
        await person.click("tasks", "sleep")
        assert len(person.app.screen_stack) == 1
        await person.see("files", "/etc/passwd")
        await person.see("tasks", "▶   3")
        await person.click("tasks", "sleep")
        details = await person.details()
        text = str(details.query_one("#fields-text", Static).content)
        assert "comm             sleep" in text
        assert "signals" in text
        assert "kernel.task.task" in details.where

    look(scenario, *shell(arch, "sleep 1000 < /etc/passwd & wait"))


def test_a_small_window_shows_one_pane_and_all_can_be_had(arch: str) -> None:
    async def scenario(person: Looker) -> None:
        app = person.app
        await person.read("ready")
        assert app.terminal.size.width == NARROW[0]
        await person.leave_terminal()
        names = ("calls", "tasks", "files", "memory", "waits", "kernel")
        for number, name in enumerate(names, 1):
            await person.pilot.press(str(number))
            await person.until(lambda n=name: app.listing(n).size.height > 3)  # type: ignore[misc]
            await person.until(lambda n=name: person.lines(n))  # type: ignore[misc]
            others = [n for n in names if n != name and app.listing(n).size.height]
            assert others == []
            assert app.terminal.size.height >= 8
        await person.pilot.press("z")
        await person.until(lambda: app.listing("kernel").size.height > 15)
        await person.pilot.press("z")
        await person.until(lambda: app.terminal.size.height >= 8)
        await person.pilot.resize_terminal(170, 50)
        await person.until(lambda: all(app.listing(n).size.height for n in names))

    look(scenario, *shell(arch, "echo ready; sleep 1000"), size=NARROW)


def test_the_guest_hears_of_the_size_of_its_pane(arch: str) -> None:
    async def scenario(person: Looker) -> None:
        await person.read("/ # ")
        size = person.app.terminal.size
        await person.type("stty size\n")
        await person.read(f"{size.height} {size.width}")
        await person.pilot.resize_terminal(200, 60)
        await person.until(lambda: person.app.terminal.size != size)
        size = person.app.terminal.size
        await person.type("stty size\n")
        await person.read(f"{size.height} {size.width}")

    look(scenario, *shell(arch))


def test_too_many_calls_are_counted_and_the_screen_stays_quick(arch: str) -> None:
    """A guest that makes calls as fast as it can does not drown who looks."""

    async def scenario(person: Looker) -> None:
        await person.see("calls", "too many to show")
        assert len(person.lines("calls")) <= 5000
        await person.leave_terminal()
        await person.pilot.press("p")
        await person.state("paused")
        await person.pilot.press("p")
        await person.state("running")

    look(scenario, "-q", "--arch", arch, "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=1")


def test_lists_are_walked_with_keys(arch: str) -> None:
    async def scenario(person: Looker) -> None:
        await person.see("calls", "clock_nanosleep")
        await person.leave_terminal()
        calls = person.app.listing("calls")
        assert calls.following
        last = len(calls.rows) - 1
        await person.until(lambda: calls.cursor == last)
        await person.pilot.press("up")
        assert (calls.cursor, calls.following) == (last - 1, False)
        await person.pilot.press("home")
        assert (calls.cursor, calls.scroll_offset.y) == (0, 0)
        await person.pilot.press("pagedown", "j", "k", "down")
        assert calls.cursor == calls.size.height
        await person.pilot.press("right")
        assert calls.scroll_offset.x > 0
        await person.pilot.press("left", "f")
        assert (calls.cursor, calls.scroll_offset.x, calls.following) == (last, 0, True)
        await person.pilot.press("enter")
        details = await person.details()
        assert "def clock_nanosleep" in details.query_one("#source-text", Static).content.code  # type: ignore[union-attr]
        await person.pilot.press("tab", "q")
        await person.until(lambda: len(person.app.screen_stack) == 1)

    look(scenario, *shell(arch, "sleep 1000"))


def test_a_machine_that_dies_is_told(work: Path) -> None:
    """Somebody kills it: the view says so and stays."""
    with machine(work / "s", "-q", "busybox", "sleep", "1000", wait=False) as run:
        run.ready()

        async def scenario(person: Looker) -> None:
            await person.see("tasks", "sleep")
            run.process.kill()
            await person.state("over")
            assert "lost" in person.app.status.ending
            await person.pilot.press("1", "p", "s", "slash", "escape", "question_mark", "escape")

        look_in(scenario, str(work / "s"))


def test_looking_at_a_machine_that_runs_and_leaving_it(arch: str, work: Path) -> None:
    words = shell(arch, "read a; echo $a")
    with machine(work / "s", *words, wait=False, stdin=-1) as run:
        run.ready()

        async def scenario(person: Looker) -> None:
            assert "not go to a terminal" in person.app.terminal.placeholder
            await person.see("calls", "fd=0")  # it slept in that call when we came
            await person.see("tasks", "busybox")
            await person.pilot.press("p")
            await person.state("paused")

        look_in(scenario, str(work / "s"))
        assert run.process.communicate(b"still here\n")[0] == b"still here\n"
        assert run.process.returncode == 0
