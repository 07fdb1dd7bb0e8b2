"""Invokes the scheduled functions of serverless.yml as EventBridge and Lambda do, in a process of its own.

SIGTERM ends it at once, whatever runs: a function that dies on the way is something the functions have to bear.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING

from local import functions

if TYPE_CHECKING:
    from local.functions import Event, Function

logger = logging.getLogger("schedule")

READY_LINE = "the schedule runs"


class Invoker:
    """Runs one function, each invocation in a thread of its own, as many at once as the function reserves."""

    def __init__(self, function: Function) -> None:
        self._function = function
        reserved = function.reserved_concurrency
        self._places = None if reserved is None else threading.Semaphore(reserved)

    def invoke(self, event: Event) -> threading.Thread | None:
        """The thread that runs it; None when all places are taken: dropped, as Lambda drops what it may not retry."""
        if self._places is not None and not self._places.acquire(blocking=False):
            logger.info("%s: throttled, %s at once", self._function.name, self._function.reserved_concurrency)
            return None
        thread = threading.Thread(target=self._run, args=[event], name=self._function.name, daemon=True)
        thread.start()
        return thread

    def _run(self, event: Event) -> None:
        started = time.monotonic()
        try:
            answer = self._function.invoke(event)
        except Exception:
            logger.exception("%s raised", self._function.name)
        else:
            text = json.dumps(answer, default=str)
            logger.info("%s: %.2f s: %s", self._function.name, time.monotonic() - started, text)
        finally:
            if self._places is not None:
                self._places.release()


def keep_time(invoker: Invoker, event: Event, every: float, ended: threading.Event) -> None:
    """Invokes now and then every `every` seconds, counted from the start, until `ended`."""
    due = time.monotonic()
    while not ended.wait(max(0.0, due - time.monotonic())):
        invoker.invoke(event)
        due += every


def main() -> None:
    """Runs until SIGTERM.

    Arguments: the seconds between invocations, or `as-written` for those of serverless.yml; and the names of the
    functions, where it is not all that have a schedule.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stdout)
    logger.setLevel(logging.INFO)
    every = None if sys.argv[1] == "as-written" else float(sys.argv[1])
    never = threading.Event()
    clocks = [
        threading.Thread(target=keep_time, args=[Invoker(function), schedule.event, every or schedule.every, never])
        for function in functions.load().values()
        for schedule in function.schedules
        if function.name in (sys.argv[2:] or [function.name])
    ]
    for clock in clocks:
        clock.start()
    print(READY_LINE, flush=True)
    never.wait()


if __name__ == "__main__":
    main()
