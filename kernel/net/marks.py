"""The two numbers of an IP header that programs choose and see: the hop limit and the class.

Options set them for a socket, control messages for one datagram, and other options ask for them
with each datagram received.  See ip(7), IP_TTL and IP_TOS; ipv6(7); RFC 3542, section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kernel.abi.errors import EINVAL
from kernel.abi.inet import (
    IP_PKTINFO,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TTL,
    IPV6_HOPLIMIT,
    IPV6_PKTINFO,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVTCLASS,
    IPV6_TCLASS,
)
from kernel.abi.sockets import SOL_IP, SOL_IPV6

Control = tuple[int, int, bytes]
_INT: Final = 4


class Marks(NamedTuple):
    """``hops``: what is left of the hop limit on arrival; nothing is between us and ourselves."""

    hops: int
    traffic_class: int


def chosen_marks(controls: Sequence[Control], usual: Marks, level: int) -> Marks:
    """What a message's control messages make of its socket's marks.  EINVAL."""
    for given, kind, body in controls:
        if given == level:
            usual = _mark4(usual, kind, body) if level == SOL_IP else _mark6(usual, kind, body)
    return usual


def _mark4(marks: Marks, kind: int, body: bytes) -> Marks:
    if kind == IP_TTL and len(body) == _INT:
        return marks._replace(hops=_between(body, 1))
    if kind == IP_TOS and len(body) in (1, _INT):
        return marks._replace(traffic_class=_between(body, 0) if len(body) > 1 else body[0])
    if kind == IP_PKTINFO:
        return marks
    raise EINVAL("control message %s of IP", kind)


def _mark6(marks: Marks, kind: int, body: bytes) -> Marks:
    if kind in (IPV6_HOPLIMIT, IPV6_TCLASS) and len(body) == _INT:
        value = _between(body, -1)  # -1: as usual
        if value < 0:
            return marks
        return marks._replace(**{"hops" if kind == IPV6_HOPLIMIT else "traffic_class": value})
    if kind == IPV6_PKTINFO:
        return marks
    raise EINVAL("control message %s of IPv6", kind)


def _between(body: bytes, least: int) -> int:
    value = int.from_bytes(body, "little", signed=True)
    if not least <= value <= 0xFF:
        raise EINVAL("%s is not in %s..255", value, least)
    return value


def shown_marks(marks: Marks, wanted: dict[tuple[int, int], int], level: int) -> list[Control]:
    """The control messages that a receiver's options ask for, in Linux's order."""
    hops, traffic = marks.hops.to_bytes(4, "little"), marks.traffic_class
    shown: list[Control] = []
    if level == SOL_IP:
        if wanted.get((SOL_IP, IP_RECVTTL)):
            shown.append((SOL_IP, IP_TTL, hops))
        if wanted.get((SOL_IP, IP_RECVTOS)):
            shown.append((SOL_IP, IP_TOS, bytes([traffic])))
        return shown
    if wanted.get((SOL_IPV6, IPV6_RECVHOPLIMIT)):
        shown.append((SOL_IPV6, IPV6_HOPLIMIT, hops))
    if wanted.get((SOL_IPV6, IPV6_RECVTCLASS)):
        shown.append((SOL_IPV6, IPV6_TCLASS, traffic.to_bytes(4, "little")))
    return shown
