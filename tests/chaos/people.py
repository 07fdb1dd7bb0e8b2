"""What users and schedules do: pause, resume, cancel and append at any moment, and many processors at once."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.chaos.kills import ARRIVALS
from tests.chaos.run import Scenario
from tests.factories import fictional_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.run import Run

FIRST, MOST_APPENDED = 5, 12
LISTED = "select phone_number from public.campaign_contacts where batch_id = %s order by position"
APPENDED_TO_WHAT_WAS_OVER = """
select count(*)
from public.call_events as appended
join public.call_events as over using (batch_id)
where batch_id = %s and appended.event = 'appended' and over.event = 'completed' and over.contact_id is null
  and over.id < appended.id
"""
BEGUN_SINCE = "select count(*) from public.calls where agency_id = %s and began_at > %s"
NO_LIMITS = "update public.agencies set max_calls_per_minute = 60000 where id = %s returning 1"


PATIENT = {
    "DIAL_CONNECTIONS": "100",
    "DIAL_BY_SECONDS": "2",
    "DIAL_TIMEOUT_SECONDS": "5",
    "CONNECT_TIMEOUT_SECONDS": "2",
    "WRITE_TIMEOUT_SECONDS": "5",
    "LEASE_SECONDS": "20",
    "ASK_AFTER_SECONDS": "8",
    "SILENCE_SECONDS": "20",
}
"""Timers for more work than the machine can do at once; their order stays."""


def change_mind(run: Run) -> None:
    """Pauses after so many calls, drawn, and resumes; the last time it may be a cancellation. Two workers at work."""
    run.create(16)
    accepted = 0
    for _ in range(run.dice.randint(2, 3)):
        accepted += run.dice.randint(1, 5)
        with run.worker() as one, run.worker() as other:
            _wait_for_calls(run, accepted)
            if run.batch.status not in ("pending", "processing"):
                break
            run.pause()
            paused_at = run.now()
            one.result()
            other.result()
        assert run.world.value(BEGUN_SINCE, run.world.agency.id, paused_at) == 0
        run.done["changes of mind"] += 1
        run.resume()
    if run.dice.random() < 0.5:
        _cancel(run, accepted + run.dice.randint(0, 3))
    run.finish()


def _cancel(run: Run, accepted: int) -> None:
    with run.worker() as worker:
        _wait_for_calls(run, accepted)
        if run.batch.status != "completed":
            run.cancel()
            cancelled_at = run.now()
            worker.result()
            assert run.world.value(BEGUN_SINCE, run.world.agency.id, cancelled_at) == 0
            run.done["changes of mind"] += 1


def _wait_for_calls(run: Run, accepted: int) -> None:
    run.wait(lambda: run.world.stats()["accepted"] >= accepted or run.batch.status not in ("pending", "processing"))


def grow(run: Run) -> None:
    """The list grows after so many calls, drawn, sometimes too late. A worker is killed, and so is the function that
    appends, which is then asked again. Each person is on the list once, and the batch is over with the last."""
    run.create(FIRST)
    people = fictional_numbers(FIRST + MOST_APPENDED)
    ends = [FIRST, *sorted(run.dice.sample(range(FIRST + 1, FIRST + MOST_APPENDED), 3)), FIRST + MOST_APPENDED]
    point = run.dice.choice(list(ARRIVALS))
    listed = people[:FIRST]
    with run.worker(point=point, nth=run.dice.randint(1, ARRIVALS[point])) as victim, run.worker() as other:
        for start, end in pairwise(ends):
            _wait_for_calls(run, run.dice.randint(0, len(listed) + 2))
            if _append(run, people[start:end]):
                listed += people[start:end]
        if victim.reached():
            victim.kill()
            run.done["kills"] += 1
        other.result()
    run.finish()
    contacts = run.world.rows(LISTED, run.batch.id)
    assert [contact["phone_number"] for contact in contacts] == listed
    assert run.world.value(APPENDED_TO_WHAT_WAS_OVER, run.batch.id) == 0


def _append(run: Run, numbers: Sequence[str]) -> bool:
    """Asked by somebody who may have to ask again; whether the batch took them."""
    body = {"batch_id": str(run.batch.id), "contacts": [{"phone_number": number} for number in numbers]}
    request = {"user_id": str(run.world.agency.owner), "body": json.dumps(body), "key": numbers[0]}
    order: dict[str, Any] = {"request": request, "environment": run.side.environment}
    point = run.dice.choice([None, "append_asked", "append_stored"])
    if point:
        with run.ground.nursery.worker("append", point=point, **order) as victim:
            if victim.reached():
                victim.kill()
                run.done["kills"] += 1
    with run.ground.nursery.worker("append", **order) as successor:
        answer = successor.result()
    if "refused" in answer:
        assert answer["refused"] == "batch_already_final"
        run.done["refused"] += 1
        return False
    assert (answer["added"], answer["duplicates_skipped"]) == (len(numbers), 0)
    assert answer["replayed"] or point != "append_stored"
    run.done["appended"] += len(numbers)
    return True


def overlap(run: Run, contacts: int, workers: int) -> None:
    """Scheduled runs that last longer than their minute: many processors on one batch, and nobody twice."""
    run.world.value(NO_LIMITS, run.world.agency.id)
    run.hear()
    run.create(contacts, calls_per_minute=60_000, max_concurrent=400)
    with ExitStack() as running:
        several = [running.enter_context(run.worker(environment=PATIENT, seconds=600)) for _ in range(workers)]
        for worker in several:
            worker.result()
    run.finish()


SCENARIOS = [
    Scenario("changes_of_mind", "pause, resume, cancel at random moments", change_mind),
    Scenario("appends", "a list that grows: SIGKILL of the dialler and of `calls-batch-append`", grow),
]
OVERLAPPING = {
    800: Scenario(
        "overlapping",
        "4 overlapping processors, 800 contacts",
        partial(overlap, contacts=800, workers=4),
        provider={"people_by_number": {}},
        alone=True,
    ),
    10_000: Scenario(
        "overlapping",
        "8 overlapping processors, 10,000 contacts",
        partial(overlap, contacts=10_000, workers=8),
        provider={"people_by_number": {}},
        alone=True,
    ),
}
"""By the number of contacts."""
