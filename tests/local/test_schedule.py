"""The schedule: how often, how many at once, how it ends."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from local.processes import ROOT
from local.schedule import READY_LINE, Invoker, keep_time
from tests.processes import spawned

if TYPE_CHECKING:
    from local.functions import Event, Function


@dataclass
class Slow:
    """A function that runs until it is released."""

    name: str = "slow"
    reserved_concurrency: int | None = 2
    runs: list[Event] = field(default_factory=list[Any])
    released: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def invoke(self, event: Event) -> str:
        self.runs.append(event)
        self.begun.release()
        self.released.wait()
        return "done"


def test_no_more_run_at_once_than_are_reserved_and_the_rest_is_dropped() -> None:
    slow = Slow()
    invoker = Invoker(cast("Function", slow))

    threads = [invoker.invoke({"number": number}) for number in range(4)]
    slow.released.set()
    for thread in filter(None, threads):
        thread.join()

    assert [event["number"] for event in slow.runs] == [0, 1]
    assert threads[2:] == [None, None]


def test_a_place_is_free_again_after_a_run_that_raised() -> None:
    class Broken(Slow):
        def invoke(self, event: Event) -> str:
            super().invoke(event)
            raise RuntimeError

    broken = Broken(reserved_concurrency=1)
    broken.released.set()
    invoker = Invoker(cast("Function", broken))

    for _ in range(2):
        thread = invoker.invoke({})
        assert thread is not None
        thread.join()

    assert len(broken.runs) == 2


def test_the_clock_goes_on_while_runs_take_longer_than_its_beat() -> None:
    slow, ended = Slow(reserved_concurrency=None), threading.Event()
    clock = threading.Thread(target=keep_time, args=[Invoker(cast("Function", slow)), {}, 0.01, ended])

    clock.start()
    for _ in range(3):
        assert slow.begun.acquire(timeout=5)
    ended.set()
    slow.released.set()
    clock.join()

    assert len(slow.runs) >= 3


def test_sigterm_ends_the_schedule_at_once(stack: object) -> None:  # noqa: ARG001 - the processors need its settings
    command = [sys.executable, "-m", "local.schedule", "3600"]
    with spawned(command, cwd=ROOT) as process:
        assert process.stdout is not None
        assert READY_LINE in iter(process.stdout.readline, "").__next__()
        process.terminate()

        assert process.wait(timeout=2) == -signal.SIGTERM
