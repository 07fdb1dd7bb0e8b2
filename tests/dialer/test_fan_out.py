"""Fan-out: one message for each agency, workers as processes; judged by the oracle, the rows and the queue."""

from __future__ import annotations

import json
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from local import mapping
from local.functions import Context
from shared import dispatch
from shared.settings import settings
from tests.calling import FUNCTIONS
from tests.dialer.fleet import PROCESS, Fleet
from tests.dialer.harness import World, until
from tests.sql.checks import assert_sound
from tests.sync.harness import Past

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.simulator.client import Simulator
    from tests.dialer.conftest import Settings
    from tests.factories import Connection

AGENCIES = 20
WORKERS = 3
EACH = 12
PER_SECOND = 10


@pytest.fixture
def fleet(tmp_path: Path, change_settings: Settings) -> Iterator[Fleet]:
    with Fleet.running(tmp_path, 3) as fleet:
        workers = {"DISPATCH_CONCURRENCY": str(WORKERS), "DISPATCH_EVERY_SECONDS": "5"}
        change_settings(DISPATCH_QUEUE_URL=fleet.queue_url, **workers)
        yield fleet
        dispatch.close()


@pytest.fixture
def worlds(db: Connection, provider: Simulator) -> Iterator[list[World]]:
    """Agencies with a batch each, whose pace lets the same number begin within one share of a worker's time."""
    worlds = [World.make(db, provider) for _ in range(AGENCIES)]
    for world in worlds:
        world.create(EACH, calls_per_minute=60 * PER_SECOND)
    yield worlds
    for world in worlds:
        world.clean()


def begun(worlds: list[World]) -> list[int]:
    return [sum(1 for call in world.calls() if call["began_at"]) for world in worlds]


def is_all_done(worlds: list[World]) -> bool:
    ids = [world.agency.id for world in worlds]
    query = "select count(*) from public.call_batches where agency_id = any (%s) and status <> 'completed'"
    return worlds[0].value(query, ids) == 0


@pytest.mark.usefixtures("_short")
def test_many_agencies_get_equal_shares_and_a_killed_worker_loses_nothing(fleet: Fleet, worlds: list[World]) -> None:
    with ExitStack() as workers:
        first, *_ = [workers.enter_context(fleet.worker()) for _ in range(WORKERS)]
        assert fleet.dispatch() >= AGENCIES  # those of earlier tests may still be active
        fleet.drain()
        shares = begun(worlds)
        assert min(shares) >= 0.8 * median(shares) > 0

        fleet.dispatch()
        until(lambda: fleet.taken() == WORKERS and sum(begun(worlds)) > sum(shares))
        first.kill()
        workers.enter_context(fleet.worker())
        fleet.drain()  # what the killed one had comes back when its time is over
        while not is_all_done(worlds):
            fleet.dispatch()
            fleet.drain()

    for world in worlds:
        stats = world.stats()
        assert (stats["accepted"], stats["double_dials"], stats["most_calls_per_contact"]) == (EACH, 0, 1)
    assert fleet.dead() == 0
    assert_sound(worlds[0].db)


def test_without_a_queue_the_run_serves_all_agencies_itself(world: World, change_settings: Settings) -> None:
    change_settings(DISPATCH_QUEUE_URL="")
    batch = world.create(3)

    context: Any = Context(PROCESS)
    context.get_remaining_time_in_millis = lambda: round(1000 * (settings().turn_seconds + 2))
    figures = PROCESS.resolve()(PROCESS.schedules[0].event, context)

    assert figures["calls_initiated"] >= 3
    assert batch.stats()["accepted"] == 3


