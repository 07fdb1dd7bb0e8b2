"""Which calls the provider is asked about, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound
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
    row = world.call(call_id)

    question = world.questions()["calls"][0]

    assert {key: question[key] for key in ("call_id", "agency_id", "contact_id", "ultravox_call_id")} == {
        "call_id": row["id"],
        "agency_id": row["agency_id"],
        "contact_id": row["contact_id"],
        "ultravox_call_id": row["ultravox_call_id"],
    }
    assert question["began_at"].endswith("Z")


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
        assert world.answer(call_id, "none")["not_placed"] == 0
        world.move_clock(39)

    assert world.call(call_id)["status"] == "unknown"
    assert world.contact_of(call_id)["status"] == "in_progress"


def test_two_nones_two_minutes_apart_put_the_contact_back_uncounted(world: World) -> None:
    call_id = world.call_in("unknown", contacts=2)
    world.answer(call_id, "none")
    world.move_clock(121)

    assert world.answer(call_id, "none") == {"found": 0, "not_placed": 1}

    contact = world.contact_of(call_id)
    assert world.call(call_id)["status"] == "not_placed"
    assert (contact["status"], contact["attempts"]) == ("queued", 0)
    assert_sound(world.connection)


def test_a_failed_look_up_between_two_nones_changes_nothing(world: World) -> None:
    call_id = world.call_in("unknown")
    world.answer(call_id, "none")
    before = world.snapshot()

    assert world.answer(call_id, "failed") == {"found": 0, "not_placed": 0}

    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["ringing", "answered"])
def test_an_accepted_call_that_the_provider_no_longer_has_ends_as_unknown(world: World, status: str) -> None:
    call_id = world.call_in(status)

    world.answer(call_id, "none")

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
    world.answer(call_id, "none")
    world.move_clock(121)
    world.answer(call_id, "none")

    assert world.contact_of(call_id)["status"] == "skipped"
    assert_sound(world.connection)


def test_all_answers_of_a_round_are_recorded_at_once(world: World) -> None:
    other = World(world.connection)
    found, lost = world.call_in("unknown"), other.call_in("unknown")
    world.answer(lost, "none")
    world.move_clock(121)

    answers = [
        {"call_id": str(found), "answer": "found", "call": payloads.answered(world.call(found))["ended"]},
        {"call_id": str(lost), "answer": "none"},
    ]
    counts = world.verb("record_answers", p_answers=answers, p_ask_again_seconds=120)

    assert counts == {"found": 1, "not_placed": 1}
    assert_sound(world.connection)
