"""What the view asks the machine for: by pane, and about one object."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from tools.inspector.details import Details
from tools.inspector.link import Link, LinkError
from tools.inspector.listing import Row
from tools.inspector.protocol import Message

ALWAYS: Final = ("tasks", "run_queue", "memory")
"""The first line and the tasks, which every pane refers to."""
OF_SYSTEM: Final = {"waits": ("waits",), "kernel": ("futexes", "pipes", "sockets", "mounts")}
OF_TASK: Final = {"files": ("descriptors",), "memory": ("memory_map",)}
EVENT_SOURCES: Final = {
    "signal": "kernel.task.delivery.return_to_user",
    "stop": "kernel.task.delivery.return_to_user",
    "continue": "kernel.task.signals.send_to_group",
    "fault": "kernel.mm.address_space.AddressSpace",
    "switch": "kernel.task.scheduler.Scheduler",
    "start": "kernel.task.clone.clone",
    "end": "kernel.task.exit.exit_task",
    "exec": "kernel.task.execve.execute",
}
"""Where that happens which an event tells of."""


def wanted(panes: Collection[str]) -> tuple[list[str], list[str]]:
    """Descriptions for these panes: of the system, and of the selected task."""
    system = [*ALWAYS, *(name for pane in panes for name in OF_SYSTEM.get(pane, ()))]
    return system, [name for pane in panes for name in OF_TASK.get(pane, ())]


async def details(link: Link, pane: str, row: Row, selected: int) -> Details:
    """A screen for the object on a line: its fields, what belongs to it, its source."""
    fields = dict(row.item)
    with suppress(LinkError):
        fields |= await _belonging(link, pane, row.item, selected)
    source: Message | None = None
    why = ""
    try:
        source = await _source(link, row.item)
    except LinkError as error:
        why = str(error)
    return Details(row.text.plain.strip(), fields, source, why)


async def _source(link: Link, item: Message) -> Message:
    if item.get("event") == "call":
        return await link.ask("handler", of=item["name"], whole=True)
    name = item.get("implemented_by") or EVENT_SOURCES[item["event"]]
    return await link.ask("source", of=name, whole=True)


async def _belonging(link: Link, pane: str, item: Message, selected: int) -> Message:
    """What else is worth seeing of an object."""
    if pane == "tasks":
        shown = await link.ask("show", what=["signals"], tid=item["tid"])
        return {"signals": shown["signals"]}
    if pane == "memory":
        shown = await link.ask("show", what=["page_walk"], tid=selected, address=item["start"])
        return {"page walk of its first page": shown["page_walk"]}
    return {}
