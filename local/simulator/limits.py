"""Sliding windows: at most so many in any so many seconds."""

from __future__ import annotations

from collections import deque


class Window:
    """At most `limit` (None: any number) in any half-open window of `seconds`."""

    def __init__(self, limit: int | None, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until one more fits; 0 if it fits now."""
        if self.limit is None:
            return 0.0
        self._forget(now)
        if len(self._times) < self.limit:
            return 0.0
        return self._times[-self.limit] + self.seconds - now if self.limit else self.seconds

    def take(self, now: float) -> None:
        """One more, now."""
        if self.limit is not None:
            self._times.append(now)

    def _forget(self, now: float) -> None:
        times = self._times
        while times and times[0] <= now - self.seconds:
            times.popleft()
