"""Fan-out as a simulation of events: schedule, queue, workers, database, provider. Made for docs/scaling.md.

Each minute a message for each group of agencies that dial; workers take them, as many at once as are allowed, and serve
each for its share of the minute: claim, begin, dial, settle, wait for the next place. What is simulated is the order of
things as shared/dispatch.py, shared/dialer.py and claim_calls have it; what a thing costs is measured (measured.py).
The database is its cores and its pool of connections, both first come, first served.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.deployment import Deployment

MINUTE, SECOND = 60.02, 1.005  # the windows of pace_room
USED = 0.9  # as shared/dispatch.py has it
WRITE_TIMEOUT = 5.0
ACQUISITION = 10.0  # how long PostgREST lets a request wait for a connection
RECONCILE = 5.0
TOLD_AGAIN = 30.0  # after which the provider repeats a webhook that was not taken, about
SLOT_WAIT = 0.25


@dataclass
class Agency:
    """One that has somebody to dial all the time."""

    pace: int
    slots: int = 1000
    hold: float = 60
    contacts: int = 1_000_000_000
    begun: deque[float] = field(default_factory=deque[float])
    live: list[float] = field(default_factory=list[float])
    total: int = 0

    def __post_init__(self) -> None:
        self.share = ceil(self.pace / 60)

    def opens_in(self, at: float) -> float:
        """Seconds until another call may begin, as far as anybody can tell: 0 when one may now."""
        if self.total >= self.contacts:
            return 3600
        begun, live = self.begun, self.live
        minute = begun[-self.pace] + MINUTE if len(begun) >= self.pace else at
        second = begun[-self.share] + SECOND if len(begun) >= self.share else at
        if minute > at or second > at:
            return max(minute, second) - at
        while live and live[0] <= at:
            heappop(live)
        return 0 if len(live) < self.slots else SLOT_WAIT

    def room(self, at: float) -> int:
        """How many calls may begin."""
        if self.opens_in(at) > 0:
            return 0
        begun = self.begun
        while begun and begun[0] <= at - MINUTE:
            begun.popleft()
        recent = sum(begun[-place] > at - SECOND for place in range(1, min(self.share, len(begun)) + 1))
        return min(self.pace - len(begun), self.share - recent, self.slots - len(self.live), self.contacts - self.total)

    def begin(self, count: int, at: float) -> None:
        self.begun.extend([at] * count)
        for _ in range(count):
            heappush(self.live, at + self.hold)
        self.total += count

    def steady(self, phase: float) -> None:
        """As if it had reached its pace until now: `phase` seconds ago it began its last minute's first calls."""
        turns = [-phase - MINUTE + SECOND * turn for turn in range(ceil(self.pace / self.share))]
        turns += [-phase + SECOND * turn for turn in range(ceil(self.pace / self.share))]
        for at in [at for at in turns if -MINUTE < at < 0 for _ in range(self.share)][-self.pace :]:
            self.begin(1, at)
        self.total = 0


@dataclass
class Run:
    """One message being served."""

    agencies: Sequence[Agency]
    until: float
    reconciles: float = 0.0
    settled: float = 0.0


@dataclass
class Seen:
    """What a simulation came to; only what happened after the warm-up counts."""

    ages: list[float] = field(default_factory=list[float])  # of messages, when they were taken
    shares: list[float] = field(default_factory=list[float])  # of its pace, by agency
    begun: int = 0
    requests: int = 0
    late: int = 0  # requests that were given up
    core_seconds: float = 0.0
    worker_seconds: float = 0.0
    webhook_seconds: float = 0.0
    most_workers: int = 0
    most_in_flight: int = 0
    waits: float = 0.0  # of requests for a connection and a core, added up
    rounds: int = 0
    skipped: int = 0  # rounds that were not sent, since more than half of the last one waited
    finished: float = 0.0  # when nothing was left to do


