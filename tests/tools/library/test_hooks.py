"""Hooks on system calls: enter, call and exit, with arguments by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import diorama
from kernel.abi.errors import EROFS

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]


def test_enter_changes_what_the_kernel_is_asked(machine: diorama.Machine) -> None:
    """The program's own string stays as it was; only the kernel sees the other one."""
    machine.write_file("/tmp/real", "the real one\n")
    seen = []

    @machine.on_enter("openat")
    def redirect(call: diorama.Call) -> None:
        if call.args.pathname == "/tmp/wanted":
            seen.append((str(call.args.flags), int(call.args.dirfd), call.values[1]))
            call.args.pathname = "/tmp/real"
            assert call.args.pathname == "/tmp/real"

    process = machine.spawn("sh", "-c", "cat /tmp/wanted; cat /tmp/wanted")
    machine.run()
    assert process.stdout == "the real one\n" * 2
    assert [flags for flags, _, _ in seen] == ["O_RDONLY"] * 2
    assert {fd for _, fd, _ in seen} == {-100}
    assert redirect.calls >= 2


def test_enter_changes_numbers_and_bytes(machine: diorama.Machine) -> None:
    def shout(call: diorama.Call) -> None:
        if call.args.fd == 1:
            text = call.args.buf
            assert isinstance(text, bytes)
            call.args.buf = text.upper() + b"!"
            call.args.count = len(text) + 1

    machine.on_enter("write", shout)
    machine.on_enter("umask", lambda call: setattr(call.args, "mask", 0o077))
    process = machine.spawn("sh", "-c", "printf quiet; umask 0; touch /tmp/x; stat -c %a /tmp/x")
    machine.run()
    assert process.stdout.startswith("QUIET!")
    assert machine.system.mounts is not None
    assert process.stdout.endswith("600\n!")


def test_open_flags_are_linuxs_on_both_cpus(machine: diorama.Machine) -> None:
    """O_DIRECTORY and others differ in bits; hooks see and set one form."""
    from kernel.abi.files import O_CREAT, O_DIRECTORY, O_RDONLY

    seen = []

    def look(call: diorama.Call) -> None:
        flags = call.args.flags
        seen.append("O_DIRECTORY" in flags)
        assert bool(flags & O_DIRECTORY) == ("O_DIRECTORY" in flags)
        if flags & O_CREAT:
            call.args.flags = O_RDONLY | O_DIRECTORY

    machine.on_enter("openat", look)
    process = machine.spawn("sh", "-c", "ls /tmp; echo x > /tmp/new")
    machine.run()
    assert True in seen
    assert "can't create /tmp/new" in process.stderr


def test_call_replaces_and_the_first_result_counts(machine: diorama.Machine) -> None:
    machine.on_call("getuid", lambda call: None)
    machine.on_call("getuid", lambda call: 77)
    machine.on_call("getuid", lambda call: 78)
    machine.on_call("mkdirat", lambda call: "EDQUOT", process=None)
    machine.on_call("/^unlink", lambda call: EROFS)
    process = machine.spawn("sh", "-c", "id -ru; rm /etc/passwd")
    machine.run()
    assert process.stdout == "77\n"
    assert "Read-only file system" in process.stderr
    assert machine.exists("/etc/passwd")


def test_a_replaced_call_can_fill_memory_and_sleep(machine: diorama.Machine) -> None:
    from kernel.wait import Sleep

    def answer(call: diorama.Call) -> Any:
        if call.args.fd != 0:
            return None

        def later() -> Any:
            yield Sleep((), machine.system.clock.monotonic() + 1_000_000)
            done.append(1)
            return call.pointer("buf").write(b"from a hook\n")

        return 0 if done else later()

    done: list[int] = []
    machine.on_call("read", answer)
    process = machine.spawn("cat", stdin=diorama.OPEN)
    machine.run()
    assert process.stdout == "from a hook\n"


