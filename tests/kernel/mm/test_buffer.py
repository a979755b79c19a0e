"""KernelBuffer: the Buffer protocol inside the kernel."""

from __future__ import annotations

from kernel.mm.buffer import KernelBuffer


def test_put_fills_and_stops_at_the_end() -> None:
    buffer = KernelBuffer.empty(5)
    assert buffer.put(b"abc") == 3
    assert buffer.put(b"defg") == 2
    assert (buffer.filled(), buffer.remaining, buffer.done) == (b"abcde", 0, 5)


def test_take_reads_in_order() -> None:
    buffer = KernelBuffer(b"abcde")
    assert (buffer.take(2), buffer.take(9), buffer.take(1)) == (b"ab", b"cde", b"")


def test_views_do_not_advance() -> None:
    buffer = KernelBuffer.empty(4)
    (view,) = buffer.put_views(10)
    view[:2] = b"hi"
    assert buffer.done == 0
    buffer.advance(2)
    assert buffer.filled() == b"hi"
    assert [bytes(v) for v in buffer.take_views(1)] == [b"\0"]
    buffer.advance(2)
    assert buffer.put_views(1) == []
