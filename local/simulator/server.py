"""uvicorn, less two things that a good server never does: hang up on a request, and stop listening for a while."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

_BACKLOG = 4096


class Protocol(HttpToolsProtocol):
    """Shows the connection to the application, so that it can close it without an answer."""

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport  # pyright: ignore[reportTypedDictNotRequiredAccess]

    @property
    def idle(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]


class Server(uvicorn.Server):
    """Serves `app` on a bound socket until SIGTERM or SIGINT, then exits with status 0."""

    def __init__(self, app: Starlette, bound: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                loop="uvloop",
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=5,
            )
        )
        self._bound = bound
        self._address: tuple[str, int] = bound.getsockname()[:2]
        self._away: asyncio.Task[None] | None = None
        app.state.go_away = self.go_away

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets)
        host, port = self._address
        print(f"simulator listening on http://{host}:{port}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cuts off what is under way, as a process that ends does."""
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in self.server_state.connections:
            connection.transport.abort()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Leaves; uvicorn would end the process by the same signal once more."""
        self.should_exit = True

    async def go_away(self, seconds: float) -> None:
        """Refuses connections from the moment this returns, for so long. Idle ones are closed by then, the others after
        their answers."""
        if self._away and not self._away.done():
            return
        with suppress(OSError):  # closing takes a while to reach the kernel; this does not, where it is possible
            self._bound.shutdown(socket.SHUT_RDWR)
        for listening in self.servers:
            listening.close()
        self._bound.close()
        self._away = asyncio.create_task(self._come_back(seconds))
        idle = {one for one in self.server_state.connections if isinstance(one, Protocol) and one.idle}
        for connection in self.server_state.connections:
            connection.transport.abort() if connection in idle else connection.shutdown()
        while idle & self.server_state.connections:  # noqa: ASYNC110  # uvicorn tells nobody when one is gone
            await asyncio.sleep(0)

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._bound = bind(*self._address)
        # Not startup() again: the application would start anew, with nothing in its memory.
        protocol = partial(Protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        self.servers = [
            await asyncio.get_running_loop().create_server(protocol, sock=self._bound, backlog=self.config.backlog)
        ]


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to this address; port 0 takes a free one. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
