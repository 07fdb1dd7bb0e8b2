"""Which calls the provider is asked about, and what its answers mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.payloads import began
from tests.sql.world import CALL_STATES, World

if TYPE_CHECKING:
    from collections.abc import Sequence


def asked(world: World, limit: int = 1000) -> Sequence[str]:
    return [question["call_id"] for question in world.questions(limit)["calls"]]


def test_an_unknown_call_is_asked_about_after_a_minute_and_again_after_two(world: World) -> None:
    call_id = str(world.call_in("unknown"))

    assert asked(world) == []
    world.move_clock(60.5)
    assert asked(world) == [call_id]
    assert asked(world) == []
    world.move_clock(119)
    assert asked(world) == []
    world.move_clock(2)
    assert asked(world) == [call_id]


def test_a_question_names_what_the_look_up_needs(world: World) -> None:
    call_id = world.call_in("ringing")
    world.move_clock(601)

    question = world.questions()["calls"][0]

    row = world.call(call_id)
    agent = next(row for row in world.all("agent_mappings"))
    created_from = datetime.fromisoformat(question.pop("created_from"))
    assert created_from == began(row) - timedelta(minutes=5)
    assert question == {
        "call_id": row["id"],
        "agency_id": row["agency_id"],
        "ultravox_call_id": row["ultravox_call_id"],
        "ultravox_agent_id": agent["ultravox_agent_id"],
        "asked_at": row["asked_at"],
    }


@pytest.mark.parametrize("status", ["ringing", "answered"])
def test_a_call_without_news_is_asked_about_after_ten_minutes(world: World, status: str) -> None:
    call_id = str(world.call_in(status))
    world.move_clock(599)
    assert asked(world) == []

    world.move_clock(2)

    assert asked(world) == [call_id]


def test_a_call_past_its_longest_is_asked_about_even_if_there_was_news(world: World) -> None:
    call_id = world.call_in("answered")
    row = world.call(call_id)
    for _ in range(8):
        world.move_clock(459)
        world.tell(payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"])
        asked(world)
    assert world.call(call_id)["news_at"] > world.time(-10)

    world.move_clock(125)

    assert asked(world) == [str(call_id)]


@pytest.mark.parametrize("status", ["claimed", "dialing", "ended", "not_placed"])
def test_nobody_is_asked_about_a_call_that_is(world: World, status: str) -> None:
    world.call_in(status)
    world.move_clock(100_000)

    assert asked(world) == []


def test_questions_are_bounded_and_the_longest_unasked_come_first(world: World) -> None:
    world.processing(3)
    calls: list[str] = []
    for _ in range(3):
        call_id = world.dial(1)[0]
        world.settle(call_id, "unknown", reason="lost")
        calls.append(str(call_id))
        world.move_clock(1)
    world.move_clock(60)

    assert [asked(world, 1) for _ in range(4)] == [[calls[0]], [calls[1]], [calls[2]], []]


def test_only_the_asked_agencys_calls_are_named(world: World) -> None:
    other = World(world.connection)
    other.call_in("unknown")
    world.move_clock(100)

    assert asked(world) == []
    assert len(asked(other)) == 1


def test_an_active_agencys_account_is_read_every_ten_minutes(world: World) -> None:
    assert world.questions()["accounts"] == []
    world.processing(1)

    assert world.questions()["accounts"] == [str(world.agency.id)]
    assert world.questions()["accounts"] == []
    world.move_clock(601)
    assert world.questions()["accounts"] == [str(world.agency.id)]


@pytest.mark.parametrize("word", ["started", "joined", "ended"])
def test_a_call_that_is_found_is_adopted(world: World, word: str) -> None:
    call_id = world.call_in("unknown")
    told = payloads.answered(world.call(call_id))[word]

    assert world.answer(call_id, "found", told) == {"found": 1, "not_placed": 0}

    assert world.call(call_id)["status"] == {"started": "ringing", "joined": "answered", "ended": "ended"}[word]
    assert world.call(call_id)["ultravox_call_id"] == told["callId"]
    assert "adopted" in [event["event"] for event in world.events(call_id=call_id)]
    assert_sound(world.connection)


def test_one_none_is_not_enough_nor_are_two_too_close(world: World) -> None:
    call_id = world.call_in("unknown", contacts=2)

    for _ in range(3):
        assert world.none(call_id)["not_placed"] == 0
        world.move_clock(39)

    assert world.call(call_id)["status"] == "unknown"
    assert world.contact_of(call_id)["status"] == "in_progress"


def test_two_nones_two_minutes_apart_put_the_contact_back_uncounted(world: World) -> None:
    call_id = world.call_in("unknown", contacts=2)
    world.none(call_id)
    world.move_clock(121)

    assert world.none(call_id) == {"found": 0, "not_placed": 1}

    contact = world.contact_of(call_id)
    assert world.call(call_id)["status"] == "not_placed"
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert_sound(world.connection)


def test_two_nones_to_one_question_are_one(world: World) -> None:
    call_id = world.call_in("unknown")
    world.none(call_id)
    world.move_clock(121)

    assert world.answer(call_id, "none")["not_placed"] == 0

    assert world.call(call_id)["status"] == "unknown"


def test_a_none_that_answers_an_earlier_question_counts_for_nothing(world: World) -> None:
    call_id = world.call_in("unknown")
    world.none(call_id)
    before = world.call(call_id)["asked_at"]
    world.move_clock(121)
    world.set("calls", call_id, asked_at=world.time())

    assert world.answer(call_id, "none", asked_at=before)["not_placed"] == 0

    assert world.call(call_id)["status"] == "unknown"
    assert world.answer(call_id, "none")["not_placed"] == 1


def test_an_earlier_none_does_not_end_a_call_that_was_asked_about_since(world: World) -> None:
    call_id = world.call_in("ringing")

    world.answer(call_id, "none", asked_at=world.time(-5))

    assert world.call(call_id)["status"] == "ringing"


@pytest.mark.parametrize("status", ["unknown", "ringing"])
def test_news_that_comes_while_the_provider_is_asked_outweighs_its_none(world: World, status: str) -> None:
    call_id = world.call_in(status)
    world.move_clock(601)
    (question,) = world.questions()["calls"]
    row = world.call(call_id)
    told = payloads.answered(row, UUID(row["ultravox_call_id"]) if row["ultravox_call_id"] else None)
    world.tell(told["joined"])

    world.answer(call_id, "none", ultravox_call_id=question["ultravox_call_id"])

    assert world.call(call_id)["status"] == "answered"
    assert world.contact_of(call_id)["status"] == "in_progress"


def test_a_call_that_was_not_asked_for_by_its_id_is_not_ended_by_a_none_whatever_the_clock_did(world: World) -> None:
    call_id = world.call_in("unknown")
    world.move_clock(61)
    (question,) = world.questions()["calls"]
    world.move_clock(-3600)
    world.tell(payloads.answered(world.call(call_id))["joined"])

    world.answer(call_id, "none", ultravox_call_id=question["ultravox_call_id"])

    assert world.call(call_id)["status"] == "answered"


def test_after_a_first_none_the_next_question_waits_from_its_answer_on(world: World) -> None:
    call_id = world.call_in("unknown")
    world.move_clock(61)
    assert asked(world) == [str(call_id)]
    world.move_clock(30)  # so long did the look-up take
    world.answer(call_id, "none")

    world.move_clock(119)
    assert asked(world) == []
    world.move_clock(2)
    assert asked(world) == [str(call_id)]
    assert world.answer(call_id, "none")["not_placed"] == 1


def test_a_failed_look_up_between_two_nones_changes_nothing_but_the_trail(world: World) -> None:
    call_id = world.call_in("unknown")
    world.none(call_id)
    before = world.snapshot()

    assert world.answer(call_id, "failed", reason="GET /api/calls: 500") == {"found": 0, "not_placed": 0}

    after = world.snapshot()
    (written,) = [event for event in after.pop("call_events") if event not in before["call_events"]]
    assert (written["event"], written["reason"]) == ("asked", "GET /api/calls: 500")
    assert after.items() <= before.items()


def test_a_look_up_that_keeps_failing_is_written_down_once_per_reason(world: World) -> None:
    call_id = world.call_in("unknown")

    for reason in ("refused", "refused", "timed out", "timed out", "refused"):
        world.answer(call_id, "failed", reason=reason)

    assert [event["reason"] for event in world.events(event="asked")] == ["refused", "timed out", "refused"]


STRANGER = "0b54ea2c-6b50-4b2c-9b8a-1d6f6a7d1a2b"


@pytest.mark.parametrize(
    ("doubt", "reason"),
    [
        ({"deleted": [STRANGER]}, "A call was deleted at the provider that may be this one"),
        ({"deletes": True}, "The agent's calls delete themselves, so the provider cannot tell whether it was placed"),
    ],
    ids=["deleted", "deletes"],
)
def test_a_call_that_may_have_been_deleted_is_never_called_again(
    world: World, doubt: dict[str, Any], reason: str
) -> None:
    call_id = world.call_in("unknown")
    world.none(call_id, **doubt)
    assert world.call(call_id)["status"] == "unknown"
    world.move_clock(121)

    assert world.none(call_id, **doubt) == {"found": 0, "not_placed": 0}

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["status"], call["outcome"], call["reason"]) == ("ended", "unknown", reason)
    assert (contact["status"], contact["outcome"]) == ("failed", "unknown")
    assert contact["reason"] == "We could not learn what became of this call; it was not dialled again."
    assert world.claim() == []
    assert_sound(world.connection)


def test_deleted_calls_that_we_know_raise_no_doubt(world: World) -> None:
    world.processing(2)
    known, call_id = world.dial(2)
    world.settle(known, "accepted", ultravox_call_id=STRANGER)
    world.settle(call_id, "unknown", reason="lost")
    world.none(call_id, deleted=[STRANGER])
    world.move_clock(121)

    assert world.none(call_id, deleted=[STRANGER])["not_placed"] == 1


def test_another_agencys_row_of_a_deleted_call_explains_nothing(world: World) -> None:
    other = World(world.connection)
    other.accept([other.call_in("dialing")])
    theirs = other.all("calls")[0]["ultravox_call_id"]
    call_id = world.call_in("unknown")
    world.none(call_id)
    world.move_clock(121)

    assert world.none(call_id, deleted=[theirs])["not_placed"] == 0
    assert world.contact_of(call_id)["outcome"] == "unknown"


@pytest.mark.parametrize("status", ["ringing", "answered"])
def test_an_accepted_call_that_the_provider_no_longer_has_ends_as_unknown(world: World, status: str) -> None:
    call_id = world.call_in(status)

    world.none(call_id)

    contact = world.contact_of(call_id)
    assert (world.call(call_id)["status"], world.call(call_id)["outcome"]) == ("ended", "unknown")
    assert (contact["status"], contact["outcome"]) == ("failed", "unknown")
    assert world.batch(contact["batch_id"])["status"] == "completed"
    assert_sound(world.connection)


@pytest.mark.parametrize("answer", ["none", "failed"])
@pytest.mark.parametrize("status", ["claimed", "dialing", "ended", "not_placed"])
def test_an_answer_does_not_change_a_call_that_is(world: World, status: str, answer: str) -> None:
    call_id = world.call_in(status)
    before = world.snapshot()

    world.answer(call_id, answer)

    assert world.snapshot() == before


@pytest.mark.parametrize("status", CALL_STATES)
def test_answering_twice_changes_nothing_more(world: World, status: str) -> None:
    call_id = world.call_in(status)
    told = payloads.answered(world.call(call_id), UUID(world.call(call_id)["ultravox_call_id"] or str(call_id)))[
        "ended"
    ]
    world.answer(call_id, "found", told)
    before = world.snapshot()

    world.answer(call_id, "found", told)

    assert world.snapshot() == before


def test_none_of_a_call_of_a_cancelled_batch_skips_its_contact(world: World) -> None:
    call_id = world.call_in("unknown")
    world.cancel(UUID(world.call(call_id)["batch_id"]))
    world.none(call_id)
    world.move_clock(121)
    world.none(call_id)

    assert world.contact_of(call_id)["status"] == "skipped"
    assert_sound(world.connection)


def test_all_answers_of_a_round_are_recorded_at_once(world: World) -> None:
    other = World(world.connection)
    found, lost = world.call_in("unknown"), other.call_in("unknown")
    other.none(lost)
    world.move_clock(121)
    other.set("calls", lost, asked_at=other.time())

    answers = [
        {"call_id": str(found), "answer": "found", "call": payloads.answered(world.call(found))["ended"]},
        {"call_id": str(lost), "answer": "none", "asked_at": other.call(lost)["asked_at"]},
    ]
    counts = world.verb("record_answers", p_answers=answers, p_ask_again_seconds=120)

    assert counts == {"found": 1, "not_placed": 1}
    assert_sound(world.connection)


@pytest.mark.parametrize("unreadable", [{"joined": {}}, {"ended": {}}, {"joined": 7}])
def test_an_answer_that_cannot_be_read_keeps_no_other_agency_waiting(world: World, unreadable: dict[str, Any]) -> None:
    other = World(world.connection)
    spoilt, good = world.call_in("unknown"), other.call_in("unknown")
    calls = {
        spoilt: payloads.answered(world.call(spoilt))["ended"] | unreadable,
        good: payloads.answered(other.call(good))["ended"],
    }
    answers = [{"call_id": str(call_id), "answer": "found", "call": call} for call_id, call in calls.items()]

    counts = world.verb("record_answers", p_answers=answers, p_ask_again_seconds=120)

    assert counts == {"found": 1, "not_placed": 0}
    assert (world.call(spoilt)["status"], other.call(good)["status"]) == ("unknown", "ended")
    (event,) = world.events(event="asked")
    assert event["reason"].startswith("The provider's answer cannot be read: ")
    assert_sound(world.connection)
