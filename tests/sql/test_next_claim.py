"""When to come again: an answer that names neither a time nor a slot to wait for would make a worker spin or stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sql.world import World

if TYPE_CHECKING:
    from tests.factories import Connection


def opening(answer: dict[str, Any]) -> tuple[float | None, bool]:
    return answer["next_claim_in"], answer["waiting_for_slot"]


@pytest.mark.parametrize(("pace", "wait"), [(60, 1.005), (120, 1.005), (30, 1.005)])
def test_the_next_second_opens_by_the_clock(world: World, pace: int, wait: float) -> None:
    world.processing(10, calls_per_minute=pace)
    world.dial()

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 0.8 < seconds <= wait


def test_the_next_minute_opens_when_the_oldest_start_leaves_it(world: World) -> None:
    world.processing(10, calls_per_minute=2)
    oldest = world.dial(1)[0]
    world.move_clock(10)
    world.dial(1)
    world.set("calls", oldest, began_at=world.time(-40))

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 19.5 < seconds <= 20.02


def test_a_full_batch_waits_for_a_slot(world: World) -> None:
    world.processing(10, max_concurrent=1)

    assert opening(world.claim_answer()) == (None, True)


def test_a_full_agency_waits_for_a_slot(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=1)
    world.processing(10)

    assert opening(world.claim_answer()) == (None, True)


def test_a_number_that_is_busy_with_another_batch_is_waited_for(world: World) -> None:
    world.processing(["+12135550123"])
    world.dial()
    world.processing(["+12135550123"])

    assert opening(world.claim_answer()) == (None, True)


def test_a_retry_is_waited_for_until_its_time(world: World) -> None:
    batch_id = world.processing(1, retry={"delay_minutes": 15})
    world.finish(world.ringing())

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 899 < seconds <= 900
    world.move_clock(seconds + 0.01)
    assert len(world.claim()) == 1
    assert world.contacts(batch_id)[0]["attempts"] == 2


def test_nobody_waits_for_a_slot_before_there_is_somebody_to_call(world: World) -> None:
    world.processing(2, max_concurrent=1, retry={"delay_minutes": 15})
    world.finish(world.ringing())
    world.dial()

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 899 < seconds <= 900


def test_a_full_batch_does_not_wait_before_the_provider_allows_the_next_call(world: World) -> None:
    world.processing(3, max_concurrent=1)
    world.settle(world.dial()[0], "throttled", retry_after_seconds=60)
    world.move_clock(61)
    world.dial()
    world.set("agencies", world.agency.id, dial_after=world.time(60))

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 59 < seconds <= 60


def test_a_batch_that_only_waits_for_its_calls_to_end_names_nothing(world: World) -> None:
    world.processing(1)
    world.dial()

    answer = world.claim_answer()

    assert answer["active"] is True
    assert opening(answer) == (None, False)


def test_a_scheduled_batch_is_waited_for(world: World) -> None:
    world.processing(1)
    world.dial()
    world.create(1, scheduled_for=world.time(300))

    seconds, waiting = opening(world.claim_answer())

    assert not waiting
    assert seconds is not None
    assert 299 < seconds <= 300


def test_of_several_batches_the_first_to_open_counts(world: World) -> None:
    world.create(10, calls_per_minute=60)
    world.create(10, max_concurrent=1)
    world.dial()

    seconds, waiting = opening(world.claim_answer())

    assert waiting
    assert seconds is not None
    assert 0.8 < seconds <= 1.005


@pytest.mark.parametrize("limit", [1, 5])
def test_a_claim_stopped_by_its_own_limit_is_to_be_repeated_at_once(world: World, limit: int) -> None:
    world.processing(10)

    assert world.claim_answer(limit)["next_claim_in"] == 0


def test_a_claim_that_takes_the_last_place_is_not_to_be_repeated_at_once(world: World) -> None:
    world.processing(10, calls_per_minute=60)

    seconds, waiting = opening(world.claim_answer(1))

    assert not waiting
    assert seconds is not None
    assert seconds > 0.8
