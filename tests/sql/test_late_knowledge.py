"""Word of a call that we had taken for not placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sql.world import World

GIVEN_UP = ("refused", "throttled", "unreachable", "not_sent", "number_refused")


def given_up(world: World, result: str = "unreachable", **batch: Any) -> UUID:
    world.processing(2, **batch)
    call_id = world.dial(1)[0]
    world.settle(call_id, result, reason="why", retry_after_seconds=1)
    return call_id


@pytest.mark.parametrize("result", GIVEN_UP)
@pytest.mark.parametrize("word", ["201", "started", "joined"])
def test_the_call_lives_again_and_its_attempt_counts_once(world: World, result: str, word: str) -> None:
    call_id = given_up(world, result)
    told = payloads.answered(world.call(call_id))

    if word == "201":
        assert world.settle(call_id, "accepted", ultravox_call_id=told["started"]["callId"]) == 1
    else:
        assert world.tell(told[word]) == "applied"

    contact = world.contact_of(call_id)
    assert world.call(call_id)["status"] == ("answered" if word == "joined" else "ringing")
    assert (contact["status"], contact["attempts"], contact["outcome"]) == ("in_progress", 1, None)
    assert_sound(world.connection)


@pytest.mark.parametrize("result", GIVEN_UP)
def test_the_last_attempt_of_a_contact_lives_again_too(world: World, result: str) -> None:
    call_id = given_up(world, result, retry={"max_attempts": 1})

    assert world.tell(payloads.answered(world.call(call_id))["ended"]) == "applied"

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["attempts"]) == ("completed", 1)
    assert_sound(world.connection)


def test_a_call_released_before_it_began_lives_again_if_it_was_placed_after_all(world: World) -> None:
    world.processing(1)
    call_id = world.claim(lease=1)[0]
    world.move_clock(2)
    world.sweep()

    world.tell(payloads.answered(world.call(call_id))["joined"])

    assert world.call(call_id)["status"] == "answered"
    assert world.call(call_id)["began_at"] is not None
    assert_sound(world.connection)


def test_a_call_that_the_provider_twice_denied_lives_again(world: World) -> None:
    call_id = world.call_in("unknown", contacts=2)
    for _ in range(2):
        world.none(call_id)
        world.move_clock(130)
    assert world.call(call_id)["status"] == "not_placed"

    world.tell(payloads.answered(world.call(call_id))["ended"])

    assert world.contact_of(call_id)["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("word", ["201", "joined", "ended"])
def test_a_contact_that_is_being_called_again_is_left_alone_and_an_alarm_is_raised_once(
    world: World, word: str
) -> None:
    world.processing(1)
    lost = world.dial()[0]
    world.settle(lost, "not_sent", reason="too late")
    again = world.ringing()
    told = payloads.answered(world.call(lost))
    before = world.snapshot()

    for _ in range(2):
        if word == "201":
            assert world.settle(lost, "accepted", ultravox_call_id=told["started"]["callId"]) == 0
        else:
            assert world.tell(told[word]) == "unchanged"

    assert len(world.events(call_id=lost, event="late_acceptance")) == 1
    after = world.snapshot()
    for rows in (before, after):
        rows.pop("call_events")
    assert after == before
    assert world.contact_of(again)["call_id"] == str(again)


def test_a_number_that_another_batch_is_calling_is_left_alone(world: World) -> None:
    lost = given_up(world)
    world.move_clock(1)
    world.processing([world.call(lost)["to_number"]])
    world.dial()

    assert world.tell(payloads.answered(world.call(lost))["joined"]) == "unchanged"

    assert world.contact_of(lost)["status"] == "queued"
    assert len(world.events(call_id=lost, event="late_acceptance")) == 1
    assert_sound(world.connection)


def test_the_contact_of_a_cancelled_batch_follows_its_call_and_the_batch_stays_cancelled(world: World) -> None:
    call_id = given_up(world)
    batch_id = UUID(world.call(call_id)["batch_id"])
    world.cancel(batch_id)

    world.tell(payloads.answered(world.call(call_id))["joined"])
    assert world.batch(batch_id)["in_progress"] == 1
    world.finish(call_id, talk_seconds=20)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["completed"], batch["skipped"]) == ("cancelled", 1, 1)
    assert_sound(world.connection)


def test_a_contact_skipped_for_the_do_not_call_list_follows_its_call(
    world: World, forbid: Callable[[str], None]
) -> None:
    world.processing(2)
    call_id = world.dial(1)[0]
    forbid(world.call(call_id)["to_number"])
    world.settle(call_id, "not_sent", reason="too late")
    assert world.contact_of(call_id)["status"] == "skipped"

    world.tell(payloads.answered(world.call(call_id))["ended"])

    assert world.contact_of(call_id)["status"] == "completed"
    assert_sound(world.connection)


def test_a_completed_batch_is_not_opened_again_but_an_alarm_is_raised(world: World) -> None:
    batch_id = world.processing(1)
    call_id = world.dial()[0]
    world.settle(call_id, "number_refused", reason="no")
    assert world.batch(batch_id)["status"] == "completed"
    before = world.contacts(batch_id)

    assert world.tell(payloads.answered(world.call(call_id))["joined"]) == "unchanged"

    assert world.contacts(batch_id) == before
    assert len(world.events(call_id=call_id, event="late_acceptance")) == 1
    assert_sound(world.connection)


def redialled(world: World, outcome: str, **batch: Any) -> tuple[UUID, UUID]:
    """A call that was given up, and the one that was made to the same person since, which has ended."""
    world.processing(["+12125550101", "+12125550102"], **batch)
    first = world.dial(1)[0]
    world.settle(first, "unreachable", reason="why")
    world.move_clock(40)
    again = next(one for one in world.dial() if world.call(one)["contact_id"] == world.call(first)["contact_id"])
    world.accept([again])
    world.finish(again, talk_seconds=42 if outcome == "answered" else None, sip=outcome.upper())
    return first, again


def test_a_contact_called_since_and_queued_again_follows_the_call_back(world: World) -> None:
    first, again = redialled(world, "busy")
    assert world.contact_of(first)["status"] == "queued"

    world.tell(payloads.answered(world.call(first))["joined"])

    contact = world.contact_of(first)
    assert (contact["status"], contact["call_id"], contact["attempts"]) == ("in_progress", str(first), 2)
    assert world.call(first)["status"] == "answered"
    assert world.call(again)["status"] == "ended"
    assert_sound(world.connection)


@pytest.mark.parametrize("outcome", ["answered", "rejected"])
def test_a_contact_called_since_and_done_with_is_left_alone_with_an_alarm(world: World, outcome: str) -> None:
    first, _ = redialled(world, outcome)
    before = world.contact_of(first)

    world.tell(payloads.answered(world.call(first))["joined"])

    assert world.contact_of(first) == before
    assert world.call(first)["status"] == "not_placed"
    assert len(world.events(event="late_acceptance", call_id=first)) == 1
    assert_sound(world.connection)
