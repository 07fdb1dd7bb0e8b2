"""What a forked worker does: one run of the processor, one request that appends, or webhook-ingest behind a port; held
where it was told to."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.constants import DEFAULT_PROVIDERS

from local import functions
from local.events import HttpRequest, to_event
from shared import crash_points, dialer, new_batches, ultravox
from shared.auth import Caller
from shared.errors import BadRequestError
from shared.idempotency import Attempt
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

FUNCTIONS = functions.load()
INGEST = FUNCTIONS["webhook-ingest"].resolve()


class Order(TypedDict):
    """`task` is dial, gap, append or ingest; `environment` and `constants` (of shared.dialer) are its settings.

    `request` is what is to be appended: by which user, the body, the Idempotency-Key.
    At the `nth` time that it comes to `point` it says so and waits until it is told to go on; no point: never.
    """

    task: str
    environment: dict[str, str]
    constants: dict[str, float]
    log: str
    point: str | None
    nth: int
    agency_id: str | None
    seconds: float
    port: int
    request: dict[str, Any]


def prepare() -> None:
    """What every worker would do first, and may inherit: nothing of it opens a connection."""
    DEFAULT_PROVIDERS["ssm"] = SSMProvider()
    metrics = EphemeralMetrics(namespace="Batchline", service="chaos")
    metrics.add_dimension(name="function", value="prepare")


def live(order: Order, line: socket.socket) -> None:
    """Does the task; the line tells what comes of it."""
    os.environ.update(order["environment"])
    settings.cache_clear()
    for name, value in order["constants"].items():
        setattr(dialer, name, value)
    if order["point"]:
        crash_points.hook = Hold(line, order["point"], order["nth"]).reach
    {"dial": _dial, "gap": _gap, "append": _append, "ingest": _ingest}[order["task"]](order, line)


@dataclass
class Hold:
    """Stands still at the nth arrival at a point, in the thread that arrived."""

    line: socket.socket
    point: str
    left: int

    def __post_init__(self) -> None:
        self._counting = Lock()

    def reach(self, point: str) -> None:
        if point != self.point:
            return
        with self._counting:
            self.left -= 1
            is_it = self.left == 0
        if is_it:
            say(self.line, "reached", point)
            self.line.recv(1)  # whoever watches lets us go on, or never does


def say(line: socket.socket, what: str, content: object) -> None:
    line.sendall(f"{json.dumps([what, content])}\n".encode())


def _dial(order: Order, line: socket.socket) -> None:
    milliseconds = round(1000 * (settings().turn_seconds + order["seconds"]))
    say(line, "result", dialer.process(lambda: milliseconds, order["agency_id"]))


def _gap(order: Order, line: socket.socket) -> None:
    """A run that tells of each write of a POST the nanoseconds from its last look at the clock until it was done."""
    looked: dict[object, int] = {}
    gaps: list[int] = []
    clock, send = ultravox.boottime, socket.socket.send

    def look() -> float:
        now = clock()
        looked[asyncio.current_task()] = time.perf_counter_ns()
        return now

    def write(self: socket.socket, *arguments: Any) -> int:
        sent = send(self, *arguments)
        if looked and (since := looked.pop(_current_task(), None)) is not None:
            gaps.append(time.perf_counter_ns() - since)
        return sent

    ultravox.boottime = look  # what the last check calls; the deadline comes from the dialler's own
    socket.socket.send = write
    milliseconds = round(1000 * (settings().turn_seconds + order["seconds"]))
    dialer.process(lambda: milliseconds, order["agency_id"])
    say(line, "result", gaps)


def _current_task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # another thread: it has none
        return None


def _append(order: Order, line: socket.socket) -> None:
    """What calls-batch-append answers, and whether it had done so before; of a refusal, the code."""
    request = order["request"]
    more = new_batches.MoreContacts.model_validate_json(request["body"])
    attempt = Attempt.of("", {"idempotency-key": request["key"]}, more)
    try:
        created = new_batches.append(Caller(UUID(request["user_id"]), ""), more, attempt)
    except BadRequestError as refusal:
        say(line, "result", {"refused": refusal.code})
    else:
        say(line, "result", {**created.body, "replayed": created.replayed})


def _ingest(order: Order, line: socket.socket) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", order["port"]), _Ingest)
    say(line, "ready", server.server_port)
    server.serve_forever()


class _Ingest(BaseHTTPRequestHandler):
    """webhook-ingest behind its route, as API Gateway and Lambda call it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = _invoke(self.path, self.headers.items(), body)
        self.send_response(answer["statusCode"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the function writes its own log."""


def _invoke(path: str, headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, Any]:
    found = functions.find_route(FUNCTIONS, "POST", path)
    if found is None:
        return {"statusCode": 404}
    function, route, path_parameters = found
    request = HttpRequest(method="POST", path=path, headers=list(headers), body=body)
    return INGEST(to_event(request, route, path_parameters), functions.Context(function))
