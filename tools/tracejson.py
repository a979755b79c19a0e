"""Reading what ``--json`` wrote, and making strace's text from it again.

::

    from tools.tracejson import read_events

    with open("trace.json") as file:
        for event in read_events(file):
            if event["event"] == "call" and event["error"] == "ENOENT":
                print(event["name"], event["arguments"][1]["text"])

``python -m tools.tracejson FILE`` prints the text; with ``-f``, a pid before each line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from tools.errors import DioramaError
from tools.tracer.lines import Lines, Prefix, explained

FORMAT = "diorama-trace"
VERSION = 1
Event = dict[str, Any]  # Any: what JSON can hold


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a file, without its first line.  DioramaError: not such a file.

    A file that was continued (SIGUSR1 twice) has a start in the middle, where ``order`` begins
    anew; here it goes on.
    """
    first, base, last = True, 0, 0
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except ValueError:
            raise DioramaError(f"line {number}: not JSON") from None
        if not isinstance(event, dict) or "event" not in event:
            raise DioramaError(f"line {number}: not an event")
        if first:
            if event.get("format") != FORMAT or event.get("version") != VERSION:
                raise DioramaError(f"not a {FORMAT} of version {VERSION}")
            first = False
        elif event["event"] == "start":
            base = last
        else:
            order = event["order"]
            both = isinstance(order, list)
            event["order"] = [base + n for n in order] if both else base + order
            last = max(last, event["order"][1] if both else event["order"])
            yield event


def strace_text(events: Iterable[Event], *, pids: bool = False) -> str:
    """The text ``trace -o FILE`` writes; ``pids`` as with ``-f``."""
    writer = _Writer(Prefix(pid_always=pids))
    for _, step, event in sorted(_steps(events), key=lambda item: item[0]):
        writer.take(step, event)
    writer.lines.flush()
    return writer.text.getvalue()


def _steps(events: Iterable[Event]) -> Iterator[tuple[int, str, Event]]:
    """(order, what, event): a call is two of them."""
    for event in events:
        if event["event"] == "call":
            enter, leave = event["order"]
            yield enter, "enter", event
            yield leave, "leave", event
        else:
            yield event["order"], str(event["event"]), event


@dataclass(slots=True)
class _Writer:
    """The lines so far; ``open``: signals that came during a task's call, shown after it."""

    prefix: Prefix
    text: StringIO = field(default_factory=StringIO)
    lines: Lines = field(init=False)
    open: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = Lines(self.text, self.prefix, lambda: 0)

    def take(self, step: str, event: Event) -> None:
        """One step of one event."""
        tid = event["tid"]
        if step == "enter":
            self._enter(tid, event)
        elif step == "leave":
            self._leave(tid, event)
        elif step == "exec" and event["text"] is not None:
            self.lines.begin(tid)
            self.lines.write(f"execve({event['text']}")
            self.lines.result("0")
        elif step == "signal" and event["signal"] != "SIGKILL":
            frames = "".join(f"\n > {frame}" for frame in event.get("stack") or ())
            self._signal(tid, f"--- {event['signal']} {event['text']} ---{frames}{_why(event)}")
        elif step == "wait":
            self.lines.wait(tid, explained(event["waits_for"]))
        elif step == "stop":
            self.lines.line(tid, f"--- stopped by {event['signal']} ---")
        elif step == "superseded":
            self.lines.line(tid, f"+++ superseded by execve in pid {event['by']} +++")
        elif step == "exit" and event["text"] is not None:
            self.lines.line(tid, f"+++ {event['text']} +++{_why(event)}")

    def _enter(self, tid: int, event: Event) -> None:
        self.open[tid] = []
        if event["text"]["shown_on_entry"] and event["text"]["entry"] is not None:
            self.lines.begin(tid)
            self.lines.write(f"{event['name']}({event['text']['entry']}")

    def _leave(self, tid: int, event: Event) -> None:
        text = event["text"]
        if text["shown_on_entry"]:
            self.lines.resume(tid, event["name"])
        else:
            self.lines.begin(tid)
            self.lines.write(f"{event['name']}({text['entry'] or ''}")
        self.lines.write(text["exit"])
        returned = event["return"] is not None
        marks = "".join(f" ({word})" for word in event["injected"] or () if returned)
        self.lines.result(text["result"] + marks)
        if text.get("explained") and event["reason"]:
            self.lines.note(explained(event["reason"]))
        for frame in event["stack"] or ():
            self.lines.note(f" > {frame}")
        for line in self.open.pop(tid, ()):
            self.lines.line(tid, line)

    def _signal(self, tid: int, line: str) -> None:
        if tid in self.open:
            self.open[tid].append(line)
        else:
            self.lines.line(tid, line)


def _why(event: Event) -> str:
    """The line below an event that has a reason."""
    return "\n" + explained(event["reason"]) if event.get("reason") else ""


def main(words: Sequence[str] | None = None) -> int:
    """``python -m tools.tracejson [-f] FILE``."""
    arguments = list(sys.argv[1:] if words is None else words)
    pids = "-f" in arguments
    names = [word for word in arguments if word != "-f"]
    if len(names) != 1:
        print("usage: python -m tools.tracejson [-f] FILE", file=sys.stderr)
        return 125
    try:
        with open(names[0], encoding="utf-8") as file:
            sys.stdout.write(strace_text(read_events(file), pids=pids))
    except (OSError, ValueError, DioramaError) as error:
        print(f"diorama: {names[0]}: {error}", file=sys.stderr)
        return 125
    return 0


if __name__ == "__main__":
    sys.exit(main())
