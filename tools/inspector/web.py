"""``diorama top --web PORT``: the view in a browser, on this host only.

textual-serve runs the view in a process for each browser window, and xterm.js draws it.  A window
is a session of its own: it starts its own machine, or, with ``--attach``, looks at one that runs;
closing it ends its view, and with that the machine it started.  The server goes on until Ctrl-C.

Whoever can type into a machine can do what it may, so only pages of ours get through: the address
is the loopback's, and requests that another site's page makes (a foreign Host or Origin) are
refused.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.errors import DioramaError
from tools.inspector.guest import DIORAMA, PYTHON_PATH

if TYPE_CHECKING:
    from aiohttp import web

HOST: Final = "127.0.0.1"
TEMPLATES: Final = Path(__file__).with_name("templates")


def serve(port: int, words: Sequence[str]) -> int:
    """Serve ``diorama top WORDS`` until Ctrl-C.  DioramaError: the port is taken, or no library."""
    try:
        from textual_serve.server import Server
    except ImportError:
        raise DioramaError("top --web needs textual-serve: pip install 'diorama[web]'") from None
    _check_free(port)

    class Loopback(Server):
        """Server, for this host's own pages, with our page and without its banner."""

        async def _make_app(self) -> web.Application:
            app: web.Application = await super()._make_app()
            app.middlewares.append(_only_ours(port))
            return app

        async def on_startup(self, app: web.Application) -> None:
            self._announcing = asyncio.create_task(_announce(port))

        def initialize_logging(self) -> None:
            """Requests are not worth a line."""

    os.environ.update(PYTHON_PATH)
    command = shlex.join(["exec", *DIORAMA, "top", *words])
    server = Loopback(
        command, host=HOST, port=port, title="diorama top", templates_path=str(TEMPLATES)
    )
    server.serve()
    return 0


async def _announce(port: int) -> None:
    """Say where it is, once somebody answers there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        print(f"diorama: http://{HOST}:{port}/ (Ctrl-C ends it)", file=sys.stderr, flush=True)
        return


def _check_free(port: int) -> None:
    """A port that is taken is named before anything starts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DioramaError(f"--web {port}: {error.strerror}") from None


def _only_ours(port: int) -> Any:  # aiohttp's type of a middleware
    """A middleware that refuses other sites' pages."""
    from aiohttp import web

    hosts = {f"{HOST}:{port}", f"localhost:{port}"}
    origins = {f"http://{host}" for host in hosts}

    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.headers.get("Host") not in hosts or (origin and origin not in origins):
            raise web.HTTPForbidden(text="only pages of this host's own diorama")
        response: web.StreamResponse = await handler(request)
        return response

    return check
