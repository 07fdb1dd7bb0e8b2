"""Two sessions at once: one acts in a thread, and the server says when it waits for the other's lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from tests.factories import Connection
    from tests.sql.world import World

Returned = TypeVar("Returned")
DEADLINE = 20.0


class Race(Generic[Returned]):
    """What another session does meanwhile."""

    def __init__(self, pool: Executor, observer: Connection, runner: World, act: Callable[[], Returned]) -> None:
        self._observer = observer
        self._pid = runner.connection.info.backend_pid
        self._future = pool.submit(act)

    def wait_until_blocked(self) -> None:
        """Returns as soon as the server says that the session waits for a lock that another one holds."""
        deadline = time.monotonic() + DEADLINE
        while not self._is_blocked():
            assert not self._future.done(), f"it ended instead of waiting: {self._future.result()}"
            assert time.monotonic() < deadline, "it neither waited nor ended"

    def result(self) -> Returned:
        return self._future.result(DEADLINE)

    def _is_blocked(self) -> bool:
        found = self._observer.execute("select pg_catalog.pg_blocking_pids(%s) <> '{}'", [self._pid]).fetchone()
        return found == (True,)
