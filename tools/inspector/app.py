"""``diorama top``: the screen.  What the panes show is in ``rows``, how in ``listing``.

The machine is another process.  Events come as they happen and are drawn twenty times a second at
most; what the panes show is asked for four times a second, and only what can be seen.
"""

from __future__ import annotations

import asyncio
import select
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.markup import escape
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from tools.inspector import objects, rows
from tools.inspector.bindings import BINDINGS, PANES
from tools.inspector.help import Help
from tools.inspector.link import Link, LinkError
from tools.inspector.listing import Listing, Row
from tools.inspector.protocol import Message
from tools.inspector.status import StatusLine
from tools.inspector.terminal import Terminal

if TYPE_CHECKING:
    from tools.inspector.guest import Guest

REFRESH_SECONDS: Final = 0.25
DRAW_SECONDS: Final = 0.05
BROWSER_SECONDS: Final = 0.5
"""How soon it is noticed that the server of ``--web`` is gone."""
LIMIT: Final = 5000
"""Lines of the stream that are kept."""
WIDE: Final = (116, 30)
"""From this many columns and rows on, everything is shown at once."""
PROGRAM: Final = 2
"""The pid of PROGRAM."""
_EVENTS: Final = ["calls", "signals", "tasks"]
_MORE_EVENTS: Final = ["faults", "switches"]


