"""What happens in the demo: a batch is created, watched, paused, resumed and watched to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.demo.report import Evidence, Pause
from local.demo.view import NEWS_SHOWN, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.demo.api import Api
    from local.demo.witness import Witness, Zone
    from local.simulator.client import Simulator

POLL_SECONDS = 0.5
PAUSE_AT = 0.4  # of the people called at least once
LONGEST_PAUSE_SECONDS = 20.0  # normally until the calls that are live have ended
SLACK_SECONDS = 120.0


@dataclass
class Story:
    """One batch. Everything is asked for over HTTP; `witness` and `simulator` say what really happened."""

    api: Api
    witness: Witness
    simulator: Simulator
    show: Callable[[Frame], None]
    _wrong: list[str] = field(default_factory=list[str])
    _polls: int = 0
    _pause: Pause | None = None

    def run(self, batch: dict[str, Any]) -> Evidence:
        """Creates the batch, sees it through and gathers what was seen of it, completed or not.

        Raises LocalError when an endpoint refuses.
        """
        self._create(batch)
        frame = self._watch(lambda frame: frame.started >= PAUSE_AT * frame.total)
        if frame.batch["status"] == "processing":
            self._pause_and_resume()
            frame = self._watch(lambda _: False)
        return self._evidence(frame.batch, batch["retry"]["max_attempts"])

    def _create(self, batch: dict[str, Any]) -> None:
        self._started = self._next_poll = self._moving_since = time.monotonic()
        self._deadline = self._started + _longest(batch)
        self._batch_id = self.api.create(batch)

    def _watch(self, is_enough: Callable[[Frame], bool]) -> Frame:
        """Polls until it is enough, the batch runs no longer, or the whole demo has taken far too long."""
        while True:
            frame = self._poll()
            if is_enough(frame) or not frame.is_running or time.monotonic() > self._deadline:
                return frame

    def _pause_and_resume(self) -> None:
        answer = self.api.pause(self._batch_id)
        confirmed = time.monotonic()
        frame = self._poll()
        while frame.batch["in_progress"] and time.monotonic() < confirmed + LONGEST_PAUSE_SECONDS:
            frame = self._poll()
        resuming = time.monotonic()
        if frame.batch["status"] != "paused":
            return  # it had nothing more to do
        self.api.resume(self._batch_id)
        self._moving_since = time.monotonic()
        self._pause = Pause(
            paused_at=datetime.fromisoformat(answer["paused_at"]),
            resumed_at=self.witness.resumed_at(self._batch_id),
            confirmed=confirmed,
            resuming=resuming,
            in_progress=answer["in_progress"],
        )

    def _poll(self) -> Frame:
        """The next look at the batch, POLL_SECONDS after the last; shown, and its counters checked."""
        time.sleep(max(0.0, self._next_poll - time.monotonic()))
        self._next_poll = time.monotonic() + POLL_SECONDS
        self._check_counters()
        frame = Frame(
            batch=self.api.get(self._batch_id),
            starts=self.witness.starts(self._batch_id),
            news=self.witness.news(self._batch_id, NEWS_SHOWN),
            oracle=self.simulator.stats(self._batch_id),
            polls=self._polls,
            wrong_polls=len(self._wrong),
            elapsed=time.monotonic() - self._started,
            moving=time.monotonic() - self._moving_since,
            zones=self._zones(),
        )
        self.show(frame)
        return frame

    def _zones(self) -> Sequence[Zone]:
        return ()

    def _check_counters(self) -> None:
        counts = self.witness.counts(self._batch_id)
        self._polls += 1
        if not counts.agree:
            self._wrong.append(f"Counters {counts.counters}, but contacts {counts.contacts}.")

    def _evidence(self, batch: dict[str, Any], max_attempts: int) -> Evidence:
        return Evidence(
            batch=batch,
            max_attempts=max_attempts,
            polls=self._polls,
            wrong_polls=self._wrong,
            pause=self._pause,
            oracle=self.simulator.stats(self._batch_id),
            accepted=self.simulator.calls(batch_id=self._batch_id),
            calls=self.witness.calls(self._batch_id),
            outcomes=self.witness.outcomes(self._batch_id),
            seconds=time.monotonic() - self._started,
        )


def _longest(batch: dict[str, Any]) -> float:
    """Seconds after which something must be wrong: every attempt at full pace, and ample time besides."""
    dials = len(batch["contacts"]) * batch["retry"]["max_attempts"]
    return dials / batch["calls_per_minute"] * 60 + SLACK_SECONDS
