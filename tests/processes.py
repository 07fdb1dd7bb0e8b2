"""Programs that a test starts and that never outlive it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@contextmanager
def spawned(command: Sequence[str], **options: Any) -> Generator[subprocess.Popen[str]]:
    """A running program whose output is text, killed at the end of the block.

    Popen's own block waits for the end, without a limit, of a program that a failed test has not ended.
    """
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, **options) as process:
        try:
            yield process
        finally:
            process.kill()
