"""Which processes a stack has, seen from outside: by their command, their folder, their environment."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10.0


def processes_of(folder: Path) -> set[int]:
    """The processes that live in the folder or were given it; those of the database's sessions too."""
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _belongs(entry, folder)}


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true before long: nothing tells of the end of another's processes."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _belongs(process: Path, folder: Path) -> bool:
    with suppress(OSError):
        if process.joinpath("cwd").readlink().is_relative_to(folder):
            return True
        if bytes(folder) in process.joinpath("cmdline").read_bytes():
            return True
        return quote(str(folder), safe="").encode() in process.joinpath("environ").read_bytes()
    return False
