"""What is known of the stack that runs in the background: its lock, its options, its settings."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from local.processes import ROOT, LocalError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / ".local"
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Running:
    """A stack in the background. `first_port` is 0 for free ports; `every` as in Stack's `schedule_every`."""

    pid: int
    first_port: int
    every: float
    parts: dict[str, int]
    queue: bool = False


def env_file(folder: Path) -> Path:
    return folder / "env"


def lock_file(folder: Path) -> Path:
    return folder / "lock"


def save(folder: Path, running: Running, env: dict[str, str]) -> None:
    """Writes `env` (NAME=value, with keys in it: for the owner alone) and what find() reads."""
    env_file(folder).touch(mode=0o600)
    env_file(folder).write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    _file(folder).write_text(json.dumps(asdict(running)))


def forget(folder: Path) -> None:
    env_file(folder).unlink(missing_ok=True)
    _file(folder).unlink(missing_ok=True)


def find(folder: Path) -> Running | None:
    """The stack that runs in the folder; None when none does, whatever files a killed one left."""
    if not is_locked(folder) or not _file(folder).exists():
        return None
    return Running(**json.loads(_file(folder).read_text()))


def require(folder: Path) -> Running:
    running = find(folder)
    if running is None:
        raise LocalError("No stack runs; `make up` starts one.")
    return running


def read_env(folder: Path) -> dict[str, str]:
    """The settings of the running stack; raises LocalError when none runs."""
    require(folder)
    pairs = (line.partition("=") for line in env_file(folder).read_text().splitlines())
    return {name: value for name, _, value in pairs}


def stop(running: Running, folder: Path) -> None:
    """Returns when the stack and all its parts have ended."""
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_locked(folder):
        if time.monotonic() > deadline:
            raise LocalError(f"The stack (process {running.pid}) has not ended after {STOP_SECONDS:.0f} s.")
        time.sleep(POLL_SECONDS)  # another session's process: nothing tells us of its end


def is_locked(folder: Path) -> bool:
    """Whether a stack holds the folder. The kernel frees the lock with the process, however that ends."""
    if not lock_file(folder).exists():
        return False
    with lock_file(folder).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _file(folder: Path) -> Path:
    return folder / "running.json"
