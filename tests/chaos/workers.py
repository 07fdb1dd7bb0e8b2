"""Workers as processes that can be held at a point, frozen and killed; the engine's side of the zygote."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import certifi

from local.processes import ROOT
from tests.chaos import timers

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

USUAL: dict[str, Any] = {"point": None, "nth": 1, "agency_id": None, "seconds": 60, "port": 0}
GRACE = 60.0  # seconds that a worker may be silent beyond those that its run is given


class WorkerError(AssertionError):
    """A worker ended, or said nothing, when it should have come to something."""


class Worker:
    """A running process. Its line tells what it comes to; the end of the line is its end."""

    def __init__(self, pid: int, line: socket.socket, log: Path, longest_silence: float) -> None:
        self._process = os.pidfd_open(pid)
        self._line = line
        self._line.settimeout(longest_silence)
        self._said = line.makefile("r")
        self._log = log
        self._result: Any = None

    def reached(self) -> bool:
        """Waits until it stands at its point; False when it has ended without coming there."""
        what, self._result = self._next()
        return what == "reached"

    def ready(self) -> int:
        """Waits until it serves; its port."""
        return self._next()[1]

    def result(self) -> Any:
        """Waits until its run has ended well; what that answered."""
        while self._result is None or isinstance(self._result, str):  # the name of the point where it stood
            self._result = self._next()[1]
        return self._result

    def ended(self) -> None:
        """Waits for its end, whatever it is."""
        while self._said.readline():
            pass

    def go_on(self) -> None:
        """Lets it leave its point."""
        self._line.sendall(b"\n")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Returns when it is dead."""
        self._signal(signal.SIGKILL)
        while self._line.recv(4096):
            pass

    def close(self) -> None:
        """Ends it in whatever state it is."""
        try:
            self._signal(signal.SIGKILL)
        finally:
            self._said.close()
            self._line.close()
            os.close(self._process)

    def _signal(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._process, number)
        except ProcessLookupError:
            return  # it has ended

    def _next(self) -> tuple[str, Any]:
        try:
            said = self._said.readline()
        except TimeoutError:
            raise WorkerError(
                f"A worker has said nothing for too long; its log:\n{self._log.read_text()[-3000:]}"
            ) from None
        if not said:
            raise WorkerError(f"A worker ended early; its log:\n{self._log.read_text()[-3000:]}")
        what, content = json.loads(said)
        return what, content


class Nursery:
    """Where workers are forked. A context manager; whoever is alive at its end dies with it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._folder = folder
        self._asking = Lock()
        self._born = 0
        # Workers speak to loopback only: reading the certificates of the whole world would take most of their start.
        self._certificate = folder / "certificate.pem"
        self._environment = {**environment, "SSL_CERT_FILE": str(self._certificate), "LOG_LEVEL": "WARNING"}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        end = "-----END CERTIFICATE-----\n"
        self._certificate.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)
        self._orders, theirs = socket.socketpair()
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.zygote", str(theirs.fileno())],
            cwd=ROOT,
            env=self._environment,
            pass_fds=[theirs.fileno()],
            process_group=0,  # which it ends as a whole when we leave, or are killed; a Ctrl-C is for us alone
        )
        theirs.close()
        self._answers = self._orders.makefile("r")
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._orders.close()
        try:
            self._zygote.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self._zygote.pid, signal.SIGKILL)
            raise

    @contextmanager
    def worker(self, task: str = "dial", **order: Any) -> Generator[Worker]:
        """A worker that is gone at the end of the block; `order` replaces members of children.Order."""
        worker = self._fork(task, order)
        try:
            yield worker
        finally:
            worker.close()

    def _fork(self, task: str, order: dict[str, Any]) -> Worker:
        with self._asking:
            self._born += 1
            log = self._folder / f"worker-{self._born}.log"
            whole: dict[str, Any] = {**USUAL, **order, "task": task, "log": str(log), "constants": timers.CONSTANTS}
            whole["environment"] = timers.ENVIRONMENT | order.get("environment", {})
            ours, theirs = socket.socketpair()
            socket.send_fds(self._orders, [json.dumps(whole).encode()], [theirs.fileno()])
            theirs.close()
            return Worker(int(self._answers.readline()), ours, log, whole["seconds"] + GRACE)
