"""The provider has taken a call: what became of an id that some row has already."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.sql.world import Json, World


def strangers(payload: Json) -> Json:
    """The same call as an event without our metadata tells it."""
    return payload | {"metadata": {}}


@pytest.mark.parametrize("status", ["dialing", "unknown", "not_placed"])
@pytest.mark.parametrize("word", ["started", "joined", "billed"])
def test_an_imported_row_turns_out_to_be_the_call_that_was_being_placed(world: World, status: str, word: str) -> None:
    call_id = world.call_in(status, contacts=2)
    told = payloads.answered(world.call(call_id))
    payload = strangers(told[word])
    world.verb("ingest_event", p_agency_id=world.agency.id, p_event=f"call.{word}", p_call=payload)
    assert len(world.all("calls")) == 2

    world.settle(call_id, "accepted", ultravox_call_id=payload["callId"])

    (row,) = world.all("calls")
    ended = word == "billed"
    assert (row["id"], row["ultravox_call_id"]) == (str(call_id), payload["callId"])
    assert row["status"] == {"started": "ringing", "joined": "answered", "billed": "ended"}[word]
    assert row["billed_duration_seconds"] == (48 if ended else None)
    assert world.contact_of(call_id)["status"] == ("completed" if ended else "in_progress")
    (event,) = world.events(event=f"call.{word}")
    assert (event["ultravox_call_id"], event["call_id"]) == (payload["callId"], None)
    assert_sound(world.connection)


def test_one_odd_acceptance_does_not_hold_up_the_others_of_its_round(world: World) -> None:
    world.processing(4)
    odd, *others = world.dial(4)
    told = strangers(payloads.answered(world.call(odd))["joined"])
    world.tell(told)

    results = [{"call_id": one, "result": "accepted", "ultravox_call_id": uuid4()} for one in others]
    assert world.settle_all([{"call_id": odd, "result": "accepted", "ultravox_call_id": told["callId"]}, *results]) == 4

    assert sorted(row["status"] for row in world.all("calls")) == ["answered", "ringing", "ringing", "ringing"]
    assert_sound(world.connection)


def test_an_id_given_to_two_of_our_calls_belongs_to_the_first_and_the_other_is_asked_about(world: World) -> None:
    world.processing(3)
    first, *others = world.dial(3)
    world.accept([first])
    taken = world.call(first)["ultravox_call_id"]

    assert world.settle_all([{"call_id": one, "result": "accepted", "ultravox_call_id": taken} for one in others]) == 0

    assert world.call(first)["status"] == "ringing"
    for call_id in others:
        assert (world.call(call_id)["status"], world.call(call_id)["ultravox_call_id"]) == ("unknown", None)
        assert [event["detail"] for event in world.events(event="late_acceptance", call_id=call_id)] == [
            {"ultravox_call_id": taken}
        ]
    assert_sound(world.connection)


def test_an_id_given_twice_in_one_round_is_taken_once(world: World) -> None:
    world.processing(2)
    both = world.dial(2)
    same = uuid4()

    assert world.settle_all([{"call_id": one, "result": "accepted", "ultravox_call_id": same} for one in both]) == 1

    assert sorted(world.call(one)["status"] for one in both) == ["ringing", "unknown"]
    assert_sound(world.connection)


def test_another_agencys_row_with_the_same_id_is_left_alone(world: World) -> None:
    other = type(world)(world.connection)
    theirs = other.call_in("ringing")
    call_id = world.call_in("dialing")
    before = other.snapshot()

    world.settle(call_id, "accepted", ultravox_call_id=other.call(theirs)["ultravox_call_id"])

    assert world.call(call_id)["status"] == "ringing"
    assert other.snapshot() == before


def test_the_id_of_a_call_that_was_given_up_may_turn_out_to_be_an_imported_rows(world: World) -> None:
    call_id = world.call_in("unknown")
    told = payloads.answered(world.call(call_id))
    world.tell(strangers(told["billed"]))
    world.move_clock(3600 + 86400 + 1)
    world.sweep()

    assert world.tell(told["ended"]) == "applied"

    (row,) = world.all("calls")
    assert (row["outcome"], row["billed_duration_seconds"]) == ("answered", 48)
    assert world.contact_of(UUID(row["id"]))["status"] == "completed"
    assert_sound(world.connection)
