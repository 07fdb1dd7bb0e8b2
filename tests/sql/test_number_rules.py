"""How often a number may be called, by whomever of the agency: decided at the claim, from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.factories import insert
from tests.sql.checks import assert_sound, query
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.factories import Connection

NUMBER = "+12135550123"
RULES: dict[str, Any] = {"max_daily_calls_per_number": 3, "minutes_between_batches": 60}
CAPPED = "Called as often as the agency allows in 24 hours"
SPACED = "Called for another batch a short while ago"


@pytest.fixture
def world(connection: Connection) -> World:
    """An agency that spares the people it calls, as agencies do if they say nothing else."""
    return World(connection, max_calls_per_minute=60_000, max_concurrent_calls=10_000, **RULES)


def call(world: World) -> UUID:
    """The next call, which nobody answers."""
    (call_id,) = world.dial(1)
    world.accept([call_id])
    world.finish(call_id)
    return call_id


def retrying(world: World, **batch: object) -> UUID:
    """A batch that would call its one number every minute."""
    return world.processing(
        [{"phone_number": NUMBER, "max_attempts": 11}], retry={"delay_minutes": 1, "growth": 1}, **batch
    )


def test_an_agency_that_says_nothing_has_these_rules(connection: Connection) -> None:
    agency_id = insert(connection, "agencies", name="Plain")
    columns = "select max_daily_calls_per_number, minutes_between_batches from public.agencies where id = %s"

    assert query(connection, columns, agency_id) == [(3, 60)]


def test_a_number_is_called_three_times_in_any_24_hours(world: World) -> None:
    batch_id = retrying(world)
    for _ in range(3):
        call(world)
        world.move_clock(3600)

    assert world.claim() == []
    (contact,) = world.contacts(batch_id)
    assert (contact["status"], contact["reason"], contact["attempts"]) == ("queued", CAPPED, 3)
    assert world.batch(batch_id)["waiting_until"] == contact["next_attempt_at"]
    world.move_clock(20.9 * 3600)  # almost a day after the first
    assert world.claim() == []
    world.move_clock(0.2 * 3600)
    assert len(world.dial()) == 1
    assert world.batch(batch_id)["waiting_until"] is None


def test_what_holds_a_contact_back_is_told_once(world: World) -> None:
    batch_id = retrying(world)
    for _ in range(3):
        call(world)
        world.move_clock(60)
    for _ in range(5):
        assert world.claim() == []
        world.move_clock(600)

    (contact,) = world.contacts(batch_id)
    (told,) = world.events(contact_id=contact["id"], event="deferred")
    assert told["reason"] == contact["reason"] == CAPPED
    assert told["detail"]["rule"] == "max_daily_calls_per_number"
    assert told["detail"]["until"] <= contact["next_attempt_at"].replace("+00:00", "Z")


def test_two_batches_call_a_number_an_hour_apart(world: World) -> None:
    first, second = world.processing([NUMBER]), world.processing([NUMBER])
    (call_id,) = world.dial()
    world.accept([call_id])
    world.finish(call_id, talk_seconds=5)
    called = world.call(call_id)["batch_id"]
    other = second if called == str(first) else first

    assert world.claim() == []
    (contact,) = world.contacts(other)
    assert (contact["status"], contact["reason"]) == ("queued", SPACED)
    world.move_clock(3590)
    assert world.claim() == []
    world.move_clock(11)
    assert world.call(world.dial()[0])["batch_id"] == str(other)
    assert_sound(world.connection)


def test_a_batch_keeps_to_its_own_retry_rule_between_its_own_calls(world: World) -> None:
    retrying(world)
    call(world)

    world.move_clock(61)

    assert len(world.dial()) == 1


def test_of_two_batches_with_the_same_people_each_person_is_called_once_an_hour(world: World) -> None:
    numbers = world.numbers(40)
    for _ in range(2):
        world.processing(numbers)

    calls = [world.call(one) for _ in range(4) for one in world.dial()]

    assert sorted(row["to_number"] for row in calls) == sorted(numbers)


@pytest.mark.parametrize("result", ["throttled", "unreachable", "not_sent"])
def test_a_call_that_was_certainly_not_placed_counts_for_no_rule(world: World, result: str) -> None:
    world.processing([NUMBER])
    for _ in range(4):
        (call_id,) = world.dial()
        world.settle(call_id, result, reason="no", retry_after=1)
        world.move_clock(120)

    world.processing([NUMBER])
    assert len(world.dial(1)) == 1


def test_a_call_whose_fate_is_unknown_counts(world: World) -> None:
    world.processing([NUMBER])
    world.settle(world.dial()[0], "unknown", reason="timed out")
    world.processing([NUMBER])

    assert world.claim() == []


def test_past_calls_that_were_imported_count_as_well(world: World) -> None:
    for minutes in (300, 200, 100):
        insert(
            world.connection, "calls", agency_id=world.agency.id, status="ended", ultravox_call_id=uuid4(),
            to_number=NUMBER, accepted_at=world.time(-60 * minutes), created_at=world.time(-60 * minutes),
            ended_at=world.time(-60 * minutes + 30), outcome="no_answer",
        )  # fmt: skip
    batch_id = world.processing([NUMBER, "+12135550124"])

    assert [order["to_number"] for order in world.claim_answer()["calls"]] == ["+12135550124"]
    assert world.contacts(batch_id)[0]["reason"] == CAPPED


def test_another_agencys_calls_do_not_count(world: World, connection: Connection) -> None:
    other = World(connection, max_calls_per_minute=60_000, max_concurrent_calls=10_000, **RULES)
    other.processing([NUMBER])
    call(other)
    world.processing([NUMBER])

    assert len(world.dial()) == 1


def test_a_number_listed_behind_the_products_back_is_skipped_at_the_claim(
    world: World, forbid: Callable[[str], None]
) -> None:
    batch_id = world.processing([NUMBER, "+12135550124"])
    forbid(NUMBER)

    assert [order["to_number"] for order in world.claim_answer()["calls"]] == ["+12135550124"]
    contact = world.contacts(batch_id)[0]
    assert (contact["status"], contact["reason"]) == ("skipped", "On the do-not-call list")
    assert world.batch(batch_id)["skipped"] == 1
    assert_sound(world.connection)


@pytest.mark.parametrize("pace", [60, 6000])
def test_those_who_may_not_be_called_do_not_keep_the_others_waiting(
    world: World, forbid: Callable[[str], None], pace: int
) -> None:
    numbers = world.numbers(120)
    batch_id = world.processing(numbers, calls_per_minute=pace)
    for number in numbers[:100]:
        forbid(number)

    assert world.claim_answer(1)["calls"][0]["to_number"] == numbers[100]
    assert world.batch(batch_id)["skipped"] >= 100


def test_a_claim_that_found_enough_looks_no_further(world: World, forbid: Callable[[str], None]) -> None:
    numbers = world.numbers(120)
    batch_id = world.processing(numbers, calls_per_minute=60)
    for number in (numbers[0], numbers[30], numbers[90]):
        forbid(number)

    assert [order["to_number"] for order in world.claim_answer(1)["calls"]] == [numbers[1]]
    skipped = [contact["phone_number"] for contact in world.contacts(batch_id) if contact["status"] == "skipped"]
    assert skipped == [numbers[0], numbers[30]]


def test_what_begin_finds_held_back_goes_back_uncounted(world: World) -> None:
    batch_id = world.processing([NUMBER])
    calls = world.claim()
    other = world.processing(["+12135550124"])
    begun = world.dial()[0]
    # word that comes late: the other call went to this very number
    world.set(
        "calls", begun, to_number=NUMBER, status="ended", ended_at=world.time(), outcome="no_answer", claimed_until=None
    )

    assert world.begin(calls) == []

    (contact,) = world.contacts(batch_id)
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert contact["reason"].startswith("Not begun: the number was called")
    assert world.batch(other)["in_progress"] == 1