class InspectorApp(App[int]):
    """``guest``: the machine that is ours, None if we are attached to another one.

    The result is the exit status of the guest, 0 while it goes on.
    """

    front: Screen[Any]
    status: StatusLine
    terminal: Terminal

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "diorama top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)

    def __init__(
        self,
        connection: socket.socket,
        hello: Message,
        guest: Guest | None,
        *,
        paused: bool = False,
    ) -> None:
        super().__init__()
        self._hello = hello
        self._guest = guest
        self.held = paused
        """Is the machine to stand still before its first instruction?"""
        self.link = Link(connection, self._hear, self._lost_machine)
        self.selected = PROGRAM
        self.pane = "calls"
        self._pending: list[Message] = []
        self._names: dict[int, str] = {}
        self._filter: list[str] = []
        self._more = False
        self._here: int | None = None  # the task at which the machine stands, as last shown
        self._wake = asyncio.Event()
        self._reading = False

    # -- the screen ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The same widgets for every size; app.tcss lays them out."""
        self.status = StatusLine()
        self.terminal = Terminal("terminal", fixed=self._guest is None)
        self._listings = {
            "calls": Listing("calls", classes="", following=True),
            "tasks": Listing("tasks", heading=rows.TASK_HEADING, selects=True),
            "files": Listing("files", heading=rows.FILE_HEADING),
            "memory": Listing("memory", heading=rows.AREA_HEADING),
            "waits": Listing("waits"),
            "kernel": Listing("kernel"),
        }
        yield self.status
        yield Static(id="strip")
        with Container(id="main"):
            with Vertical(id="left"):
                yield self.terminal
                with Vertical(id="calls-box", classes="pane"):
                    yield Input(id="filter", placeholder="strace -e:  %file   read,write   !futex")
                    yield self.listing("calls")
            with Vertical(id="right"):
                for name in PANES[1:]:
                    yield self.listing(name)
        yield Footer(show_command_palette=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the guest has the keys, ours are not in the footer."""
        typing = isinstance(self.focused, Terminal) and self.focused.on_keys is not None
        return typing == (action == "leave")

    def listing(self, name: str) -> Listing:
        """A pane by its name."""
        return self._listings[name]

    def on_mount(self) -> None:
        """Titles; then the machine may begin."""
        self.front = self.screen
        for name in PANES[1:]:
            self.listing(name).border_title = name
        self.query_one("#calls-box").border_title = "calls"
        terminal = self.terminal
        terminal.border_title = "terminal"
        self.status.program = " ".join(self._hello["program"])
        self.status.state = self._hello["state"]
        self._show_pane("calls")
        self._connect_terminal(terminal)
        self.link.start()
        self.set_interval(DRAW_SECONDS, self.draw_events)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            asyncio.get_running_loop().add_signal_handler(number, self._go, 128 + number)
        if self.is_web:
            self.set_interval(BROWSER_SECONDS, self._check_browser)
        self.call_after_refresh(self._begin)

    def _connect_terminal(self, terminal: Terminal) -> None:
        if self._guest is not None:
            terminal.on_keys = self._guest.type
            self.set_focus(terminal)
        elif self._hello["terminal"]:
            terminal.set_size(*self._hello["window"])
            terminal.border_subtitle = "mirror"
            self.set_focus(self.listing("calls"))
        else:
            terminal.placeholder = "the program's output does not go to a terminal"
            self.set_focus(self.listing("calls"))

    async def _begin(self) -> None:
        """The panes have their sizes, and so has the guest's terminal: let it begin."""
        guest = self._guest
        if guest is not None and guest.master is not None:
            self.terminal.feed(guest.first_words())
            asyncio.get_running_loop().add_reader(guest.master, self._read_terminal)
            self._reading = True
        self.run_worker(self._start(), name="start")

    async def _start(self) -> None:
        await self._subscribe()
        if self._hello["state"] == "waiting" and not self.held:
            await self._ask("resume")
        self.run_worker(self._refresh_for_ever(), name="refresh")

    def on_resize(self, event: events.Resize) -> None:
        """Everything at once, or the terminal and one pane."""
        narrow = event.size.width < WIDE[0] or event.size.height < WIDE[1]
        for screen in self.screen_stack:
            screen.set_class(narrow, "narrow")

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:  # as App's
        """Other screens are as narrow as the first."""
        if not isinstance(screen, str) and len(self._screen_stack) > 0:
            screen.set_class(self._screen_stack[0].has_class("narrow"), "narrow")
        return super().push_screen(screen, *arguments, **options)

    # -- panes -----------------------------------------------------------------------------------

    def _show_pane(self, name: str) -> None:
        """Where there is room for one pane only, this is it."""
        self.pane = name
        first = self.front
        for other in PANES[1:]:
            self.listing(other).set_class(other == name, "shown")
        first.query_one("#calls-box").set_class(name == "calls", "shown")
        first.query_one("#right").set_class(name == "calls", "empty")
        names = (
            f"[@click=app.pane('{n}')]{'[reverse]' if n == name else ''} {i} {n} "
            f"{'[/reverse]' if n == name else ''}[/]"
            for i, n in enumerate(PANES, 1)
        )
        first.query_one("#strip", Static).update(" ".join(names))
        self._wake.set()

    def action_pane(self, name: str) -> None:
        """1 to 6, or a click on the strip."""
        self._show_pane(name)
        self.set_focus(self.listing(name))

    def action_terminal(self) -> None:
        """t: keys go to the guest."""
        self.set_focus(self.terminal)

    def action_leave(self) -> None:
        """Ctrl-]: the keys are ours again."""
        self.set_focus(self.listing(self.pane))

    def action_zoom(self) -> None:
        """z: the pane with the focus alone, or all of them again."""
        first = self.front
        alone = not first.has_class("zoomed")
        for widget in first.query(".zoom"):
            widget.remove_class("zoom")
        first.set_class(alone, "zoomed")
        if alone and self.focused is not None:
            for node in self.focused.ancestors_with_self:
                if isinstance(node, Terminal | Listing | Vertical):
                    node.add_class("zoom")

    def action_help(self) -> None:
        """?: keys and panes."""
        if not isinstance(self.screen, Help):
            self.push_screen(Help())

    # -- the machine -----------------------------------------------------------------------------

    async def _ask(self, do: str, **details: Any) -> Message | None:  # Any: what JSON has
        """A request; what is refused is shown.  None: there is no answer."""
        try:
            return await self.link.ask(do, **details)
        except LinkError as error:
            if not self.link.closed:
                self.notify(str(error), severity="error", markup=False)
            return None

    async def _subscribe(self) -> bool:
        """Events as they are wanted now; those of before that nobody has seen are dropped."""
        mirror = ["terminal"] if self._guest is None else []  # of our own guest we have the pty
        wanted = [*_EVENTS, *mirror, *(_MORE_EVENTS if self._more else ())]
        clear = self._pending.clear
        done = await self._ask("subscribe", events=wanted, filter=self._filter, then=clear)
        return done is not None

    def action_pause(self) -> None:
        """p: pause, or go on."""
        held = self.status.state in ("paused", "waiting")
        self.run_worker(self._ask("resume" if held else "pause"))

    def action_step(self) -> None:
        """s: one call of anybody."""
        self.run_worker(self._ask("step", filter=self._filter))

    def action_step_task(self) -> None:
        """S: one call of the selected task."""
        self.run_worker(self._ask("step", filter=self._filter, tid=self.selected))

    def action_more_events(self) -> None:
        """e: page faults and switches as well, or no longer."""
        self._more = not self._more
        self.run_worker(self._subscribe())
        self.notify("page faults and switches are shown" if self._more else "calls only")

    # -- events ----------------------------------------------------------------------------------

    def _hear(self, event: Message) -> None:
        """Something happened; states count at once, lines when the next picture is due."""
        match event.get("event"):
            case "state":
                self._become(event["state"], event["tid"])
            case "over":
                self.status.ending = f"with status {event['status']}"
                if self._guest is not None:
                    self._guest.over = True
                self._become("over", None)
            case "terminal":
                if self._guest is None:
                    self.terminal.feed(event["data"].encode("latin-1"))
            case "detached":
                self.notify(f"detached: {event['why']}", severity="error", markup=False)
            case _:
                self._pending.append(event)
                del self._pending[:-LIMIT]

    def _become(self, state: str, tid: int | None) -> None:
        self.status.state = state
        self.status.show()
        if state == "over":
            self._leave_terminal()
        if tid is not None:
            self.selected = tid
        self._wake.set()

    def _leave_terminal(self) -> None:
        """Nobody hears what is typed any more: the keys are ours."""
        self.terminal.on_keys = None
        if self.terminal.has_focus:
            self.front.set_focus(self.listing("calls"))

    def draw_events(self) -> None:
        """The lines that have come since the last picture."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        calls = self.listing("calls")
        fresh: dict[object, Row] = {}
        for event in pending:
            row = rows.event_row(event)
            if row is None:
                continue
            if row.key is not None and (row.key in fresh or not calls.replace(row)):
                fresh[row.key] = row
            elif row.key is None:
                fresh[("line", len(fresh), event.get("time"))] = row._replace(
                    key=("line", len(fresh), event.get("time"))
                )
        calls.append(list(fresh.values()), LIMIT)

    def _lost_machine(self) -> None:
        """The connection is closed."""
        if self.status.state != "over":
            self.status.ending = "(the connection is lost)"
            self._become("over", None)

    # -- the terminal ----------------------------------------------------------------------------

    def _read_terminal(self) -> None:
        assert self._guest is not None
        data = self._guest.read()
        if data:
            self.terminal.feed(data)
        else:
            self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reading and self._guest is not None and self._guest.master is not None:
            asyncio.get_running_loop().remove_reader(self._guest.master)
        self._reading = False

    @on(Terminal.Resized)
    def _resized(self, event: Terminal.Resized) -> None:
        if self._guest is not None:
            self._guest.resize(event.rows, event.columns)

    # -- what the panes show ---------------------------------------------------------------------

    async def _refresh_for_ever(self) -> None:
        while not self.link.closed:
            self._wake.clear()
            await self.refresh_panes()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), REFRESH_SECONDS)

    async def refresh_panes(self) -> None:
        """Ask, and show the answers."""
        narrow = self.front.has_class("narrow")
        system, task = objects.wanted((self.pane,) if narrow else PANES)
        try:
            numbers = await self.link.ask("status")
            shown = await self.link.ask("show", what=system)
            self._show_system(numbers, shown)
            if task and self.selected in self._names:
                self._show_task(await self.link.ask("show", what=task, tid=self.selected))
        except LinkError:  # the task or the machine is gone meanwhile
            return

    def _show_system(self, numbers: Message, shown: Message) -> None:
        self.status.hear(numbers, shown["memory"])
        self._names = {task["tid"]: rows.visible(task["comm"]) for task in shown["tasks"]}
        if self.selected not in self._names:
            self.selected = PROGRAM if PROGRAM in self._names else min(self._names)
        here = numbers["tid"] if numbers["state"] == "paused" else None
        tasks = self.listing("tasks")
        tasks.set_rows(rows.task_rows(shown["tasks"], self.selected, here))
        if here != self._here:
            self._here = here
            tasks.select(here)
        if "waits" in shown:
            waits = rows.queue_rows(shown["run_queue"], shown["waits"], self._names)
            self.listing("waits").set_rows(waits)
        if "mounts" in shown:
            self.listing("kernel").set_rows(rows.kernel_rows(shown))

    def _show_task(self, shown: Message) -> None:
        who = escape(f"of {self.selected} {self._names.get(self.selected, '')}")
        if "descriptors" in shown:
            self.listing("files").set_rows(rows.file_rows(shown["descriptors"]))
            self.listing("files").border_subtitle = who
        if "memory_map" in shown:
            self.listing("memory").set_rows(rows.area_rows(shown["memory_map"]))
            self.listing("memory").border_subtitle = who

    # -- the stream's filter ---------------------------------------------------------------------

    def action_filter(self) -> None:
        """/: which calls are shown."""
        self._show_pane("calls")
        entry = self.query_one("#filter", Input)
        entry.display = True
        self.set_focus(entry)  # at once: the next key is meant for it

    def action_follow(self) -> None:
        """f: to the end of the stream, and stay there."""
        calls = self.listing("calls")
        calls.action_edge(1)

    @on(Input.Submitted, "#filter")
    async def _filtered(self, event: Input.Submitted) -> None:
        """Words apart by blanks; each may have one of strace's qualifiers."""
        before, self._filter = self._filter, event.value.split()
        entry = self.query_one("#filter", Input)
        if not await self._subscribe():
            self._filter = before
            entry.add_class("wrong")
            return
        self.listing("calls").clear()
        self.draw_events()
        entry.remove_class("wrong")
        entry.display = bool(self._filter)
        self.query_one("#calls-box").border_subtitle = escape(" ".join(self._filter))
        self.set_focus(self.listing("calls"))

    def on_key(self, event: events.Key) -> None:
        """Escape leaves the filter's line as it was."""
        entry = self.query(Input).first() if self.query(Input) else None
        if event.key == "escape" and entry is not None and entry.has_focus:
            entry.value = " ".join(self._filter)
            entry.remove_class("wrong")
            entry.display = bool(self._filter)
            self.set_focus(self.listing("calls"))

    # -- one object ------------------------------------------------------------------------------

    @on(Listing.Moved, "#tasks")
    def _select(self, event: Listing.Moved) -> None:
        self.selected = event.row.item["tid"]
        self._wake.set()

    @on(Listing.Opened)
    def _open(self, event: Listing.Opened) -> None:
        if event.listing.id == "tasks":
            self.selected = event.row.item["tid"]
        self.run_worker(self._details(event.listing.id or "", event.row), group="details")

    async def _details(self, pane: str, row: Row) -> None:
        await self.push_screen(await objects.details(self.link, pane, row, self.selected))

    # -- the end ---------------------------------------------------------------------------------

    def on_unmount(self) -> None:
        """The screen is gone, however that came."""
        self._stop_reading()

    def _check_browser(self) -> None:
        """Our stdin comes from the server: when it is gone, nobody looks any more."""
        server = select.poll()
        server.register(0, 0)
        if server.poll(0):
            self._go()

    def _go(self, status: int | None = None) -> None:
        """The terminal or the browser is gone, or a signal says that we are to end."""
        self.run_worker(self._leave(status), group="leave", exclusive=True)

    async def action_quit(self) -> None:
        """q: our own guest ends, another machine goes on."""
        await self._leave()

    async def _leave(self, status: int | None = None) -> None:
        """``status``: what to exit with, if not as the guest does."""
        self._stop_reading()
        await self.link.close()
        ended = 0 if self._guest is None else await asyncio.to_thread(self._guest.end)
        self.exit(ended if status is None else status)
