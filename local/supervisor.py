"""The background process behind `make up`: holds one stack until SIGTERM, or until a part dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from local import running
from local.processes import ROOT, LocalError
from local.running import Running
from local.stack import Ports, Stack

if TYPE_CHECKING:
    from types import FrameType

READY = "ready"


class StoppedError(Exception):
    """Somebody asked the stack to end."""


def launch(folder: Path, first_port: int, every: float, *, queue: bool = False) -> None:
    """Starts the stack in the background and returns when it is ready; raises LocalError with its sentence if not."""
    folder.mkdir(parents=True, exist_ok=True)
    log, (reader, writer) = folder / "supervisor.log", os.pipe()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "local.supervisor",
                str(folder),
                str(first_port),
                str(every),
                str(writer),
                str(queue),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    try:
        with os.fdopen(reader) as answers:
            answer = answers.read()  # up to the end, which also comes when the process dies
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if answer != READY:
        process.wait()
        raise LocalError(answer or f"The stack did not start; {log} says why.")
    process.returncode = 0  # it runs on without us, and is nobody's forgotten child


def main() -> None:
    """Arguments: folder, first port (0: free ones), seconds between schedules, the file to tell the outcome to, and
    whether the processors are fed by queues (True, False)."""
    folder, first_port, every, writer = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    queue = sys.argv[5] == "True"
    signal.signal(signal.SIGTERM, _stop)
    try:
        _hold(folder, first_port, every, writer, queue=queue)
    except StoppedError:
        return
    except LocalError as error:
        print(error, flush=True)
        _tell(writer, str(error))
        raise SystemExit(1) from None


def _hold(folder: Path, first_port: int, every: float, writer: int, *, queue: bool) -> None:
    ports = Ports.starting_at(first_port) if first_port else Ports.free()
    with Stack(folder, ports=ports, schedule_every=every, queue=queue) as stack:
        pids = {name: part.pid for name, part in stack.parts.items()}
        running.save(folder, Running(os.getpid(), first_port, every, pids, queue), stack.env)
        try:
            _tell(writer, READY)
            stack.wait()
        finally:
            running.forget(folder)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the way out shall not be cut short
    raise StoppedError


def _tell(writer: int, answer: str) -> None:
    with suppress(OSError):  # told already, or nobody listens any more
        os.write(writer, answer.encode())
        os.close(writer)


if __name__ == "__main__":
    main()
