"""vitals: how the deployment is, for alarms, and for one agency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import psycopg
import pytest

from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Connection
    from tests.sql.world import Json

NOTHING = {
    "slots_held": 0,
    "unknown_calls": 0,
    "oldest_unsettled_seconds": 0,
    "asked_in_vain": 0,
    "throttles": 0,
    "late_acceptances": 0,
    "breaker_trips": 0,
    "account_pauses": 0,
}


def vitals(world: World, **arguments: object) -> Json:
    return world.verb("vitals", p_agency_id=world.agency.id, **arguments)


def seen(world: World) -> Json:
    """Everything but what is nothing; the age in whole seconds."""
    found = vitals(world)
    found["oldest_unsettled_seconds"] = round(found["oldest_unsettled_seconds"])
    return {name: value for name, value in found.items() if value}


def test_an_agency_that_does_nothing_has_nothing_to_tell(world: World) -> None:
    world.create(3)

    assert vitals(world) == NOTHING


@pytest.mark.parametrize("status", ["claimed", "dialing", "unknown"])
def test_a_call_of_which_nobody_knows_whether_the_provider_has_it_grows_old(world: World, status: str) -> None:
    world.call_in(status)
    world.move_clock(42)

    expected = {"slots_held": 1, "oldest_unsettled_seconds": 42}
    assert seen(world) == expected | ({"unknown_calls": 1} if status == "unknown" else {})


@pytest.mark.parametrize("status", ["ringing", "answered"])
def test_a_call_that_the_provider_has_holds_a_slot_and_is_settled(world: World, status: str) -> None:
    world.call_in(status)
    world.move_clock(42)

    assert seen(world) == {"slots_held": 1}


@pytest.mark.parametrize("status", ["ended", "not_placed"])
def test_a_call_that_is_over_is_not_counted(world: World, status: str) -> None:
    world.call_in(status)

    assert vitals(world) == NOTHING


def test_the_oldest_of_several_is_told(world: World) -> None:
    world.processing(2)
    world.dial(1)
    world.move_clock(30)
    world.dial(1)
    world.move_clock(10)

    assert seen(world) == {"slots_held": 2, "oldest_unsettled_seconds": 40}


def test_a_question_is_in_vain_when_half_a_minute_later_nothing_is_learned(world: World) -> None:
    world.call_in("unknown")
    world.move_clock(61)
    assert len(world.questions()["calls"]) == 1

    assert vitals(world)["asked_in_vain"] == 0
    world.move_clock(31)
    assert vitals(world)["asked_in_vain"] == 1


@pytest.mark.parametrize("status", ["ringing", "answered"])
def test_a_call_without_news_that_the_provider_does_not_tell_about_was_asked_about_in_vain(
    world: World, status: str
) -> None:
    call_id = world.call_in(status)
    world.move_clock(601)
    world.questions()
    world.move_clock(31)
    assert vitals(world)["asked_in_vain"] == 1

    world.set("calls", call_id, news_at=world.time())
    assert vitals(world)["asked_in_vain"] == 0


def test_throttles_are_counted_while_they_are_recent(world: World) -> None:
    world.processing(2)
    for call_id in world.dial():
        world.settle(call_id, "throttled", reason="The provider answered 429: slow down", retry_after_seconds=1)

    assert vitals(world)["throttles"] == 2
    world.move_clock(299)
    assert vitals(world)["throttles"] == 2
    world.move_clock(2)
    assert vitals(world)["throttles"] == 0
    assert vitals(world, p_window_seconds=600)["throttles"] == 2


def test_a_second_call_of_the_providers_is_a_late_acceptance(world: World) -> None:
    call_id = world.call_in("ringing")
    world.settle(call_id, "accepted", ultravox_call_id=uuid4())

    assert vitals(world)["late_acceptances"] == 1


def test_an_account_that_is_refused_is_no_trip_of_the_breaker(world: World) -> None:
    world.processing(1)
    world.settle(world.dial()[0], "account_refused", reason="The provider refused the agency's API key")

    assert seen(world) == {"account_pauses": 1}


def test_a_batch_that_the_breaker_paused_is_a_trip(world: World) -> None:
    world.processing(10)
    refused = [{"call_id": one, "result": "refused", "reason": "no such agent"} for one in world.dial()]
    world.settle_all(refused)

    assert seen(world) == {"breaker_trips": 1}


def test_a_batch_that_a_person_paused_is_nothing_to_be_alarmed_about(world: World) -> None:
    world.pause(world.processing(1))

    assert vitals(world) == NOTHING


def test_an_agency_is_told_of_itself_and_the_deployment_of_all(world: World) -> None:
    other = World(world.connection)
    world.call_in("unknown")
    other.call_in("unknown")

    assert vitals(world)["unknown_calls"] == 1
    assert world.verb("vitals")["unknown_calls"] == 2


EVENTS = """
insert into public.call_events (agency_id, batch_id, event, reason, at)
select %(agency)s, %(batch)s, case when n %% 100 = 0 then 'throttled' else 'begun' end, 'Long ago',
       batchline.clock() - interval '1 day'
from generate_series(1, 20000) as n
"""
EVENTS_READ = """
select sum(pg_catalog.pg_stat_get_xact_tuples_returned(oid)) from pg_catalog.pg_class
where relname like 'call_events%' and relnamespace = 'public'::regnamespace
"""


def events_read(connection: Connection) -> int:
    row = connection.execute(EVENTS_READ).fetchone()
    return int(cast("tuple[Any]", row)[0])


def test_the_events_of_the_past_are_not_read(new_database: Callable[[], str]) -> None:
    # In a database of its own: what other tests have rolled back is still met by an index scan.
    with psycopg.connect(new_database()) as connection:
        world = World(connection)
        batch_id = world.processing(1)
        for _ in range(8):  # plans are made while there is no past, and kept
            vitals(world)
        connection.execute(EVENTS, {"agency": world.agency.id, "batch": batch_id})
        world.settle(world.dial()[0], "throttled", reason="slow down")

        before = events_read(connection)
        assert vitals(world)["throttles"] == 1
        assert events_read(connection) - before < 10
