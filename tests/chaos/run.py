"""One scenario with one seed, in a world of its own."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from psycopg.types.json import Jsonb

from tests.chaos import timers
from tests.dialer.harness import Batch, World
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from typing import LiteralString

    from tests.chaos.ground import Ground, Side
    from tests.chaos.workers import Worker

MOST_RUNS = 8
"""Ordinary runs, one after the other, after which a world that is not at rest never will be."""
LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Scenario:
    """What is done to whom. Equal seeds make equal plans: `play` draws from `Run.dice` alone.

    `title` is the row's name. `provider` replaces members of the simulator's configuration; `around` makes a side for
    each run; one that is `alone` has the machine for itself.
    `parks`: contacts may stay unknown, as the provider cannot tell. `may_double`: the one gap that cannot be closed.
    `bound` is the longest time to settle; None where nothing is lost on the way or the wait is of another kind.
    """

    name: str
    title: str
    play: Callable[[Run], None]
    provider: Mapping[str, Any] = field(default_factory=dict[str, Any])
    around: Callable[[Ground], AbstractContextManager[Side]] | None = None
    alone: bool = False
    parks: bool = False
    may_double: bool = False
    bound: float | None = timers.TO_SETTLE


@dataclass
class Run:
    """The world of a run and what has been done to it (`done`: kills, freezes …)."""

    scenario: Scenario
    seed: int
    ground: Ground
    side: Side
    world: World
    dice: random.Random
    is_silent: bool = False
    done: Counter[str] = field(default_factory=Counter[str])
    faults: list[int] = field(default_factory=list[int])
    mended_at: datetime | None = None
    slept: tuple[datetime, datetime] | None = None
    """From when to when a worker was frozen, for longer than any POST may take to leave."""
    _batch: Batch | None = None

    @classmethod
    @contextmanager
    def made(cls, scenario: Scenario, seed: int, ground: Ground, side: Side) -> Generator[Self]:
        """Half of the worlds hear nothing by webhook: there only a question tells what became of a call."""
        dice = random.Random(f"{scenario.name} {seed}")  # noqa: S311 - a plan, no secret
        world = World.make(side.connect(), ground.simulator)
        run = cls(scenario, seed, ground, side, world, dice)
        if seed % 2:
            run.hear_nothing()
        try:
            yield run
        finally:
            for fault in run.faults:
                ground.simulator.remove_fault(fault)
            world.db.close()

    def hear_nothing(self) -> None:
        """Without a secret to prove them by, no webhooks are asked for."""
        if not self.is_silent:
            self.world.forget("ultravox-webhook-secret")
        self.is_silent = True

    def hear(self) -> None:
        """Webhooks are asked for."""
        if self.is_silent:
            self.world.store("ultravox-webhook-secret", f"secret-{self.world.agency.id}")
        self.is_silent = False

    @property
    def batch(self) -> Batch:
        assert self._batch is not None, "the scenario made no batch"
        return self._batch

    def create(self, contacts: int = 6, **batch: object) -> Batch:
        """Its batch; two turns at least, since not all may be called at once."""
        whole: dict[str, object] = {
            "agent_mapping_id": str(self.world.agency.agent_mapping_id),
            "campaign_id": str(self.world.agency.campaign_id),
            "from_number": self.world.agency.from_number,
            "calls_per_minute": 6000,
            "max_concurrent": 3,
            "calling_hours": None,
            "retry": {"delay_minutes": 0.002, "growth": 1},
            "contacts": [{"phone_number": number} for number in fictional_numbers(contacts)],
            **batch,
        }
        query = "select batchline.create_call_batch(%s, %s) ->> 'batch_id'"
        self._batch = Batch(self.world, self.world.value(query, self.world.agency.owner, Jsonb(whole)))
        return self._batch

    def numbers(self, count: int) -> list[str]:
        """So many of the batch's numbers, drawn."""
        return self.dice.sample([contact["phone_number"] for contact in self.batch.contacts()], count)

    def pause(self) -> None:
        self._verb("select batchline.pause_call_batch(%s, %s)")

    def resume(self) -> None:
        self._verb("select batchline.resume_call_batch(%s, %s)")

    def cancel(self) -> None:
        self._verb("select batchline.cancel_call_batch(%s, %s)")

    def _verb(self, query: LiteralString) -> None:
        """By the agency's owner."""
        self.world.value(query, self.world.agency.owner, self.batch.id)

    @contextmanager
    def worker(self, *, point: str | None = None, nth: int = 1, **order: Any) -> Generator[Worker]:
        """A run of the processor for this agency."""
        environment = self.side.environment | order.pop("environment", {})
        with self.ground.nursery.worker(
            point=point, nth=nth, agency_id=str(self.world.agency.id), environment=environment, **order
        ) as worker:
            yield worker

    def fault(self, action: str, match: Mapping[str, object] | None = None, **members: object) -> int:
        """Puts a fault of the provider in force, for this world's account alone."""
        whole = {"account": self.world.account, **(match or {})}
        number = self.ground.simulator.add_fault(action, whole, **members)
        self.faults.append(number)
        return number

    def strike(self, action: str, count: int, **members: object) -> list[str]:
        """The fault meets the first call to each of so many numbers; which."""
        struck = self.numbers(count)
        for number in struck:
            self.fault(action, {"to": number, "times": 1}, **members)
        return struck

    def mend(self, *faults: int) -> None:
        """Ends faults."""
        for fault in faults:
            self.ground.simulator.remove_fault(fault)

    def is_well(self) -> None:
        """From here on the time to settle counts: what kept everybody from knowing is over."""
        self.mended_at = self.now()

    def now(self) -> datetime:
        """The database's own time."""
        return self.world.value("select clock_timestamp()")

    def finish(self, **order: Any) -> None:
        """Ordinary runs until nothing is left to do; a batch that paused itself is resumed, as its owner would."""
        for _ in range(MOST_RUNS):
            with self.worker(**order) as worker:
                worker.result()
            if self._is_over():
                break
        self.wait(self._is_calm, self.world.stats)

    def wait(self, condition: Callable[[], object], tell: Callable[[], object] = str) -> None:
        """Until the condition holds; if it never does, `tell` says what there was instead."""
        end = time.monotonic() + LONGEST_WAIT
        while not condition():
            assert time.monotonic() < end, f"what was waited for did not come: {tell()}"
            time.sleep(0.03)  # many worlds ask at the same time

    def _is_over(self) -> bool:
        status = self.batch.status
        if status == "paused":
            self.done["resumed"] += 1
            self.resume()
        return status in ("completed", "cancelled", "failed") and not any(
            call["is_live"] for call in self.world.calls()
        )

    def _is_calm(self) -> bool:
        stats = self.world.stats()
        return not stats["live"] and not stats["webhooks"]["pending"]
