"""The clock of deadlines and waits within a process. What time it is, only the database decides."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds on a clock that goes on while the machine is suspended: a worker that was frozen must see it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
