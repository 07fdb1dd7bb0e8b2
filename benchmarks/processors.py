"""How much of the machine's processors is left to a measurement by whatever else runs on it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.costs import TICK_MS, children, cpu_ms

if TYPE_CHECKING:
    from benchmarks.ground import Ground
    from local.processes import Part

IDLE = (3, 4)  # the fields of /proc/stat that are no work: idle, and waiting for a disk


class Clock:
    """Starts when it is made; knows the stack, this process, and the workers that it is told of."""

    def __init__(self, here: Ground, workers: list[Part]) -> None:
        self._here, self.workers = here, workers
        self._forgotten = 0.0
        self._started, self._ours, self._all = time.monotonic(), self._own_ms(), _busy_ms()

    def forget(self, worker: Part) -> None:
        """One that is about to be killed; what it has used stays counted."""
        self._forgotten += cpu_ms(worker.pid)
        self.workers.remove(worker)

    def cores(self) -> float:
        """Processors on average since the start that others did not use."""
        lasted = 1000 * (time.monotonic() - self._started)
        others = (_busy_ms() - self._all) - (self._own_ms() - self._ours)
        return (os.cpu_count() or 1) - max(0.0, others) / lasted

    def _own_ms(self) -> float:
        pids = [os.getpid(), *(part.pid for part in (*self._here.stack.parts.values(), *self.workers))]
        pids += children(self._here.stack.parts["postgres"].pid)
        return self._forgotten + sum(map(cpu_ms, pids))


def _busy_ms() -> float:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]  # guests are in the first two already
    return TICK_MS * sum(int(value) for place, value in enumerate(fields) if place not in IDLE)