def test_the_scheduled_run_dials_nobody_itself_and_tells_the_vitals(
    fleet: Fleet, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = world.create(1)

    assert fleet.dispatch() == fleet.waiting() >= 1
    assert batch.calls() == []
    assert "unknown_calls" in capsys.readouterr().out


def test_several_messages_for_one_agency_call_nobody_twice_and_cost_little_when_it_is_done(
    fleet: Fleet, world: World
) -> None:
    batch = world.create(30)
    for _ in range(4):
        fleet.send({"agency_id": str(world.agency.id), "seconds": 30})
    with fleet.worker(), fleet.worker():
        fleet.drain()

    assert (batch.stats()["accepted"], batch.stats()["double_dials"]) == (30, 0)
    assert batch.status == "completed"
    idle = {"agency_id": str(world.agency.id), "seconds": 30}
    fleet.send(idle)
    assert fleet.invoke(fleet.received()) == {"batchItemFailures": []}


def test_while_more_than_half_of_a_round_waits_no_further_one_is_sent(fleet: Fleet) -> None:
    agencies = [str(uuid4()) for _ in range(25)]

    assert dispatch.send(agencies[:12]) == 12
    assert dispatch.send(agencies) == 25
    assert dispatch.send(agencies) == 0
    assert fleet.waiting() == 37


def test_rounds_are_sent_in_the_same_order_whatever_order_the_agencies_are_named_in(fleet: Fleet) -> None:
    agencies = sorted(
        str(uuid4()) for _ in range(10)
    )  # as many as one request takes, since requests overtake each other

    assert dispatch.send(agencies[5:] + agencies[:5]) == 10
    assert [json.loads(fleet.received()["Body"])["agency_id"] for _ in agencies] == agencies


def test_a_message_is_served_however_late_it_comes(fleet: Fleet, world: World) -> None:
    batch = world.create(1)
    fleet.send({"agency_id": str(world.agency.id), "seconds": 5})

    late = fleet.received(SentTimestamp="1000", ApproximateReceiveCount="2")
    assert fleet.invoke(late) == {"batchItemFailures": []}
    assert len(batch.calls()) == 1


def test_only_the_message_that_failed_comes_again(fleet: Fleet, world: World) -> None:
    batch = world.create(1)
    fleet.send({"agency_id": str(world.agency.id), "seconds": 5})
    good = fleet.received()
    fleet.send("nonsense")
    bad = fleet.received()

    assert fleet.invoke(good, bad) == {"batchItemFailures": [{"itemIdentifier": bad["MessageId"]}]}
    assert len(batch.calls()) == 1


def test_a_message_that_nobody_can_serve_ends_among_the_dead_letters(fleet: Fleet) -> None:
    fleet.sqs.set_queue_attributes(QueueUrl=fleet.queue_url, Attributes={"VisibilityTimeout": "0"})
    fleet.send("nonsense")
    with fleet.worker():
        until(lambda: fleet.dead() == 1)

    assert fleet.waiting() == 0
    assert "JSONDecodeError" in fleet.logs()


def test_a_queue_that_is_not_there_fails_the_run(fleet: Fleet, world: World, change_settings: Settings) -> None:
    world.create(1)
    change_settings(DISPATCH_QUEUE_URL=f"{fleet.queue_url}-gone")

    with pytest.raises(dispatch.DispatchError, match="cannot be read"):
        fleet.dispatch()


@pytest.mark.parametrize(("agencies", "seconds"), [(1, 80), (100, 80), (200, 27), (10_000, 0.54)])
def test_where_workers_are_fewer_than_agencies_each_gets_its_share_of_the_minute(
    change_settings: Settings, agencies: int, seconds: float
) -> None:
    change_settings(DISPATCH_CONCURRENCY="100", DISPATCH_EVERY_SECONDS="60")

    assert dispatch.share(agencies) == pytest.approx(seconds)


def test_an_import_is_one_message_and_its_share_of_time_ends_it_where_it_can_go_on(
    fleet: Fleet, db: Connection, provider: Simulator
) -> None:
    past = Past.make(db, provider, 30)  # leaves nothing that keeps a processor busy
    past.start()
    sync = FUNCTIONS["process-historical-sync"]

    assert sync.resolve()(sync.schedules[0].event, Context(sync))["dispatched"] >= 1
    fleet.sqs.purge_queue(QueueUrl=fleet.queue_url)
    for seconds, statuses in ((1e-6, ("pending", "in_progress")), (60, ("completed",))):
        fleet.send({"agency_id": str(past.world.agency.id), "seconds": seconds})
        event = mapping.event(fleet.received())
        assert sync.resolve()(event, Context(sync)) == {"batchItemFailures": []}
        assert past.status in statuses
