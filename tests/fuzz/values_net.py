"""Arguments of sockets, timers, epoll and vectors of futexes; see ``values``."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.fuzz.values import ARENA, PAGE, SLOTS, Values

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
NONBLOCK = 0o4000
PORTS = (0, 7001, 7002)
NAMES = (b"/tmp/s1", b"/tmp/s2", b"\0one", b"\0two", b"")


def socket_address(values: Values) -> int:
    """A loopback address with a port, or a name."""
    source = values.random
    if source.random() < 0.5:
        data = struct.pack("<HH", AF_INET, 0)[:2] + struct.pack(">H", source.choice(PORTS))
        data += bytes((127, 0, 0, 1)) + bytes(8)
    else:
        data = struct.pack("<H", AF_UNIX) + source.choice(NAMES)
    return values.place(data, len(data))


def message(values: Values) -> bytes:
    """struct msghdr with one or two ranges and nothing else."""
    count = values.random.choice((0, 1, 2))
    ranges = b"".join(
        struct.pack("<QQ", ARENA + values.random.randrange(SLOTS) * PAGE, 100) for _ in range(count)
    )
    vector = values.place(ranges or b"\0")
    return struct.pack("<QI4xQQQQi4x", 0, 0, vector, count, 0, 0, 0)


def message_header(values: Values) -> int:
    """For sendmsg and recvmsg."""
    return values.place(message(values))


def message_headers(values: Values) -> int:
    """For sendmmsg and recvmmsg: two, and their number."""
    data = b"".join(message(values) + bytes(8) for _ in range(2))
    return values.place(data, 2)


def interval(values: Values) -> int:
    """struct itimerspec: once, or again and again, or never."""
    source = values.random
    period = source.choice((0, 0, 1_000_000))
    return values.place(struct.pack("<4q", 0, period, 0, source.choice((0, 1, 5_000_000))))


def event(values: Values) -> int:
    """struct sigevent: a harmless signal, or none; or NULL."""
    if values.random.random() < 0.3:
        return 0
    head = struct.pack("<Qii", 0, 17, values.random.choice((0, 1)))
    return values.place(head.ljust(64, b"\0"))


def epoll_event(values: Values) -> int:
    """Readable or writable, with some data."""
    return values.place(struct.pack("<IIQ", values.random.choice((1, 4, 5, 1 << 31 | 1)), 7, 9))


def room_for_events(values: Values) -> int:
    """A place for what epoll finds, and how much fits."""
    return values.place(b"\0", values.random.choice((1, 4, 8)))


def futexes(values: Values) -> int:
    """One or two words with the value they have."""
    word = values.place(bytes(8))
    entry = struct.pack("<QQII", 0, word, 2, 0)
    count = values.random.choice((1, 2))
    return values.place(entry * count, count)


def one_of(*choices: int) -> Callable[[Values], int]:
    """A maker that chooses among numbers."""
    return lambda values: values.random.choice(choices)


def length(values: Values) -> int:
    """A socklen_t with room for any address."""
    return values.place(struct.pack("<I", values.random.choice((128, 128, 16, 0))))


def option(values: Values) -> int:
    """An int that is an option's value, and its size."""
    return values.place(struct.pack("<QQ", 1, 0), values.random.choice((4, 4, 8, 16)))


MAKERS: dict[str, Callable[[Values], int]] = {
    "const:socket_domain": one_of(AF_UNIX, AF_UNIX, AF_INET, AF_INET, AF_INET6, 16),
    "socket_type": one_of(1, 1, 2, 2, 5, 1 | NONBLOCK, 2 | NONBLOCK, 3),
    "socket_protocol": one_of(0),
    "*sockaddr": socket_address,
    "*socklen": length,
    "*msghdr": message_header,
    "*msghdr_out": message_header,
    "*mmsghdr": message_headers,
    "*mmsghdr_out": message_headers,
    "const:socket_level": one_of(1, 1, 1, 6, 0, 41),
    "socket_option": one_of(2, 2, 3, 4, 7, 8, 9, 13, 15, 17, 20, 1),
    "*option": option,
    "*itimerspec": interval,
    "*sigevent": event,
    "*epoll_event": epoll_event,
    "*epoll_events": room_for_events,
    "*futex_waitv": futexes,
}


def connection(
    numbers: dict[str, int], first: int
) -> list[Callable[[Values], tuple[int, list[int]]]]:
    """A listener, somebody who connects, and accept4: a sequence no chance finds.

    ``first`` is the lowest free descriptor of the task that makes these calls.
    """
    name = struct.pack("<H", AF_UNIX) + b"\0meeting"

    def step(
        call: str, *args: int, named: bool = False
    ) -> Callable[[Values], tuple[int, list[int]]]:
        def make(values: Values) -> tuple[int, list[int]]:
            words = [args[0], values.place(name), len(name)] if named else list(args)
            return numbers[call], words + [0] * (6 - len(words))

        return make

    stream = 1 | NONBLOCK
    return [
        step("socket", AF_UNIX, stream),
        step("bind", first, named=True),
        step("listen", first, 5),
        step("socket", AF_UNIX, stream),
        step("connect", first + 1, named=True),
        step("accept4", first, 0, 0, 0),
        step("socket", AF_UNIX, stream),
        step("connect", first + 3, named=True),
        step("accept", first, 0, 0),
    ]
