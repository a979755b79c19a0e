"""``diorama top``: the inspector, on a program of its own or on a machine that runs already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tools.cli.options import Option, Parser, UsageError
from tools.cli.run_options import RUN_OPTIONS, RunDraft
from tools.cli.values import parse_number

_OURS: Final = ("--inspect", "--inspect-wait", "--gdb")
"""Options of ``run`` that make no sense here: the view brings its own."""


@dataclass(slots=True)
class TopDraft(RunDraft):
    """``words``: the options of ``run``, checked, in their long form."""

    words: list[str] = field(default_factory=list)
    attach: str | None = None
    port: int | None = None
    paused: bool = False


def _attach(draft: TopDraft, value: str) -> None:
    draft.attach = value


def _web(draft: TopDraft, value: str) -> None:
    port = parse_number(value)
    if not 0 < port < 1 << 16:
        raise ValueError(f"{value!r} is no port")
    draft.port = port


def _pause(draft: TopDraft, _: str) -> None:
    draft.paused = True


def _handed_on(option: Option[RunDraft]) -> Option[TopDraft]:
    """An option of ``run``: checked here, then given to the machine's process."""
    name = option.names[-1]

    def apply(draft: TopDraft, value: str) -> None:
        option.apply(draft, value)
        draft.words.append(f"{name}={value}" if value or option.takes_value else name)

    return replace(option, apply=apply)  # type: ignore[arg-type]  # its draft is ours


TOP_OPTIONS: Final[tuple[Option[TopDraft], ...]] = (
    Option(("--attach",), "[=PATH|PID]", "look at a `diorama run --inspect` that runs", _attach),
    Option(("--web",), "PORT", "in a browser on this host instead of the terminal", _web),
    Option(("--pause",), "", "stand still before the first instruction", _pause),
    *(_handed_on(option) for option in RUN_OPTIONS if option.names[-1] not in _OURS),
)


def top(words: Sequence[str], check: Callable[[Sequence[str]], Sequence[str]]) -> int:
    """``check`` complains about a PROGRAM that is missing."""
    draft = TopDraft()
    rest = Parser("top", TOP_OPTIONS).parse(words, draft)
    if draft.attach is not None:
        if rest or draft.words or draft.paused:
            raise UsageError("top: --attach looks at a machine that runs; it takes no program")
        command = [f"--attach={draft.attach}"]
    else:
        draft.finish("top", check(rest))
        command = [*draft.words, "--", *rest]
    if draft.port is not None:
        from tools.inspector.web import serve  # textual-serve and aiohttp

        return serve(draft.port, [*(["--pause"] if draft.paused else []), *command])
    from tools.inspector import top as view  # Textual

    if draft.attach is not None:
        return view.attach(draft.attach)
    return view.top(command, paused=draft.paused)