class Simulation:
    """Agencies under a deployment, for so many seconds after so many of warm-up."""

    def __init__(self, deployment: Deployment, agencies: Sequence[Agency], seed: int = 1, *, warm: bool = True) -> None:
        self.deployment, self.agencies, self.seen = deployment, agencies, Seen()
        self._chance = random.Random(seed)  # noqa: S311 - the order of messages
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number, self._now, self._from = 0, 0.0, 0.0
        self._messages: deque[tuple[float, Sequence[Agency]]] = deque()
        self._busy, self._environments = 0, deployment.workers if warm else 0
        self._polls = False  # whether somebody will look for more workers soon
        self._ramp_from = -1e9 if warm else 0.0
        self._cores = [0.0] * max(1, round(deployment.cores))
        self._slow = len(self._cores) / deployment.cores  # a part of a core is all of them, each slower
        self._pool, self._in_flight = [0.0] * deployment.pool, list[float]()
        self._webhooks: list[float] = []  # when those that run now will have ended

    def run(self, seconds: float, warm_up: float = 0.0, rounds: int | None = None) -> Seen:
        """Simulate; with `rounds` only so many are sent and `seconds` is when to stop at the latest."""
        self._from, self._rounds_left = warm_up, rounds
        before: list[int] | None = None
        self._at(0.0, self._schedule)
        while self._events and self._events[0][0] < warm_up + seconds:
            self._now, _, act, arguments = heappop(self._events)
            if before is None and self._now >= warm_up:
                before = [agency.total for agency in self.agencies]
            act(*arguments)
        started = before or [0] * len(self.agencies)
        counts = [agency.total - was for agency, was in zip(self.agencies, started, strict=True)]
        pairs = zip(counts, self.agencies, strict=True)
        self.seen.shares = [count / (agency.pace * seconds / 60) for count, agency in pairs]
        self.seen.begun = sum(counts)
        return self.seen

    def _at(self, time: float, act: Callable[..., None], *arguments: Any) -> None:
        self._number += 1
        heappush(self._events, (time, self._number, act, arguments))

    # --- the schedule and the queue

    def _schedule(self) -> None:
        one = self.deployment
        groups = [self.agencies[at : at + one.group] for at in range(0, len(self.agencies), one.group)]
        waiting = len(self._messages)
        if self._rounds_left == 0:
            return
        if waiting > len(groups) / 2:
            self.seen.skipped += 1
        else:
            if one.by_lot:
                self._chance.shuffle(groups)
            share = one.every + one.overlap
            if len(groups) > one.workers:
                share = USED * one.every * one.workers / len(groups)
            self._messages.extend((self._now, group) for group in groups)
            self._share = share
            self.seen.rounds += 1
            if self._rounds_left is not None:
                self._rounds_left -= 1
            self._take()
        self._at(self._now + one.every, self._schedule)

    def _allowed(self) -> int:
        one = self.deployment
        first, more = one.pollers
        polled = first + int(more * (self._now - self._ramp_from))
        while self._webhooks and self._webhooks[0] <= self._now:
            heappop(self._webhooks)
        return min(one.workers, polled, max(1, one.executions - len(self._webhooks)))

    def _take(self) -> None:
        one = self.deployment
        while self._messages and self._busy < self._allowed():
            sent, group = self._messages.popleft()
            self._busy += 1
            if self._counts:
                self.seen.ages.append(self._now - sent)
                self.seen.most_workers = max(self.seen.most_workers, self._busy)
            ready = self._now + one.pick_up
            if self._busy > self._environments:
                self._environments, ready = self._busy, ready + one.cold_start
            self._at(ready, self._begin_run, group, self._now)
        if self._messages and self._busy < one.workers and not self._polls:
            self._polls = True
            self._at(self._now + 1 / one.pollers[1], self._poll)

    def _poll(self) -> None:
        self._polls = False
        self._take()

    @property
    def _counts(self) -> bool:
        return self._now >= self._from

    # --- a run

    def _begin_run(self, group: Sequence[Agency], taken: float) -> None:
        one = self.deployment
        ready = self._work(one.costs.message + one.costs.aside_message)
        self._at(ready, self._claim, Run(group, ready + self._share), taken)

    def _claim(self, run: Run, taken: float) -> None:
        one, now = self.deployment, self._now
        if now >= run.until:
            self._at(max(now, run.settled), self._end, taken)
            return
        if now >= run.reconciles:
            self._request(one.costs.message_database, 2)
            run.reconciles = now + RECONCILE
        counted = sum(len(agency.live) for agency in run.agencies)
        costs = one.costs.request + one.costs.look * len(run.agencies) + one.costs.counted * counted
        answered = self._request(costs)
        if answered - now > WRITE_TIMEOUT:
            self._at(now + WRITE_TIMEOUT + 1.0, self._claim, run, taken)
            return
        places = [(agency, room) for agency in run.agencies if (room := agency.room(answered)) > 0]
        for agency, room in places:
            agency.begin(room, answered)
        if places:
            self._at(answered, self._dial, run, places, taken)
        else:
            self._at(answered + self._wait(run, answered), self._claim, run, taken)

    def _wait(self, run: Run, at: float) -> float:
        opens = min(agency.opens_in(at) for agency in run.agencies)
        return max(0.0, min(self.deployment.longest_wait, opens, run.until - at))

    def _dial(self, run: Run, places: Sequence[tuple[Agency, int]], taken: float) -> None:
        """Begin, and what begins with it; the next claim does not wait for the provider."""
        one = self.deployment
        calls = sum(count for _, count in places)
        begun = self._request(one.costs.turn + one.costs.call * calls, 2)
        if begun - self._now > WRITE_TIMEOUT:  # not dialled: a lease gives them back
            for agency, count in places:
                agency.total -= count
            self._at(self._now + WRITE_TIMEOUT, self._claim, run, taken)
            return
        work = one.costs.dial_turn + (one.costs.dial + one.costs.aside_call) * calls
        dialled = self._work(work, begun) + one.dial_seconds
        run.settled = max(run.settled, dialled + one.network)
        if one.webhooks:
            for agency, count in places:
                for after in (0.5, 8.0, agency.hold, agency.hold + 2):
                    for _ in range(count):
                        self._at(dialled + after, self._webhook)
        self._at(begun + self._wait(run, begun), self._claim, run, taken)

    def _end(self, taken: float) -> None:
        self._busy -= 1
        if self._counts:
            self.seen.worker_seconds += self._now - max(taken, self._from)
        self.seen.finished = self._now
        self._take()

    def _webhook(self) -> None:
        lasted = self.deployment.webhook_seconds + self._request(self.deployment.costs.webhook, 2) - self._now
        if lasted > WRITE_TIMEOUT:
            self._at(self._now + TOLD_AGAIN, self._webhook)
        heappush(self._webhooks, self._now + lasted)
        if self._counts:
            self.seen.webhook_seconds += lasted

    # --- who does the work

    def _work(self, milliseconds: float, at: float | None = None) -> float:
        """When a worker has done so much."""
        at = self._now if at is None else at
        if self.deployment.shared:
            return self._core(at, milliseconds)
        return at + milliseconds / 1000 / self.deployment.worker_speed

    def _core(self, at: float, milliseconds: float) -> float:
        done = max(at, self._cores[0]) + milliseconds / 1000 * self._slow
        heapreplace(self._cores, done)
        if self._counts:
            self.seen.core_seconds += milliseconds / 1000
        return done

    def _request(self, milliseconds: float, count: int = 1) -> float:
        """When the database has answered: a connection, then a core, then the disk."""
        one, now = self.deployment, self._now
        begun = max(now, self._pool[0])
        if begun - now > ACQUISITION:
            self.seen.late += self._counts
            return now + ACQUISITION
        done = self._core(begun, milliseconds)
        heapreplace(self._pool, done + one.commit)
        while self._in_flight and self._in_flight[0] <= now:
            heappop(self._in_flight)
        heappush(self._in_flight, done + one.commit)
        if self._counts:
            self.seen.requests += count
            self.seen.late += done - now > WRITE_TIMEOUT
            self.seen.waits += done - now - milliseconds / 1000 * self._slow
            self.seen.most_in_flight = max(self.seen.most_in_flight, len(self._in_flight))
        return done + one.commit + one.network


def ready(agencies: Sequence[Agency], seed: int = 1) -> Sequence[Agency]:
    """The same agencies, each somewhere in its minute."""
    chance = random.Random(seed)  # noqa: S311 - where in its minute each agency is
    for agency in agencies:
        agency.steady(chance.random() * MINUTE)
        heapify(agency.live)
    return agencies
