"""The network of a session: its mode, and the ports that the host sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.net.network import HOST, Network
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.net.publish import Published
    from kernel.task.task import Task
    from tools.config import RunConfig


def connect_network(config: RunConfig, init: Task) -> list[Published]:
    """Give the machine its network.  DioramaError if a port of the host is taken."""
    net = init.kernel.net = Network(init.kernel, config.network)
    if config.network == HOST:
        from kernel.net.host_socket import HostSocket  # as below

        net.make_host_socket = HostSocket
    published: list[Published] = []
    if not config.publish:
        return published
    from kernel.net.publish import Published  # loads Python's socket module

    for wanted in config.publish:
        address = (wanted.host, wanted.host_port)
        try:
            published.append(Published(net, init, address, wanted.guest_port))
        except OSError as error:
            for done in published:
                done.close()
            why = error.strerror
            raise DioramaError(f"-p: {wanted.host}:{wanted.host_port}: {why}") from None
    return published
