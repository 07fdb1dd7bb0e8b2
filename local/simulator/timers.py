"""Things that happen later, on one heap with one wake-up: 100,000 live calls are not 100,000 tasks."""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Runs each action at its instant, in order. The action is given the instant it was due, not the one it ran at."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._added = 0
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = float("inf")

    def at(self, due: float, action: Callable[[float], None]) -> None:
        """Runs `action(due)` when time.monotonic() reaches `due`."""
        self._added += 1
        heapq.heappush(self._heap, (due, self._added, action))
        if due < self._wake_at:
            self._sleep_until(due)

    def run_due(self, now: float) -> None:
        """Runs what is due. Whoever decides by the state of the world calls this first, so that a late wake-up is never
        seen: a call that was over before a request came is over for that request."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, action = heapq.heappop(heap)
            action(due)

    def clear(self) -> None:
        """Forgets everything."""
        self._heap.clear()
        if self._wake:
            self._wake.cancel()
        self._wake, self._wake_at = None, float("inf")

    def _sleep_until(self, due: float) -> None:
        if self._wake:
            self._wake.cancel()
        self._wake_at = due
        delay = max(0.0, due - time.monotonic())
        self._wake = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        self._wake, self._wake_at = None, float("inf")
        self.run_due(time.monotonic())
        if self._heap and self._heap[0][0] < self._wake_at:
            self._sleep_until(self._heap[0][0])
