"""Commands that show what the kernel has: tasks, maps, fds, waits, pipes...

All of it comes from ``kernel.machine.describe``; here it becomes tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.machine import describe
from tools.console import complete, words
from tools.console.command import CommandError, command, no_words
from tools.console.tables import table
from tools.task_tree import DEEPEST, branches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kernel.machine.describe.files import Holder
    from tools.console.console import DebugConsole


def _show(
    console: DebugConsole, headers: Sequence[str], rows: Iterable[Sequence[object]], none: str
) -> None:
    found = list(rows)
    console.say(table(headers, found) if found else none)


@command("tasks", "looking", "threads")
def tasks(console: DebugConsole, rest: str) -> None:
    """Every task as a tree of processes; * is the selected one, > the one that stopped."""
    no_words(rest, "tasks")
    views = {view.tid: view for view in describe.tasks(console.system, console.table)}
    tree = branches((view.tid, view.pid, view.ppid) for view in views.values())
    rows = [
        (
            _mark(console, view.tid), view.tid, view.pid, view.ppid, view.pgid, view.sid,
            view.state, view.uid, f"{(view.utime + view.stime) / 1e9:.3f}",
            "  " * min(branch.depth, DEEPEST) + view.comm, view.call_name,
        )
        for branch in tree
        for view in (views[branch.tid],)
    ]  # fmt: skip
    headers = (
        "",
        "tid",
        "pid",
        "ppid",
        "pgid",
        "sid",
        "state",
        "uid",
        "cpu s",
        "name",
        "asleep in",
    )
    _show(console, headers, rows, "no tasks")


def _mark(console: DebugConsole, tid: int) -> str:
    selected = console.selected_tid == tid
    stopped = console.place().task.tid == tid
    return ("*" if selected else "") + (">" if stopped else "")


@command("task [TID]", "looking", "thread", complete=complete.tids)
def task(console: DebugConsole, rest: str) -> None:
    """Select the task that maps, fds, regs, stack, x and set are about; or say which it is."""
    found = words.task(console, rest) if rest else console.task
    console.select(found)
    console.say(console.where(found))


@command("maps", "looking")
def maps(console: DebugConsole, rest: str) -> None:
    """The areas of the address space, and how many of their pages are there."""
    no_words(rest, "maps")
    rows = [
        (
            f"{area.start:#x}-{area.end:#x}", area.perms, area.kind, area.pages, area.present,
            area.dirty, area.frames_shared, area.name,
        )
        for area in describe.memory_map(console.task)
    ]  # fmt: skip
    headers = ("addresses", "rights", "kind", "pages", "present", "dirty", "shared", "name")
    _show(console, headers, rows, "no address space")


@command("pagetable [ADDRESS]", "looking", complete=complete.functions)
def pagetable(console: DebugConsole, rest: str) -> None:
    """The four tables on the way to an address (the program counter), entry by entry."""
    current = console.task
    if len(rest.split()) > 1:
        raise CommandError("usage: pagetable [ADDRESS]")
    registers = console.system.cpu.registers(current.context)
    address = words.address(console, rest) if rest else registers.pc
    walk = describe.page_walk(current, address)
    rows = [
        (
            level.level, f"{level.table:#x}", level.slot, f"{level.used}/512",
            f"{level.entry:#018x}", f"{level.frame:#x}", level.flags or "-",
        )
        for level in walk.levels
    ]  # fmt: skip
    headers = ("level", "table frame", "slot", "used", "entry", "frame", "flags")
    _show(console, headers, rows, f"{address:#x}:")
    if walk.physical is not None:
        many = f", {walk.references} references" if walk.references != 1 else ""
        code = ", translated as code" if walk.code else ""
        console.say(f"{address:#x} is physical {walk.physical:#x}{many}{code}")
    console.say(walk.verdict)


def _holders(holders: Sequence[Holder]) -> str:
    return " ".join(f"{pid}:{fd}" for pid, fd in holders)


@command("fds", "looking", "files")
def fds(console: DebugConsole, rest: str) -> None:
    """The descriptors; equal numbers under `file` share an open file (dup, fork), with whom."""
    no_words(rest, "fds")
    rows = [
        (
            found.fd, found.identity, found.kind, "|".join(found.flag_names),
            "cloexec" if found.cloexec else "", found.pos, _holders(found.shared), found.path,
        )
        for found in describe.descriptors(console.task)
    ]  # fmt: skip
    headers = ("fd", "file", "kind", "flags", "", "pos", "shared with pid:fd", "path")
    _show(console, headers, rows, "no descriptors")


@command("waits", "looking")
def waits(console: DebugConsole, rest: str) -> None:
    """The wait queues with sleepers; who waits for what, who could wake it, who is stuck."""
    no_words(rest, "waits")
    graph = describe.wait_graph(console.machine)
    queues = [
        (queue.name, queue.sleepers, queue.exclusive, queue.watchers, queue.implemented_by)
        for queue in describe.wait_queues(console.machine)
    ]
    rows = [
        (
            wait.tid, wait.comm, wait.call, " or ".join(wait.waits_for),
            " ".join(map(str, wait.wakers)) + (" others" if wait.open_ended else ""),
            None if wait.seconds_left is None else f"{wait.seconds_left:.3f}",
            "STUCK" if wait.stuck else "",
        )
        for wait in graph.waits
    ]  # fmt: skip
    headers = ("tid", "name", "call", "waits for", "could be woken by", "seconds left", "")
    _show(console, headers, rows, "nobody sleeps")
    if queues:
        console.say("")
        console.say(table(("queue", "sleepers", "exclusive", "watchers", "belongs to"), queues))
    for cycle in graph.cycles:
        console.say("deadlock: " + " -> ".join(map(str, (*cycle, cycle[0]))))


@command("futexes", "looking")
def futexes(console: DebugConsole, rest: str) -> None:
    """The words in user memory that tasks sleep on, and who holds them."""
    no_words(rest, "futexes")
    rows = [
        (
            f"{futex.address:#x}", futex.pid, "shared" if futex.shared else "private",
            None if futex.value is None else f"{futex.value:#x}", futex.owner,
            "inherits priority" if futex.inherits else "", futex.waiters,
        )
        for futex in describe.futexes(console.system)
    ]  # fmt: skip
    headers = ("address", "pid", "kind", "value", "owner", "", "waiters")
    _show(console, headers, rows, "nobody sleeps on a futex")


@command("runqueue", "looking")
def runqueue(console: DebugConsole, rest: str) -> None:
    """Who has the processor and who is next."""
    no_words(rest, "runqueue")
    queue = describe.run_queue(console.system)
    console.say(f"running   {queue.current if queue.current is not None else 'nobody'}")
    for priority, tids in queue.real_time:
        console.say(f"real-time {priority}: {' '.join(map(str, tids))}")
    console.say(f"ordinary  {' '.join(map(str, queue.ordinary)) or 'nobody waits'}")
    console.say(f"load      {' '.join(f'{value:.2f}' for value in queue.load)}")


@command("mounts", "looking")
def mounts(console: DebugConsole, rest: str) -> None:
    """The tree of mounts."""
    no_words(rest, "mounts")
    rows = [
        (mount.ident, mount.parent, mount.place, mount.fstype, mount.source, mount.opens,
         mount.options)
        for mount in describe.mounts(console.system)
    ]  # fmt: skip
    _show(console, ("id", "on", "place", "type", "source", "open", "options"), rows, "no mounts")


@command("inodes", "looking")
def inodes(console: DebugConsole, rest: str) -> None:
    """Every file that is open somewhere: mode, size, links, locks, who has it (pid:fd)."""
    no_words(rest, "inodes")
    rows = [
        (
            f"{found.device >> 8:x}:{found.device & 0xFF:x}", found.ino, found.kind,
            f"{found.mode:06o}", found.size, found.nlink, _holders(found.holders), found.locks,
            found.paths,
        )
        for found in describe.inodes(console.system)
    ]  # fmt: skip
    headers = (
        "device",
        "inode",
        "kind",
        "mode",
        "size",
        "links",
        "open as pid:fd",
        "locks",
        "path",
    )
    _show(console, headers, rows, "no file is open")


@command("pipes", "looking")
def pipes(console: DebugConsole, rest: str) -> None:
    """Every pipe: what is in it, who reads and writes (pid:fd), who sleeps on it."""
    no_words(rest, "pipes")
    rows = [
        (pipe.name, pipe.size, pipe.capacity, _holders(pipe.readers), _holders(pipe.writers),
         pipe.waiting)
        for pipe in describe.pipes(console.system)
    ]  # fmt: skip
    headers = ("pipe", "bytes", "capacity", "readers", "writers", "asleep")
    _show(console, headers, rows, "no pipes")


@command("sockets", "looking")
def sockets(console: DebugConsole, rest: str) -> None:
    """Every socket: state, addresses, bytes to be read, who has it (pid:fd)."""
    no_words(rest, "sockets")
    rows = [
        (
            found.inode, found.family.removeprefix("AF_"), found.type.removeprefix("SOCK_"),
            found.state, found.local, found.remote, found.received,
            f"{found.accepting}/{found.backlog}" if found.backlog else "", found.peer,
            _holders(found.holders), found.waiting,
        )
        for found in describe.sockets(console.system)
    ]  # fmt: skip
    headers = ("inode", "family", "type", "state", "local", "remote", "bytes", "accept", "peer",
               "holders", "asleep")  # fmt: skip
    _show(console, headers, rows, "no sockets")


@command("signals", "looking")
def signals(console: DebugConsole, rest: str) -> None:
    """Pending and blocked signals of the selected task, and what it does at which."""
    no_words(rest, "signals")
    found = describe.signals(console.task)
    pending = [
        f"{signal.name}{' (process)' if signal.shared else ''}"
        f"{f' from {signal.sender}' if signal.sender is not None else ''}"
        for signal in found.pending
    ]
    console.say(f"pending  {', '.join(pending) or '-'}")
    console.say(f"blocked  {' '.join(found.blocked) or '-'}")
    if found.alternate_stack is not None:
        start, size = found.alternate_stack
        console.say(f"alternate stack {start:#x}, {size} bytes")
    rows = [
        (action.name, action.action, f"{action.handler:#x}" if action.handler > 1 else None,
         f"{action.flags:#x}", action.mask)
        for action in found.actions
    ]  # fmt: skip
    _show(console, ("signal", "action", "handler", "flags", "mask"), rows, "all at their defaults")


@command("memory", "looking")
def memory(console: DebugConsole, rest: str) -> None:
    """The machine's frames of 4096 bytes: how many, and what for."""
    no_words(rest, "memory")
    found = describe.memory(console.system)
    rows = [
        (name.replace("_", " "), value, f"{value * 4} KiB")
        for name, value in found._asdict().items()
        if isinstance(value, int)
    ]
    _show(console, ("frames", "number", ""), rows, "")
