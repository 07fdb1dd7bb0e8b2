from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import CALL_STATES, World

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_claimed_call_begins_and_its_lease_starts_anew(world: World) -> None:
    world.processing(1)
    call_id = world.claim(lease=5)[0]

    assert world.begin([call_id], lease=60) == [call_id]

    call = world.call(call_id)
    assert (call["status"], call["claimed_by"]) == ("dialing", "worker")
    assert call["began_at"] > call["claimed_at"]
    assert call["claimed_until"] > world.time(50)
    assert [event["event"] for event in world.events(call_id=call_id)] == ["claimed", "begun"]
    assert world.contact_of(call_id)["status"] == "in_progress"


def test_beginning_again_answers_the_same_calls_and_changes_nothing(world: World) -> None:
    world.processing(3)
    calls = world.claim()
    first = world.begin(calls)
    before = world.snapshot()

    assert sorted(world.begin(calls)) == sorted(first) == sorted(calls)

    assert world.snapshot() == before


@pytest.mark.parametrize("status", [status for status in CALL_STATES if status not in ("claimed", "dialing")])
def test_beginning_does_not_change_a_call_that_is(world: World, status: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    assert world.begin([call_id]) == []

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["claimed", "dialing"])
def test_beginning_does_not_change_another_workers_call_that_is(world: World, status: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    assert world.begin([call_id], worker="another") == []

    assert world.snapshot() == before


def test_calls_that_nobody_knows_and_no_calls_at_all_begin_nothing(world: World) -> None:
    assert world.begin([uuid4()]) == []
    assert world.begin([]) == []


def test_a_call_whose_lease_is_over_is_released_not_begun(world: World) -> None:
    world.processing(1)
    call_id = world.claim(lease=1)[0]
    world.move_clock(1.5)

    assert world.begin([call_id]) == []

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert contact["reason"] == "Not begun: the lease was over"
    assert_sound(world.connection)


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "paused"])
def test_nothing_begins_in_a_batch_that_is(world: World, status: str) -> None:
    batch_id = world.processing(1)
    call_id = world.claim()[0]
    times = {"paused_at": world.time()} if status == "paused" else {"started_at": None, "scheduled_for": world.time()}
    world.set("call_batches", batch_id, status=status, **times)  # as if the claim had not been released

    assert world.begin([call_id]) == []

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["reason"]) == ("not_placed", f"Not begun: the batch is {status}")
    assert (contact["status"], contact["attempts"]) == ("queued", 0)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_nothing_begins_in_a_batch_that_was_closed_and_the_contact_is_skipped(world: World, status: str) -> None:
    batch_id = world.processing(1)
    call_id = world.claim()[0]
    world.set("call_batches", batch_id, status=status, completed_at=world.time(), error_message="why")

    assert world.begin([call_id]) == []

    assert world.contact_of(call_id)["status"] == "skipped"
    assert_sound(world.connection)


def test_a_number_forbidden_between_claim_and_begin_is_not_dialled(world: World, forbid: Callable[[str], None]) -> None:
    batch_id = world.processing(["+12135550123"])
    call_id = world.claim()[0]
    forbid("+12135550123")

    assert world.begin([call_id]) == []

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["attempts"], contact["reason"]) == ("skipped", 0, "On the do-not-call list")
    assert world.call(call_id)["reason"] == "Not begun: the number is on the do-not-call list"
    assert world.batch(batch_id)["status"] == "completed"
    assert_sound(world.connection)


def test_one_round_trip_serves_several_agencies_and_batches_each_by_itself(world: World) -> None:
    other = World(world.connection)
    paused = world.processing(1)
    world.claim()
    theirs = other.processing(2)
    calls = [*world.calls(paused), *(other.call(call_id) for call_id in other.claim())]
    world.set("call_batches", paused, status="paused", paused_at=world.time())

    begun = world.begin([call["id"] for call in calls])

    assert {str(call_id) for call_id in begun} == {call["id"] for call in other.calls(theirs)}
    assert_sound(world.connection)
