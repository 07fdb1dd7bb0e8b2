"""Lambda's Runtime API for one process of the real runtime interface client, which runs a handler of the artifact."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from local.functions import Function

EMULATED = os.environ.get("EMULATED_ARM64")  # a folder that arm64.sh made: its interpreter runs the artifact
WAIT_SECONDS = 60 if EMULATED else 20
CLIENT = ("awslambdaric", "snapshot-restore-py", "simplejson")  # it and what it needs, and nothing else of the tests'


class Runtime(ThreadingHTTPServer):
    """Serves invocations one after the other; what the handler answered comes back from `invoke`."""

    daemon_threads = True

    def __init__(self, function: Function) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApi)
        self.function = function
        self.events: queue.Queue[Any] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()

    def invoke(self, event: Any) -> Any:
        """The handler's answer. Raises AssertionError with what the runtime reported when it has none."""
        self.events.put(event)
        kind, answer = self.answers.get(timeout=WAIT_SECONDS)
        assert kind == "response", answer
        return answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of the connection that a killed process leaves behind."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _RuntimeApi(BaseHTTPRequestHandler):
    server: Runtime  # pyright: ignore[reportIncompatibleVariableOverride] - what made it
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(self.server.events.get()).encode()
        # The client, which drops an event that comes without a type or a trace, asks for the next at once.
        deadline = round(1000 * (time.time() + self.server.function.timeout))
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{self.server.function.name}"
        told = {
            "Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
            "Aws-Request-Id": str(uuid4()),
            "Deadline-Ms": str(deadline),
            "Invoked-Function-Arn": arn,
        }
        self._answer(
            200,
            body,
            {"Content-Type": "application/json", **{f"Lambda-Runtime-{name}": value for name, value in told.items()}},
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.answers.put((self.path.rsplit("/", 1)[-1], body))
        self._answer(202, b"{}", {})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of each request."""


def make_client(folder: Path) -> Path:
    """A folder with the runtime interface client alone: a module that the artifact lacks must be found missing."""
    if EMULATED:
        return Path(EMULATED, "client")
    folder.mkdir(exist_ok=True)
    for name in CLIENT:
        found = distribution(name)
        for entry in {file.parts[0] for file in found.files or [] if not file.parts[0].startswith("..")}:
            if not (folder / entry).exists():
                (folder / entry).symlink_to(Path(str(found.locate_file(entry))))
    return folder


@contextmanager
def running(function: Function, task: Path, client: Path, env: Mapping[str, str], log: Path) -> Generator[Runtime]:
    """A process that has the artifact and the client on its path and no other package; killed when the block ends."""
    with Runtime(function) as runtime, log.open("w") as output:
        environment = {
            **env,
            "PYTHONPATH": f"{task}:{client}",
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
        }
        threading.Thread(target=runtime.serve_forever, daemon=True).start()
        python = f"{EMULATED}/python" if EMULATED else sys.executable
        command = [python, "-S", "-m", "awslambdaric", function.handler]
        process = subprocess.Popen(command, cwd=task, env=environment, stdout=output, stderr=output)
        try:
            yield runtime
        finally:
            process.kill()
            process.wait()
            runtime.events.put({})  # for the thread that waits for the next event
            runtime.shutdown()
