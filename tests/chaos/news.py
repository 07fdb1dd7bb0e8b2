"""Webhooks that are lost, doubled, out of order, early, a day late, or about a call that was given up."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from tests.chaos.run import Scenario
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.chaos.run import Run
    from tests.servers import Asked, Served

CONTACTS = 8
STRUCK = 3
ALL_AT_ONCE = {"lose_rate": 0.3, "duplicate_rate": 0.5, "delay_seconds": (0, 1)}
STATES = "select distinct status from public.calls where agency_id = %s"


def hear(run: Run) -> None:
    """The provider's configuration says how; some answers to the POST are lost too."""
    run.hear()
    run.create(CONTACTS)
    run.strike("accept_then_drop", STRUCK)
    run.finish()


def hear_before_the_answer(run: Run) -> None:
    """The call is over before its 201 arrives."""
    run.hear()
    run.create(CONTACTS)
    run.fault("slow_201", delay_seconds=0.5)
    run.finish()


def hear_a_day_late(run: Run) -> None:
    """By then reconciliation has learnt it all; what comes changes nothing."""
    run.hear()
    run.create(CONTACTS)
    run.strike("accept_then_drop", STRUCK)
    with swallowing() as events:
        run.finish(environment={"FUNCTIONS_URL": events.url})
        before = run.batch.contacts()
        run.dice.shuffle(events.asked)
        run.world.db.execute("set batchline.clock_offset = '1 day'")
        for asked in events.asked:
            deliver(run, asked)
        run.world.db.execute("reset batchline.clock_offset")
        assert run.batch.contacts() == before


def hear_of_one_given_up(run: Run) -> None:
    """The provider twice denied a call that it has. Before anybody dials again the truth arrives: the call lives again.

    The batch is paused meanwhile: a look-up that lies for longer than we ask is nothing that a dialler can survive.
    """
    run.hear()
    run.create(1)
    run.strike("accept_then_drop", 1)
    lie = run.fault("lookup_lags", delay_seconds=3600)
    with swallowing() as events:
        with run.worker(environment={"FUNCTIONS_URL": events.url}) as worker:
            run.wait(lambda: _states(run) == {"unknown"})
            run.pause()
            worker.result()
        assert _states(run) == {"not_placed"}
        run.mend(lie)
        run.wait(lambda: any(b"call.ended" in asked.body for asked in events.asked))
        run.dice.shuffle(events.asked)
        for asked in list(events.asked):
            deliver(run, asked)
    assert _states(run) == {"ended"}
    run.finish()


def _states(run: Run) -> set[str]:
    return {row["status"] for row in run.world.rows(STATES, run.world.agency.id)}


@contextmanager
def swallowing() -> Generator[Served]:
    """Somebody who takes every event, says thank you, and tells nobody."""
    with serving(lambda _: (200, b"")) as served:
        yield served


def deliver(run: Run, asked: Asked) -> None:
    """Hands over an event whose signature has been checked."""
    event = json.loads(asked.body)
    query = "select batchline.ingest_event(%s, %s, %s)"
    run.world.value(query, run.world.agency.id, event["event"], Jsonb(event["call"]))


SCENARIOS = [
    Scenario("webhooks_lost", "webhooks lost", hear, provider={"webhooks": {"lose_rate": 0.5}}),
    Scenario("webhooks_doubled", "webhooks doubled", hear, provider={"webhooks": {"duplicate_rate": 0.7}}),
    Scenario("webhooks_reordered", "webhooks reordered", hear, provider={"webhooks": {"delay_seconds": (0, 1)}}),
    Scenario("webhooks_all", "webhooks lost, doubled and reordered", hear, provider={"webhooks": ALL_AT_ONCE}),
    Scenario("webhooks_early", "webhooks before the POST's answer", hear_before_the_answer),
    Scenario("webhooks_day_late", "webhooks a day late", hear_a_day_late),
    Scenario("webhooks_given_up", "webhooks after `not_placed`", hear_of_one_given_up),
]
