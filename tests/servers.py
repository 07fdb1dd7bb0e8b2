"""A small HTTP server that a test scripts: it answers as told and remembers what it was asked."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Served:
    """A running server: `answer` may be replaced at any time; None breaks the connection without an answer.

    `headers` go with every answer.
    """

    url: str
    answer: Callable[[Asked], tuple[int, bytes] | None]
    asked: list[Asked] = field(default_factory=list[Asked])
    headers: dict[str, str] = field(default_factory=dict[str, str])


@contextmanager
def serving(answer: Callable[[Asked], tuple[int, bytes] | None]) -> Generator[Served]:
    """Serve JSON on a free port of 127.0.0.1 until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = False  # closing waits for the open connections' threads, and for their sockets
    served = _Handler.served[server.server_port] = Served(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        del _Handler.served[server.server_port]


@contextmanager
def passing_on(url: str) -> Generator[Served]:
    """A server that passes every request on to `url` and its answer back."""
    target = urlsplit(url)

    def answer(asked: Asked) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        try:
            connection.request(asked.method, asked.path, asked.body, asked.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    with serving(answer) as served:
        yield served


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5
    served: dict[int, Served] = {}  # noqa: RUF012 - the servers that run, by port

    def do_GET(self) -> None:
        served = self.served[cast("ThreadingHTTPServer", self.server).server_port]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, dict(self.headers.items()), body)
        served.asked.append(asked)
        answer = served.answer(asked)
        if answer is None:
            self.close_connection = True
            return
        status, content = answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in served.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: a test says what it saw itself."""
