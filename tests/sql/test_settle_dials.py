"""The table of outcomes, row by row."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.sql.checks import assert_sound
from tests.sql.world import CALL_STATES, World

RESULTS = (
    "accepted", "number_refused", "refused", "throttled", "account_refused", "agent_gone", "unreachable", "not_sent",
    "unknown",
)  # fmt: skip
NOT_COUNTED = ("refused", "throttled", "account_refused", "unreachable", "not_sent")
DETAIL: dict[str, Any] = {"ultravox_call_id": uuid4(), "reason": "The provider's words", "retry_after_seconds": 7}
SETTLED_ELSEWHERE = ("claimed", "ringing", "answered", "ended", "not_placed")


def test_an_accepted_dial_rings_and_knows_the_providers_call(world: World) -> None:
    call_id = world.call_in("dialing")

    assert world.settle(call_id, "accepted", **DETAIL) == 1

    call = world.call(call_id)
    assert (call["status"], call["dial_result"]) == ("ringing", "accepted")
    assert call["ultravox_call_id"] == str(DETAIL["ultravox_call_id"])
    assert call["accepted_at"] == call["news_at"]
    assert world.contact_of(call_id)["status"] == "in_progress"
    assert [event["event"] for event in world.events(call_id=call_id)][-1] == "accepted"
    assert_sound(world.connection)


def test_a_refused_number_fails_the_contact_with_the_providers_reason(world: World) -> None:
    call_id = world.call_in("dialing")

    world.settle(call_id, "number_refused", reason="to: not a number")

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["outcome"], contact["attempts"]) == ("failed", "invalid_number", 1)
    assert (contact["reason"], contact["outcome_notes"]) == ("to: not a number", "to: not a number")
    assert world.call(call_id)["status"] == "not_placed"
    assert world.batch(contact["batch_id"])["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("result", NOT_COUNTED)
def test_what_was_not_the_contacts_fault_is_queued_again_and_not_counted(world: World, result: str) -> None:
    call_id = world.call_in("dialing")

    world.settle(call_id, result, **DETAIL)

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["dial_result"], call["reason"]) == ("not_placed", result, "The provider's words")
    assert (contact["status"], contact["attempts"], contact["reason"]) == ("queued", 0, "The provider's words")
    assert_sound(world.connection)


@pytest.mark.parametrize(
    ("result", "seconds"), [("refused", 60), ("unreachable", 30), ("not_sent", 0), ("throttled", 0)]
)
def test_a_contact_is_held_back_for_as_long_as_the_fault_deserves(world: World, result: str, seconds: int) -> None:
    call_id = world.call_in("dialing")

    earliest, _, latest = world.time(seconds), world.settle(call_id, result, reason="why"), world.time(seconds)

    assert earliest <= world.contact_of(call_id)["next_attempt_at"] <= latest


def test_a_refused_account_pauses_the_agencys_processing_batches_and_says_why(world: World) -> None:
    scheduled, others = world.batch_in("scheduled"), World(world.connection)
    theirs = others.processing(1)
    first, second = world.processing(3), world.processing(3)
    dialled, claimed = world.dial(1)[0], world.claim(3)

    world.settle(dialled, "account_refused", reason="402: set up a subscription with the provider")

    for batch_id in (first, second):
        batch = world.batch(batch_id)
        assert (batch["status"], batch["in_progress"], batch["queued"]) == ("paused", 0, 3)
        assert batch["error_message"] == "402: set up a subscription with the provider"
    assert {world.call(call_id)["status"] for call_id in claimed} == {"not_placed"}
    assert (world.batch(scheduled)["status"], others.batch(theirs)["status"]) == ("scheduled", "processing")
    assert world.events(event="paused")[0]["actor"] is None
    assert_sound(world.connection)


def test_a_lost_agent_fails_the_batch_and_skips_who_waits_but_not_who_is_being_called(world: World) -> None:
    batch_id = world.processing(5)
    ringing, gone = world.dial(2)
    world.accept([ringing])
    world.claim(1)

    world.settle(gone, "agent_gone", reason="The agent no longer exists")

    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"]) == ("failed", "The agent no longer exists")
    assert (batch["skipped"], batch["in_progress"]) == (4, 1)
    assert world.contact_of(gone)["outcome_notes"] == "Batch failed: The agent no longer exists"
    world.finish(ringing, talk_seconds=20)
    assert (world.batch(batch_id)["completed"], world.batch(batch_id)["status"]) == (1, "failed")
    assert_sound(world.connection)


def test_an_uncertain_dial_keeps_contact_and_slot(world: World) -> None:
    call_id = world.call_in("dialing", contacts=2, max_concurrent=1)

    world.settle(call_id, "unknown", reason="read timed out")

    call = world.call(call_id)
    assert (call["status"], call["claimed_until"], call["reason"]) == ("unknown", None, "read timed out")
    assert call["unknown_at"] is not None
    assert world.contact_of(call_id)["status"] == "in_progress"
    assert world.claim() == []
    assert_sound(world.connection)


@pytest.mark.parametrize("result", [result for result in RESULTS if result != "unknown"])
def test_an_unknown_call_settles_when_its_answer_comes_late(world: World, result: str) -> None:
    call_id = world.call_in("unknown")

    assert world.settle(call_id, result, **DETAIL) == 1

    assert world.call(call_id)["status"] == ("ringing" if result == "accepted" else "not_placed")
    assert_sound(world.connection)


@pytest.mark.parametrize("result", RESULTS)
def test_settling_twice_changes_nothing(world: World, result: str) -> None:
    call_id = world.call_in("dialing")
    world.settle(call_id, result, **DETAIL)
    before = world.snapshot()

    assert world.settle(call_id, result, **DETAIL) == 0

    assert world.snapshot() == before


@pytest.mark.parametrize("result", [result for result in RESULTS if result != "accepted"])
@pytest.mark.parametrize("status", SETTLED_ELSEWHERE)
def test_settling_does_not_change_a_call_that_is(world: World, status: str, result: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    assert world.settle(call_id, result, **DETAIL) == 0

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["claimed", "ringing", "answered", "ended"])
def test_accepting_with_the_same_id_does_not_change_a_call_that_is(world: World, status: str) -> None:
    call_id = world.call_in(status)
    known = world.call(call_id)["ultravox_call_id"] or uuid4()
    before = world.snapshot()

    assert world.settle(call_id, "accepted", ultravox_call_id=known) == 0

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["ringing", "answered", "ended"])
def test_a_second_call_of_the_providers_for_one_of_ours_raises_an_alarm_once(world: World, status: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    assert [world.settle(call_id, "accepted", **DETAIL) for _ in range(2)] == [0, 0]

    alarms = world.events(call_id=call_id, event="late_acceptance")
    assert [alarm["detail"] for alarm in alarms] == [{"ultravox_call_id": str(DETAIL["ultravox_call_id"])}]
    after = world.snapshot()
    assert {table: after[table] for table in after if table != "call_events"} == {
        table: before[table] for table in before if table != "call_events"
    }


def test_all_results_of_a_turn_settle_in_one_round_trip_each_by_itself(world: World) -> None:
    other = World(world.connection)
    world.processing(4)
    theirs = other.processing(2)
    mine = world.dial()
    results: list[dict[str, object]] = [
        {"call_id": mine[0], "result": "accepted", "ultravox_call_id": uuid4()},
        {"call_id": mine[1], "result": "number_refused", "reason": "no"},
        {"call_id": mine[2], "result": "unknown", "reason": "lost"},
        {"call_id": mine[3], "result": "throttled", "retry_after_seconds": 3},
        *({"call_id": call_id, "result": "accepted", "ultravox_call_id": uuid4()} for call_id in other.dial()),
        {"call_id": uuid4(), "result": "accepted", "ultravox_call_id": uuid4()},
    ]

    assert world.settle_all(results) == 6

    assert [world.call(call_id)["status"] for call_id in mine] == ["ringing", "not_placed", "unknown", "not_placed"]
    assert {call["status"] for call in other.calls(theirs)} == {"ringing"}
    assert_sound(world.connection)


def test_no_results_settle_nothing(world: World) -> None:
    assert world.settle_all([]) == 0
    assert world.settle_all([{"call_id": uuid4(), "result": "unknown"}]) == 0


def test_the_states_above_are_all_there_are() -> None:
    assert {*SETTLED_ELSEWHERE, "dialing", "unknown"} == set(CALL_STATES)
