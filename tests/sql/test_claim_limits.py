from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import World

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories import Connection


def test_at_most_max_concurrent_calls_of_a_batch_are_live(world: World) -> None:
    world.processing(10, max_concurrent=4)
    assert len(world.claim()) == 4
    assert world.claim() == []


@pytest.mark.parametrize("status", ["claimed", "dialing", "unknown", "ringing", "answered"])
def test_a_live_call_holds_its_slot_in_every_state(world: World, status: str) -> None:
    world.call_in(status, contacts=3, max_concurrent=2)

    assert len(world.claim()) == 1


@pytest.mark.parametrize("status", ["ended", "not_placed"])
def test_a_call_that_is_over_holds_no_slot(world: World, status: str) -> None:
    world.call_in(status, contacts=4, max_concurrent=2)

    assert len(world.claim()) == 2


def test_the_agencys_plan_limits_all_its_batches_together(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=5)
    batches = [world.create(10), world.create(10)]

    assert len(world.claim()) == 5
    assert world.claim() == []
    released = len(world.calls(batches[0]))
    world.cancel(batches[0])
    assert len(world.claim()) == released


def test_live_calls_of_paused_and_cancelled_batches_hold_the_agencys_slots(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=3)
    for verb in (world.pause, world.cancel):
        batch_id = world.processing(1)
        world.dial()
        verb(batch_id)
    world.processing(5)

    assert len(world.claim()) == 1


@pytest.mark.parametrize(("cap", "claimed"), [(2, 2), (0, 0), (None, 4)])
def test_the_providers_account_lowers_the_agencys_plan(connection: Connection, cap: int | None, claimed: int) -> None:
    world = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=4)
    world.processing(10)

    world.verb("record_account", p_agency_id=world.agency.id, p_allowed_concurrent_calls=cap)

    assert len(world.claim()) == claimed


def test_imported_calls_hold_no_slot_and_no_place_in_the_pace(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=60, max_concurrent_calls=1)
    stranger = {"callId": "11111111-1111-4111-8111-111111111111", "created": world.time(), "joined": world.time()}
    assert world.tell(stranger) == "imported"
    world.processing(1)

    assert len(world.claim()) == 1


@pytest.mark.parametrize(("pace", "share"), [(30, 1), (60, 1), (90, 2), (120, 2), (600, 10)])
def test_a_batch_begins_at_most_one_seconds_share_in_a_second(world: World, pace: int, share: int) -> None:
    world.processing(40, calls_per_minute=pace)

    assert len(world.dial()) == share
    world.move_clock(0.3)  # a busy machine may take as long as is left of the second
    assert world.dial() == []
    world.move_clock(0.8)
    assert len(world.dial()) == share


@pytest.mark.parametrize("pace", [6, 60, 90])
def test_a_batch_begins_at_most_its_pace_in_a_minute(world: World, pace: int) -> None:
    world.processing(200, calls_per_minute=pace)
    begun = world.dial()
    share = len(begun)
    while len(begun) < pace:
        world.move_clock(1.1 * (0.5 if pace > 60 else 1) if share == 1 else 0.66 * share)
        begun += world.dial()
    assert len(begun) == pace
    spread_over_the_last_minute(world, begun)

    assert world.dial() == []
    world.move_clock(3)
    assert len(world.dial()) == 1


def spread_over_the_last_minute(world: World, begun: list[UUID]) -> None:
    """So that the oldest leaves the minute in two seconds from now, the next two seconds later."""
    oldest = world.time(-58)
    for number, call_id in enumerate(begun):
        statement = "update public.calls set began_at = %s::timestamptz + make_interval(secs => %s) where id = %s"
        world.connection.execute(statement, [oldest, min(2.0 * number, 48), call_id])


def test_the_agencys_pace_limits_all_its_batches_together(connection: Connection) -> None:
    world = World(connection, max_calls_per_minute=120)
    world.create(10)
    world.create(10)

    assert len(world.dial()) == 2
    assert world.dial() == []
    world.move_clock(1.1)
    assert len(world.dial()) == 2


@pytest.mark.parametrize("result", ["throttled", "refused", "account_refused", "number_refused", "unreachable"])
def test_a_begun_dial_counts_for_the_pace_whatever_became_of_it(world: World, result: str) -> None:
    batch_id = world.processing(5, calls_per_minute=60)
    world.settle(world.dial()[0], result, reason="why", retry_after_seconds=0)
    if result == "account_refused":
        world.resume(batch_id)

    assert world.dial() == []
    world.move_clock(1.1)
    assert len(world.dial()) == 1


def test_a_claimed_call_counts_as_begun_now_until_it_is_released(world: World) -> None:
    world.processing(5, calls_per_minute=60)
    world.claim(lease=5)
    world.move_clock(3)
    assert world.claim() == []

    world.move_clock(3)
    world.sweep()

    assert len(world.claim()) == 1


def test_a_call_ending_at_once_still_counts_for_the_pace(world: World) -> None:
    world.processing(5, calls_per_minute=60)
    world.finish(world.ringing(), talk_seconds=0.2)

    assert world.dial() == []


def test_nothing_is_dialled_before_the_provider_allows_it_again(world: World) -> None:
    world.processing(3)
    call_id = world.dial(1)[0]
    world.settle(call_id, "throttled", reason="Too many requests", retry_after_seconds=30)

    answer = world.claim_answer()
    assert answer["calls"] == []
    assert 29 < answer["next_claim_in"] <= 30
    world.move_clock(30)
    assert len(world.claim()) == 3
    assert_sound(world.connection)


def test_a_pause_the_provider_asked_for_binds_the_whole_agency_and_no_other(world: World) -> None:
    other = World(world.connection)
    world.processing(1)
    world.settle(world.dial()[0], "throttled", retry_after_seconds=30)
    world.processing(1)
    other.processing(1)

    assert world.claim() == []
    assert len(other.claim()) == 1


def test_a_shorter_wait_does_not_cut_a_longer_one_short(world: World) -> None:
    world.processing(2)
    first, second = world.dial()
    world.settle(first, "throttled", retry_after_seconds=60)
    world.settle(second, "throttled", retry_after_seconds=5)
    world.move_clock(30)

    assert world.claim() == []


@pytest.mark.parametrize(("asked", "waits"), [(100_000, 900), (None, 5)])
def test_the_wait_ends_after_15_minutes_and_is_5_seconds_where_none_is_named(
    world: World, asked: float | None, waits: float
) -> None:
    world.processing(1)
    world.settle(world.dial()[0], "throttled", retry_after_seconds=asked)

    assert waits - 1 < world.claim_answer()["next_claim_in"] <= waits