def test_exit_sees_what_the_kernel_wrote_and_changes_results(machine: diorama.Machine) -> None:
    shown = {}

    @machine.on_exit("uname,newfstatat,read")
    def look(call: diorama.Call) -> int | None:
        if call.name == "uname":
            shown["release"] = call.args.buf.release
            call.pointer("buf").write(b"Notlinux\0")
        elif call.name == "newfstatat" and call.args.pathname == "/etc/shells":
            found = call.args.statbuf
            shown["size"] = found.st_size
            shown["mode"] = found["st_mode"]
        elif call.name == "read" and call.error is None and b"/bin/sh" in call.args.buf:
            shown["read"] = call.args.buf
            shown["path"] = call.file_path("fd")
            return 4
        return None

    size = len(machine.read_file("/etc/shells"))
    process = machine.spawn("sh", "-c", "uname -s; ls -l /etc/shells; head -c 4 /etc/shells")
    machine.run()
    assert shown["release"] == machine.system.names.release
    assert process.stdout.startswith("Notlinux\n")
    assert (shown["read"], shown["path"]) == (machine.read_file("/etc/shells"), "/etc/shells")
    assert process.stdout.endswith("/bin")
    assert (shown["size"], shown["mode"]) == (size, "S_IFREG|0644")


def test_exit_turns_errors_around(machine: diorama.Machine) -> None:
    """An error becomes a success and the other way round; counts and SIGPIPE follow the kernel."""

    def forgive(call: diorama.Call) -> None:
        if call.error == "EEXIST" and call.args.pathname == "/tmp":
            call.result = 0

    machine.on_exit("/^mkdir", forgive)
    machine.on_exit("write", lambda call: "ENOSPC" if call.args.fd == 1 else None)
    process = machine.spawn("sh", "-c", "mkdir /tmp && echo made || echo not >&2")
    machine.run()
    assert process.stdout == "made\n"
    assert "No space left on device" in process.stderr
    assert "not\n" in process.stderr


def test_one_object_from_enter_to_exit(machine: diorama.Machine) -> None:
    pairs = []

    def enter(call: diorama.Call) -> None:
        assert call.result is None
        call.memo = len(call.args.pathname)

    def leave(call: diorama.Call) -> None:
        pairs.append((call.memo, call.phase, call.result))
        assert call.thread.tid == call.task.tid == call.process.pid

    machine.on_enter("openat", enter)
    machine.on_exit("openat", leave)
    machine.spawn("cat", "/etc/hostname")
    machine.run()
    assert (len("/etc/hostname"), "exit", 3) in pairs


def test_a_sleeping_call_passes_exit_when_it_is_over(machine: diorama.Machine) -> None:
    """Also one that was asleep before the hook was there, and one that changed its arguments."""
    results = []
    process = machine.spawn("cat", stdin=diorama.OPEN)
    machine.run(seconds=0.05)
    assert process.stdin is not None
    machine.on_exit("read", lambda call: results.append((call.result, call.args.buf)))
    process.stdin.feed("late\n")
    machine.run(lambda: bool(results))
    assert results == [(5, b"late\n")]
    machine.on_enter("read", lambda call: setattr(call.args, "count", 2))
    machine.run(seconds=0.05)  # cat sleeps in a read that was entered before
    process.stdin.feed("abcdef")
    machine.run(seconds=0.05)
    process.stdin.feed("xyz")
    process.stdin.end()
    machine.run()
    assert process.stdout == "late\nabcdefxyz"
    assert (2, b"xy") in results


def test_a_changed_call_that_a_signal_interrupts_is_made_again_as_the_program_made_it(
    machine: diorama.Machine, stopping: Path
) -> None:
    """Its registers were never touched, so the hook meets the same arguments again."""
    seen = []

    def enter(call: diorama.Call) -> None:
        seen.append(call.raw[:3])
        call.args.fd = 0
        call.args.count = 2

    machine.on_enter("read", enter)
    process = machine.spawn("stopping", "r", stdin=diorama.OPEN)
    machine.run(seconds=0.05)
    process.kill("USR1")
    machine.run(seconds=0.05)
    assert process.stdin is not None
    process.stdin.feed("ok, and more")
    machine.run()
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert process.stdout == "10 20 ok\n"


