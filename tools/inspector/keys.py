"""From keys as Textual names them to the bytes a terminal sends.  See xterm's ctlseqs, PC keys."""

from __future__ import annotations

from typing import Final

_CURSOR: Final = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_MODIFIERS: Final = {
    "shift": 1, "alt": 2, "ctrl": 4,
}  # fmt: skip
_PLAIN: Final = {
    "enter": b"\r",
    "tab": b"\t",
    "escape": b"\x1b",
    "backspace": b"\x7f",
    "shift+tab": b"\x1b[Z",
    "ctrl+@": b"\0",
    "ctrl+space": b"\0",
    "ctrl+backslash": b"\x1c",
    "ctrl+right_square_bracket": b"\x1d",
    "ctrl+circumflex_accent": b"\x1e",
    "ctrl+underscore": b"\x1f",
}
_TILDE: Final = {
    "insert": 2, "delete": 3, "pageup": 5, "pagedown": 6,
    "f5": 15, "f6": 17, "f7": 18, "f8": 19, "f9": 20, "f10": 21, "f11": 23, "f12": 24,
}  # fmt: skip
_SS3: Final = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}


def to_bytes(key: str, character: str | None, *, application: bool = False) -> bytes:
    """What the terminal sends for a key; b"" for one it knows nothing of.

    ``application``: cursor keys are in application mode (DECCKM).
    """
    if key in _PLAIN:
        return _PLAIN[key]
    *modifiers, name = key.split("+") if key != "+" else ["+"]
    code = 1 + sum(_MODIFIERS.get(modifier, 0) for modifier in modifiers)
    if name in _CURSOR:
        if code > 1:
            return f"\x1b[1;{code}{_CURSOR[name]}".encode()
        return (b"\x1bO" if application else b"\x1b[") + _CURSOR[name].encode()
    if name in _SS3:
        return (f"\x1b[1;{code}{_SS3[name]}" if code > 1 else f"\x1bO{_SS3[name]}").encode()
    if name in _TILDE:
        return f"\x1b[{_TILDE[name]}{f';{code}' if code > 1 else ''}~".encode()
    if "ctrl" in modifiers and len(name) == 1 and name.isalpha():
        sent = bytes([ord(name.lower()) & 0x1F])
        return b"\x1b" + sent if "alt" in modifiers else sent
    if character is not None and character.isprintable():
        sent = character.encode("utf-8", "surrogateescape")
        return b"\x1b" + sent if "alt" in modifiers else sent
    return b""
