"""What the provider says of a call means the same in whatever order, and however often, it is said."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.sql import payloads
from tests.sql.checks import assert_sound
from tests.sql.world import World

if TYPE_CHECKING:
    from tests.sql.payloads import Payloads

    Json = dict[str, Any]

WHEN_WE_HEARD = {"news_at", "accepted_at", "reason_at", "completed_at", "claimed_at", "created_at", "started_at"}


def rows_but_for_times(world: World, call_id: UUID, batch_id: UUID) -> dict[str, Json]:
    rows = {"call": world.call(call_id), "contact": world.contact_of(call_id), "batch": world.batch(batch_id)}
    unequal = WHEN_WE_HEARD | {"next_attempt_at"}
    return {name: {key: value for key, value in row.items() if key not in unequal} for name, row in rows.items()}


def tell_in_order(world: World, call_id: UUID, told: Payloads, order: tuple[str, ...]) -> None:
    for word in order:
        if word == "201":
            world.settle(call_id, "accepted", ultravox_call_id=told["started"]["callId"])
        else:
            world.verb("ingest_event", p_agency_id=world.agency.id, p_event=f"call.{word}", p_call=told[word])
        assert_sound(world.connection)


@pytest.mark.parametrize("sip", [None, "BUSY", "REJECTED"], ids=["no_answer", "busy", "rejected"])
def test_every_order_of_an_unanswered_call_gives_the_same_rows(world: World, sip: str | None) -> None:
    batch_id = world.processing(2)
    call_id = world.dial(1)[0]
    told = payloads.unanswered(world.call(call_id), sip=sip)

    seen: list[object] = []
    for order in permutations(("201", *told)):
        with world.connection.transaction(force_rollback=True):
            tell_in_order(world, call_id, told, order)
            seen.append(rows_but_for_times(world, call_id, batch_id))

    assert all(rows == seen[0] for rows in seen)
    assert world.call(call_id)["status"] == "dialing"


@pytest.mark.parametrize(("status", "talk_seconds"), [("dialing", 42.0), ("unknown", 600.4)])
def test_every_order_of_an_answered_call_gives_the_same_rows(world: World, status: str, talk_seconds: float) -> None:
    call_id = world.call_in(status, contacts=2)
    batch_id = UUID(world.call(call_id)["batch_id"])
    told = payloads.answered(world.call(call_id), talk_seconds=talk_seconds)

    seen: list[dict[str, Json]] = []
    for order in permutations(("201", *payloads.ROUND)):
        with world.connection.transaction(force_rollback=True):
            tell_in_order(world, call_id, told, order)
            seen.append(rows_but_for_times(world, call_id, batch_id))

    assert all(rows == seen[0] for rows in seen)
    call, contact = seen[0]["call"], seen[0]["contact"]
    assert (call["status"], call["outcome"], call["end_reason"]) == ("ended", "answered", "hangup")
    assert (call["billing_status"], call["billed_duration_seconds"]) == ("BILLING_STATUS_BILLED", 48)
    assert (call["short_summary"], call["raw"]) == ("They talked.", told["billed"])
    assert (contact["status"], contact["outcome"], contact["attempts"]) == ("completed", "answered", 1)
    assert contact["duration_seconds"] == call["duration_seconds"] == round(talk_seconds)


def test_repeats_in_any_order_give_the_same_rows(world: World) -> None:
    batch_id = world.processing(2)
    call_id = world.dial(1)[0]
    told = payloads.answered(world.call(call_id))
    dice = Random(1)  # noqa: S311

    seen: list[object] = []
    for _ in range(40):
        words = ["201", *payloads.ROUND, *dice.choices(["201", *payloads.ROUND], k=6)]
        dice.shuffle(words)
        with world.connection.transaction(force_rollback=True):
            tell_in_order(world, call_id, told, tuple(words))
            seen.append(rows_but_for_times(world, call_id, batch_id))

    assert all(rows == seen[0] for rows in seen)


@pytest.mark.parametrize("word", ["ended", "billed"])
def test_one_word_of_the_end_is_enough(world: World, word: str) -> None:
    call_id = world.call_in("dialing")

    assert world.tell(payloads.answered(world.call(call_id))[word]) == "applied"

    assert world.contact_of(call_id)["status"] == "completed"
    assert world.batch(world.call(call_id)["batch_id"])["status"] == "completed"


@pytest.mark.parametrize("word", payloads.ROUND)
def test_saying_it_again_changes_nothing_but_the_time_of_the_last_news(world: World, word: str) -> None:
    call_id = world.call_in("dialing", contacts=2)
    told = payloads.answered(world.call(call_id))[word]
    world.tell(told)
    before = world.snapshot()

    assert world.tell(told) == "unchanged"

    after = world.snapshot()
    for call in (*before["calls"], *after["calls"]):
        call.pop("news_at")
    assert after == before


OUTCOMES = [
    ("no_answer", "unjoined", None, None, "queued"),
    ("busy", "unjoined", None, "BUSY", "queued"),
    ("invalid_number", "unjoined", None, "INVALID_NUMBER", "failed"),
    ("rejected", "unjoined", None, "REJECTED", "failed"),
    ("no_answer", "unjoined", None, "TIMEOUT", "queued"),
    ("no_answer", "unjoined", None, "DESTINATION_UNAVAILABLE", "queued"),
    ("error", "connection_error", None, None, "queued"),
    ("error", "system_error", None, "BUSY", "queued"),
    ("answered", "hangup", 3, None, "completed"),
    ("answered", "agent_hangup", 40, None, "completed"),
    ("answered", "timeout", 600, "NORMAL", "completed"),
    ("answered", "something_new", 40, None, "completed"),
    ("dropped", "connection_error", 9.9, None, "queued"),
    ("answered", "connection_error", 10, None, "completed"),
    ("dropped", "system_error", 0, None, "queued"),
    ("answered", "system_error", 11, None, "completed"),
]


@pytest.mark.parametrize(("outcome", "end_reason", "talk", "sip", "contact_status"), OUTCOMES)
def test_how_a_call_ended_decides_about_its_contact(
    world: World, outcome: str, end_reason: str, talk: float | None, sip: str | None, contact_status: str
) -> None:
    call_id = world.call_in("dialing")
    row = world.call(call_id)
    told = payloads.unanswered(row) if talk is None else payloads.answered(row, talk_seconds=talk)
    details = {"sipDetails": {"terminationReason": f"SIP_TERMINATION_{sip}"}} if sip else {"sipDetails": None}

    world.tell(told["ended"] | details | {"endReason": end_reason})

    call, contact = world.call(call_id), world.contact_of(call_id)
    assert (call["outcome"], call["end_reason"]) == (outcome, end_reason)
    assert (contact["status"], contact["outcome"], contact["attempts"]) == (contact_status, outcome, 1)
    assert_sound(world.connection)


def test_a_joined_call_is_answered_and_its_contact_stays_in_progress(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)

    world.tell(payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"])

    call = world.call(call_id)
    assert (call["status"], call["joined_at"] is not None) == ("answered", True)
    assert world.contact_of(call_id)["status"] == "in_progress"
    assert [event["event"] for event in world.events(call_id=call_id)][-1] == "answered"


def test_a_sparse_call_of_an_early_year_is_understood(world: World) -> None:
    call_id = world.call_in("dialing")
    row = world.call(call_id)
    known = {"callId": str(uuid4()), "metadata": {"call_id": row["id"], "contact_id": row["contact_id"]}}

    assert world.tell(known | {"ended": row["began_at"]}) == "applied"

    assert world.call(call_id)["outcome"] == "no_answer"


@pytest.mark.parametrize("number", ["call_id", "contact_id"])
def test_metadata_that_does_not_fit_together_reaches_no_call_of_ours(world: World, number: str) -> None:
    call_id = world.call_in("dialing")
    told = payloads.answered(world.call(call_id))["ended"]
    told["metadata"][number] = str(uuid4())
    before = world.call(call_id)

    assert world.tell(told) == "imported"

    assert world.call(call_id) == before


@pytest.mark.parametrize("nonsense", ["", "null", "call-7", "{}", "x" * 300, "11111111-1111-1111-1111-11111111111g"])
def test_metadata_that_is_not_ours_is_no_error(world: World, nonsense: str) -> None:
    stranger = {"callId": str(uuid4()), "created": world.time(), "metadata": {"call_id": nonsense, "contact_id": "7"}}

    assert world.tell(stranger) == "imported"


def test_our_own_id_in_the_metadata_wins_over_the_providers(world: World) -> None:
    ringing = world.call_in("ringing", contacts=2)
    dialing = world.dial(1)[0]
    told = payloads.answered(world.call(dialing))["joined"]

    world.tell(told)

    assert (world.call(dialing)["status"], world.call(ringing)["status"]) == ("answered", "ringing")


def test_a_call_without_metadata_is_known_by_the_providers_id(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    told = payloads.answered(row, UUID(row["ultravox_call_id"]))["ended"]
    told["metadata"] = {}

    assert world.tell(told) == "applied"

    assert world.contact_of(call_id)["status"] == "completed"


def test_another_agencys_word_never_reaches_our_call(world: World) -> None:
    other = World(world.connection)
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    before = world.snapshot()

    assert other.tell(payloads.answered(row, UUID(row["ultravox_call_id"]))["ended"]) == "imported"

    assert world.snapshot() == before