def test_classes_regexes_and_all(machine: diorama.Machine) -> None:
    names: dict[str, set[str]] = {"%file": set(), "/^get.*id$": set(), "all": set()}
    for words, found in names.items():
        machine.on_enter(words, lambda call, found=found: found.add(call.name))  # type: ignore[misc]
    machine.spawn("sh", "-c", "cat /etc/hostname; id")
    machine.run()
    assert "openat" in names["%file"]
    assert "read" not in names["%file"]
    assert names["/^get.*id$"]
    assert all(name.startswith("get") for name in names["/^get.*id$"])
    assert {"read", "write", "exit_group"} <= names["all"]


def test_hooks_of_one_process_only(machine: diorama.Machine) -> None:
    one = machine.spawn("id", "-ru")
    two = machine.spawn("id", "-ru")
    one.on_call("getuid", lambda call: 5)
    machine.run()
    assert (one.stdout, two.stdout) == ("5\n", "0\n")


def test_removed_hooks_are_not_called_and_cost_nothing(machine: diorama.Machine) -> None:
    kernel = machine.kernel
    with machine.on_call("getuid", lambda call: 5) as hook:
        assert kernel.observed
        machine.spawn("id", "-ru")
        machine.run()
        calls = hook.calls
        assert calls
    assert not kernel.observed
    hook.remove()
    process = machine.spawn("id", "-ru")
    machine.run()
    assert process.stdout == "0\n"
    assert hook.calls == calls
    assert "removed" in repr(hook)


def test_unknown_names_say_what_there_is(machine: diorama.Machine) -> None:
    with pytest.raises(diorama.DioramaError, match="no such system call"):
        machine.on_enter("opneat", print)
    with pytest.raises(diorama.DioramaError, match="no class"):
        machine.on_enter("%nothing", print)
    with pytest.raises(diorama.DioramaError, match="regular expression"):
        machine.on_enter("/(", print)

    def wrong(call: diorama.Call) -> None:
        with pytest.raises(AttributeError, match=r"no argument 'path'.*pathname"):
            call.args.path  # noqa: B018  # the access is what fails
        with pytest.raises(diorama.DioramaError, match="is a number"):
            call.args.flags = "O_RDONLY"
        with pytest.raises(diorama.DioramaError, match="no error"):
            call.result = "ENOTHING"

    machine.on_enter("openat", wrong)
    machine.spawn("cat", "/etc/hostname")
    machine.run()


def test_what_a_hook_at_exit_raises_keeps_the_result(machine: diorama.Machine) -> None:
    def broken(call: diorama.Call) -> None:
        raise LookupError("at exit")

    hook = machine.on_exit("getuid", broken)
    process = machine.spawn("id", "-ru")
    with pytest.raises(LookupError, match="at exit"):
        machine.run()
    hook.remove()
    machine.run()
    assert process.stdout == "0\n"


def test_hooks_and_traces_see_the_same_call(machine: diorama.Machine) -> None:
    """A trace shows what the kernel really did."""
    machine.on_enter("openat", lambda call: setattr(call.args, "pathname", "/etc/shells"))
    machine.on_exit("openat", lambda call: "EMFILE")
    trace = machine.trace("openat")
    machine.spawn("cat", "/etc/hostname")
    (line,) = {str(event).partition(" ")[2] for event in trace if event["event"] == "call"}
    assert line == 'openat(AT_FDCWD, "/etc/shells", O_RDONLY) = -1 EMFILE (Too many open files)'


def test_calls_show_themselves(machine: diorama.Machine) -> None:
    texts = []
    machine.on_enter("openat", lambda call: texts.append(repr(call)))
    machine.on_exit("openat", lambda call: texts.append(repr(call)))
    process = machine.spawn("cat", "/etc/hostname")
    machine.run()
    shown = 'openat(AT_FDCWD, "/etc/hostname", O_RDONLY)'
    assert f"<Call {shown} by {process.pid}>" in texts
    assert f"<Call {shown} = 3 by {process.pid}>" in texts
