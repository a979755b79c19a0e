"""SVG and HTML by hand: the few shapes the pictures are made of.

Pictures have to be readable on a white page and on a black one, whatever decides which it is, so
there is no background and no fixed text colour: text and lines are ``currentColor``, and fills are
translucent.  Nothing is fetched from anywhere.
"""

from __future__ import annotations

import html
from typing import Final

FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
LETTER: Final = 7.3
"""The width of a letter at 12 px, a little more than it is in any of these fonts."""

BLUE: Final = "#4a90d9"
GREEN: Final = "#3fa34d"
ORANGE: Final = "#e08e2b"
RED: Final = "#d9534f"
VIOLET: Final = "#9b6fd0"
GREY: Final = "#8a8f98"


def escape(text: str) -> str:
    """Text for HTML and SVG; what cannot be shown (names may have any byte) is a question mark."""
    shown = (
        text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
    )
    return html.escape(shown)


class Canvas:
    """A picture that grows: shapes are added, the size is known at the end."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._parts: list[str] = []
        self.left = 0.0
        self.top = 0.0
        self.width = 0.0
        self.height = 0.0

    def _grow(self, x: float, y: float) -> None:
        self.left = min(self.left, x)
        self.top = min(self.top, y)
        self.width = max(self.width, x)
        self.height = max(self.height, y)

    def box(
        self, x: float, y: float, width: float, height: float, colour: str = GREY, *,
        strength: float = 0.22, dashed: bool = False, title: str = "", thick: bool = False,
    ) -> None:  # fmt: skip
        """A rectangle with a translucent fill; ``title`` shows when the mouse is over it."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        tip = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" '
            f'fill="{colour}" fill-opacity="{strength}" stroke="{colour}" '
            f'stroke-width="{2 if thick else 1}"{dash}>{tip}</rect>'
        )
        self._grow(x + width, y + height)

    def text(
        self, x: float, y: float, text: str, *, size: int = 12, anchor: str = "start",
        faint: bool = False, bold: bool = False, colour: str = "currentColor",
    ) -> None:  # fmt: skip
        """A line of text, its baseline at ``y``."""
        opacity = ' opacity="0.65"' if faint else ""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}"{opacity}{weight}>{escape(text)}</text>'
        )
        width = text_width(text, size)
        self._grow(x + {"start": width, "middle": width / 2, "end": 0.0}[anchor], y + 4)

    def line(
        self, points: list[tuple[float, float]], colour: str = "currentColor", *,
        arrow: bool = False, dashed: bool = False, thick: bool = False,
    ) -> None:  # fmt: skip
        """A line through points, with a head at its end if it is an arrow."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        width = 2.2 if thick else 1.2
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.85" '
            f'stroke-width="{width}"{dash}/>'
        )
        for x, y in points:
            self._grow(x, y)
        if arrow:
            self._head(points[-2], points[-1], colour)

    def curve(
        self, start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float],
        colour: str = "currentColor", *, thick: bool = False, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A bent arrow."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._parts.append(
            f'<path d="M{start[0]:.1f},{start[1]:.1f} Q{bend[0]:.1f},{bend[1]:.1f} '
            f'{end[0]:.1f},{end[1]:.1f}" fill="none" stroke="{colour}" '
            f'stroke-width="{2.2 if thick else 1.2}"{dash}/>'
        )
        for at in (0, 0.25, 0.5, 0.75, 1):  # a bend pulls the curve at most half-way to itself
            first, second, third = (1 - at) ** 2, 2 * at * (1 - at), at**2
            self._grow(
                first * start[0] + second * bend[0] + third * end[0],
                first * start[1] + second * bend[1] + third * end[1],
            )
        self._head(bend, end, colour)

    def _head(self, before: tuple[float, float], end: tuple[float, float], colour: str) -> None:
        dx, dy = end[0] - before[0], end[1] - before[1]
        length = max((dx * dx + dy * dy) ** 0.5, 0.001)
        ux, uy = dx / length, dy / length
        left = (end[0] - 8 * ux - 4 * uy, end[1] - 8 * uy + 4 * ux)
        right = (end[0] - 8 * ux + 4 * uy, end[1] - 8 * uy - 4 * ux)
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (end, left, right))
        self._parts.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def render(self) -> str:
        """The SVG element."""
        left, top = (edge - 6 if edge < 0 else 0.0 for edge in (self.left, self.top))
        width, height = self.width + 6 - left, self.height + 6 - top
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(self._label)}"'
            f' width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" '
            f'style="font-family:{FONT};max-width:none;overflow:visible">'
            f"{''.join(self._parts)}</svg>"
        )


def text_width(text: str, size: int = 12) -> float:
    """About how wide a line of text is."""
    return len(text) * LETTER * size / 12


def shortened(text: str, limit: int) -> str:
    """The text, or its ends around an ellipsis."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def framed(title: str, body: str, note: str = "") -> str:
    """A heading and a picture, as one block of HTML."""
    below = f'<div style="opacity:.65;margin-top:4px">{escape(note)}</div>' if note else ""
    return (
        f'<div style="font-family:{FONT};font-size:12px;line-height:1.4;overflow-x:auto;'
        f'padding:4px 0"><div style="font-weight:bold;margin-bottom:6px">{escape(title)}</div>'
        f"{body}{below}</div>"
    )


def document(title: str, body: str) -> str:
    """A page of its own, in the colours the reader's system prefers."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}body{margin:16px}</style></head>"
        f"<body>{body}</body></html>\n"
    )
