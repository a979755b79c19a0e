"""From the words of a command line to values: sizes, volumes, users, environment files.

Each function raises ValueError with a message that says what is wrong; the option parser puts the
option's name before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from tools.config import MAX_HOSTNAME, MAX_ID, GdbAddress, PublishedPort, TmpfsMount, Volume

UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
MAX_PORT: Final = 65535
MAX_SOCKET_PATH: Final = 107  # sun_path, unix(7)


def parse_size(text: str) -> int:
    """A number of bytes: ``64m``, ``1G``, ``4096``; the units are powers of 1024."""
    match = re.fullmatch(r"([0-9]+)([bkmg]?)", text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no size (a number and b, k, m or g)")
    return int(match[1]) * UNITS[match[2].lower()]


def parse_seconds(text: str) -> float:
    """A positive number of seconds."""
    if re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.", text, re.ASCII) is None or float(text) <= 0:
        raise ValueError(f"{text!r} is no positive number of seconds")
    return float(text)


def parse_number(text: str, least: int = 0) -> int:
    """A decimal number, at least ``least``."""
    if re.fullmatch(r"[0-9]+", text, re.ASCII) is None or int(text) < least:
        raise ValueError(f"{text!r} is no number of at least {least}")
    return int(text)


def parse_volume(text: str) -> Volume:
    """``HOST:GUEST[:ro|:rw]``."""
    mode = "rw"
    spec = text
    if spec.endswith((":ro", ":rw")):
        spec, mode = spec[:-3], spec[-2:]
    host, colon, guest = spec.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not HOST:GUEST[:ro|:rw]")
    return Volume(host, guest_path(guest), read_only=mode == "ro")


def parse_publish(text: str) -> PublishedPort:
    """``[IP:]HOSTPORT:GUESTPORT[/tcp]``, as docker has it; every address of the host without IP."""
    spec, slash, protocol = text.partition("/")
    if slash and protocol != "tcp":
        raise ValueError(f"{text!r}: only TCP ports can be published")
    where, colon, guest = spec.rpartition(":")
    host, _, port = where.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} is not [IP:]HOSTPORT:GUESTPORT")
    return PublishedPort(_host_address(text, host), _port(text, port), _port(text, guest))


def _host_address(text: str, host: str) -> str:
    from ipaddress import ip_address  # few runs need it, and it takes 5 ms

    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare:
        return "0.0.0.0"  # docker's default, which -p asks for
    try:
        return str(ip_address(bare))
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is no address") from None


def _port(text: str, word: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", word, re.ASCII) is None or not 0 < int(word) < 65536:
        raise ValueError(f"{text!r}: {word!r} is no port")
    return int(word)


def guest_path(text: str) -> bytes:
    """An absolute path inside."""
    path = os.fsencode(text)
    if not path.startswith(b"/") or b"\0" in path:
        raise ValueError(f"the guest path {text!r} is not absolute")
    return path


def parse_tmpfs(text: str) -> TmpfsMount:
    """``PATH[:size=SIZE]``."""
    path, colon, options = text.partition(":")
    if not colon:
        return TmpfsMount(guest_path(path))
    name, _, value = options.partition("=")
    if name != "size":
        raise ValueError(f"unknown mount option {options!r}")
    return TmpfsMount(guest_path(path), parse_size(value))


def parse_user(text: str) -> str:
    """``USER[:GROUP]``, each a number or a name; the guest's files know whose names they are."""
    words = text.split(":")
    if len(words) > 2 or not all(words) or any(map(str.isspace, text)) or "\0" in text:
        raise ValueError(f"{text!r} is not USER[:GROUP], names or numbers")
    for word in words:
        if re.fullmatch(r"-?[0-9]+", word, re.ASCII) and not 0 <= int(word) <= MAX_ID:
            raise ValueError(f"{text!r} is out of range")
    return text


def parse_gdb_address(text: str) -> GdbAddress:
    """A port (``1234`` or ``:1234``, on the loopback interface), or the path of a UNIX socket."""
    digits = text.removeprefix(":")
    if digits.isascii() and digits.isdecimal():
        if int(digits) > MAX_PORT:
            raise ValueError(f"{text!r} is no port: at most {MAX_PORT}")
        return GdbAddress(port=int(digits))
    if not text or "\0" in text or len(os.fsencode(text)) > MAX_SOCKET_PATH:
        raise ValueError(f"a port, or a path of 1 to {MAX_SOCKET_PATH} bytes is needed")
    return GdbAddress(path=text)


def parse_hostname(text: str) -> bytes:
    """A host name of at most 64 bytes."""
    name = os.fsencode(text)
    if not 0 < len(name) <= MAX_HOSTNAME:
        raise ValueError(f"a host name has 1 to {MAX_HOSTNAME} bytes")
    return name


def parse_environment(text: str) -> Iterator[tuple[bytes, bytes]]:
    """``K=V``, or ``K`` to copy the caller's value, if the caller has one."""
    name, equals, value = os.fsencode(text).partition(b"=")
    if not name:
        raise ValueError(f"{text!r} is not NAME=VALUE or NAME")
    if equals:
        yield name, value
    elif name in os.environb:
        yield name, os.environb[name]


def read_environment_file(path: str) -> Iterator[tuple[bytes, bytes]]:
    """docker's ``--env-file``: a line each, ``#`` begins a comment line, nothing is quoted."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield from parse_environment(line.lstrip())
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
