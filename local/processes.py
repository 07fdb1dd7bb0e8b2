"""Child processes of the stack: started tied to their parent, watched by one thread each, stopped for certain."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 30.0
STOP_SECONDS = 5.0
UNUSED_PORTS = range(20_000, 32_000)  # below the range from which kernels take ports for outgoing connections


class LocalError(Exception):
    """Something the local stack needs is missing or went wrong; the message is one sentence for a person."""


def is_port_free(port: int) -> bool:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """`count` different ports on 127.0.0.1 on which nothing listens now."""
    found: list[int] = []
    for port in random.sample(UNUSED_PORTS, len(UNUSED_PORTS)):
        if is_port_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise LocalError("No free port is left on 127.0.0.1.")


def tied(command: Sequence[str], death_signal: signal.Signals, privileges: Sequence[str] = ()) -> list[str]:
    """The command, run so that the kernel sends `death_signal` when its parent dies, even by SIGKILL.

    `privileges` are further options of setpriv. Without setpriv (not Linux) the command stays as it is.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None and privileges:
        raise LocalError("`setpriv` (util-linux) is needed to start PostgreSQL as root; install it or run as a user.")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG"), *privileges, "--", *command]


@dataclass
class Part:
    """One part of the stack: a process whose output goes to `log`, anew at each start, ready once it has printed
    `ready_line`.

    It must be started by a thread that lives as long as the part: the kernel takes the end of the thread that
    forked for the death of the parent.
    """

    name: str
    command: Sequence[str]
    log: Path
    ready_line: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    privileges: Sequence[str] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    on_death: Callable[[Part], None] | None = None

    def __post_init__(self) -> None:
        self._said_ready = threading.Event()
        self._ended = threading.Event()
        self._is_wanted = True
        self._last_line = ""

    def start(self) -> None:
        self._process = subprocess.Popen(
            tied(self.command, self.stop_signal, self.privileges),
            cwd=ROOT,
            env=dict(self.environment) or None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # a Ctrl-C in the terminal is for the parent alone, which then stops its parts in order
        )
        self._watcher = threading.Thread(target=self._watch, name=f"watch {self.name}", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._ended.is_set()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Raises LocalError when the part ends first or takes too long."""
        if not self._said_ready.wait(seconds):
            raise LocalError(f"{self.name} was not ready after {seconds:.0f} s; its log is {self.log}.")
        if not self.is_alive:
            raise LocalError(self.epitaph())

    def epitaph(self) -> str:
        """One sentence on how the part ended and where its last words are."""
        code = self._process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return f"{self.name} {how}; its last words are in {self.log}: {self._last_line or '(none)'}"

    def signal_stop(self) -> None:
        self._is_wanted = False
        if self.is_alive:
            self._process.send_signal(self.stop_signal)

    def join(self) -> None:
        """Waits for the end after signal_stop(); kills the whole process group of a part that does not end.

        Raises LocalError when a process that left the group still holds the part's output after that.
        """
        if not self._ended.wait(STOP_SECONDS):
            os.killpg(self.pid, signal.SIGKILL)
            if not self._ended.wait(STOP_SECONDS):
                raise LocalError(f"{self.name} was killed; what it started lives on; its log is {self.log}.")
        self._watcher.join()

    def kill(self) -> None:
        """Ends the part the hard way, as a crash would."""
        self._process.kill()

    def _watch(self) -> None:
        with cast("IO[bytes]", self._process.stdout) as output, self.log.open("wb", buffering=0) as log:
            for line in output:
                log.write(line)
                self._notice(line.decode(errors="replace").strip())
        self._process.wait()
        self._ended.set()
        self._said_ready.set()  # nobody shall wait for the dead
        if self._is_wanted and self.on_death:
            self.on_death(self)

    def _notice(self, line: str) -> None:
        self._last_line = line or self._last_line
        if self.ready_line in line:
            self._said_ready.set()
