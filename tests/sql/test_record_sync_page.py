"""A page of past calls: each call once, counters exact, and nothing written for what is known already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.factories import make_agent_mapping
from tests.sql import payloads
from tests.sql.checks import assert_sound, query
from tests.sql.importing import Import, past_calls
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sql.races import Race

Json = dict[str, Any]


def again(world: World, calls: list[Json]) -> tuple[int, ...]:
    """The counters of a new import of these calls."""
    job = Import.claimed(world)
    job.record(calls)
    return job.counters()


def versions(world: World) -> list[tuple[Any, ...]]:
    """Of every call's row the version: a write of any kind makes another."""
    return query(
        world.connection, "select id, xmin, ctid from public.calls where agency_id = %s order by id", world.agency.id
    )


def told(world: World, call_id: UUID) -> payloads.Payloads:
    """What the provider says of a call of ours."""
    row = world.call(call_id)
    return payloads.answered(row, UUID(row["ultravox_call_id"]) if row["ultravox_call_id"] else None)


def test_a_page_is_imported_and_the_next_follows_where_it_ended(world: World) -> None:
    job = Import.claimed(world)
    first, second = past_calls(5)[:3], past_calls(5)[3:]

    answer = job.record(first, then="more")
    assert (answer["mine"], answer["cursor"], answer["imported"]) == (True, "more", 3)
    answer = job.record(second, at="more")
    assert (answer["mine"], answer["status"], answer["cursor"]) == (False, "completed", None)

    assert job.counters() == (5, 5, 0, 0, 0)
    stored = {row["ultravox_call_id"]: row for row in world.all("calls")}
    assert stored.keys() == {call["callId"] for call in first + second}
    row = stored[first[0]["callId"]]
    assert (row["status"], row["outcome"], row["duration_seconds"], row["contact_id"]) == (
        "ended",
        "answered",
        42,
        None,
    )
    assert (row["billed_duration_seconds"], row["short_summary"]) == (48, "They talked.")
    assert row["raw"] == first[0]


def test_the_set_and_the_single_call_make_the_same_row(world: World) -> None:
    agent = make_agent_mapping(world.connection, world.agency.id, ultravox_agent_id="agent-7")
    call = past_calls(1)[0] | {"agent": {"agentId": "agent-7", "name": "A"}}
    other = World(world.connection)
    make_agent_mapping(world.connection, other.agency.id, ultravox_agent_id="agent-7")
    again(world, [call])
    other.tell(call)

    own = {"id", "agency_id", "agent_mapping_id"}
    (ours,), (theirs,) = world.all("calls"), other.all("calls")
    assert {k: v for k, v in ours.items() if k not in own} == {k: v for k, v in theirs.items() if k not in own}
    assert ours["agent_mapping_id"] == str(agent)


def test_the_same_page_again_changes_nothing(world: World) -> None:
    job = Import.claimed(world)
    page = past_calls(3)
    job.record(page, then="more")
    before = world.snapshot()

    answer = job.record(page, then="more")

    assert (answer["mine"], answer["cursor"]) == (True, "more")
    assert world.snapshot() == before


def test_a_second_import_of_the_same_calls_writes_no_row(world: World) -> None:
    page = past_calls(20)
    assert again(world, page) == (20, 20, 0, 0, 0)
    before = versions(world)

    assert again(world, page) == (20, 0, 0, 20, 0)

    assert versions(world) == before


def test_a_call_that_has_changed_since_is_updated_and_counted_as_such(world: World) -> None:
    page = past_calls(3)
    page[1] |= {"ended": None, "endReason": None, "billingStatus": "BILLING_STATUS_PENDING", "billedDuration": None}
    page[2] |= {"billingStatus": "BILLING_STATUS_PENDING", "billedDuration": None, "shortSummary": None}
    again(world, page)

    now = [page[0], *({**new, "callId": old["callId"]} for old, new in zip(page[1:], past_calls(3)[1:], strict=True))]
    assert again(world, now) == (3, 0, 2, 1, 0)

    rows = {row["ultravox_call_id"]: row for row in world.all("calls")}
    assert {row["status"] for row in rows.values()} == {"ended"}
    assert {row["billed_duration_seconds"] for row in rows.values()} == {48}


def test_a_page_that_names_a_call_twice_stores_it_once(world: World) -> None:
    (call,) = past_calls(1)

    assert again(world, [call, call]) == (2, 1, 0, 1, 0)
    assert len(world.all("calls")) == 1


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"created": "yesterday", "metadata": ["not", "a", "map"]}, "'yesterday' is no time"),
        ({"ended": "2026-02-31T00:00:00Z"}, "date/time field value out of range"),
        ({"callId": "call-7"}, "callId is no UUID"),
        ({"callId": None}, "callId is no UUID"),
        ({"billedDuration": "99999999999999999999s"}, "out of range"),
    ],
    ids=["created", "ended", "callId", "no callId", "billedDuration"],
)
def test_a_malformed_call_is_noted_with_its_id_and_the_page_goes_on(world: World, broken: Json, reason: str) -> None:
    page = past_calls(4)
    page[2] |= broken
    job = Import.claimed(world)

    job.record(page)

    assert job.counters() == (4, 3, 0, 0, 1)
    ((call_id, why),) = job.failures()
    assert call_id == page[2]["callId"]
    assert reason in why
    assert len(world.all("calls")) == 3


def test_what_is_no_call_at_all_is_noted_too(world: World) -> None:
    job = Import.claimed(world)

    job.record([*past_calls(1), None, 7, "call", []])

    assert job.counters() == (5, 1, 0, 0, 4)
    assert {call_id for call_id, _ in job.failures()} == {None}


def test_a_known_call_that_comes_back_malformed_stays_as_it_was(world: World) -> None:
    page = past_calls(2)
    again(world, page)
    before = versions(world)

    assert again(world, [page[0], page[1] | {"joined": "soon"}]) == (2, 0, 0, 1, 1)
    assert versions(world) == before


def test_values_and_fields_that_nobody_knows_are_kept(world: World) -> None:
    (call,) = past_calls(1)
    call |= {"endReason": "abducted", "billingStatus": "BILLING_STATUS_BARTERED", "mood": {"level": 7}}

    again(world, [call])

    (row,) = world.all("calls")
    assert (row["end_reason"], row["billing_status"]) == ("abducted", "BILLING_STATUS_BARTERED")
    assert row["raw"]["mood"] == {"level": 7}


def test_a_call_of_early_2025_is_imported_with_what_it_has(world: World) -> None:
    call = {"callId": str(uuid4()), "created": "2025-02-03T04:05:06.789Z", "ended": "2025-02-03T04:06:06.789Z"}

    assert again(world, [call]) == (1, 1, 0, 0, 0)
    assert again(world, [call]) == (1, 0, 0, 1, 0)
    (row,) = world.all("calls")
    assert (row["status"], row["outcome"]) == ("ended", "no_answer")


# --- calls of ours


@pytest.mark.parametrize("status", ["dialing", "unknown", "ringing", "answered"])
def test_a_call_of_ours_is_completed_and_never_stored_twice(world: World, status: str) -> None:
    call_id = world.call_in(status)
    words = told(world, call_id)

    assert again(world, [*past_calls(2), words["billed"]]) == (3, 2, 1, 0, 0)

    row = world.call(call_id)
    assert (row["status"], row["outcome"], row["billed_duration_seconds"]) == ("ended", "answered", 48)
    assert len(world.all("calls")) == 3
    assert world.contact_of(call_id)["status"] == "completed"
    assert_sound(world.connection)


def test_a_call_that_the_webhook_has_told_all_about_is_not_touched(world: World) -> None:
    call_id = world.call_in("ringing")
    words = told(world, call_id)
    for word in payloads.ROUND:
        world.tell(words[word])
    before, rows = world.snapshot()["calls"], versions(world)

    assert again(world, [words["billed"]]) == (1, 0, 0, 1, 0)
    assert again(world, [words["ended"]]) == (1, 0, 0, 1, 0)

    assert (world.snapshot()["calls"], versions(world)) == (before, rows)


def test_what_a_batch_knows_is_filled_in_and_not_overwritten(world: World) -> None:
    call_id = world.call_in("ringing")
    words = told(world, call_id)
    world.tell(words["ended"] | {"shortSummary": "Ours."})

    assert again(world, [words["billed"]]) == (1, 0, 1, 0, 0)

    row = world.call(call_id)
    assert (row["short_summary"], row["billing_status"]) == ("Ours.", "BILLING_STATUS_BILLED")
    assert [event["event"] for event in world.events(call_id=call_id)].count("ended") == 1


def test_a_call_that_was_given_up_lives_again(world: World) -> None:
    call_id = world.call_in("not_placed")

    assert again(world, [told(world, call_id)["joined"]]) == (1, 0, 1, 0, 0)

    assert world.call(call_id)["status"] == "answered"
    assert_sound(world.connection)


def test_another_agencys_call_id_in_a_payload_changes_nothing_there(world: World) -> None:
    theirs = World(world.connection)
    call_id = theirs.call_in("ringing")
    stolen = told(theirs, call_id)["billed"]
    before = theirs.snapshot()

    assert again(world, [stolen]) == (1, 1, 0, 0, 0)

    assert theirs.snapshot() == before
    assert [row["contact_id"] for row in world.all("calls")] == [None]


def test_our_call_id_with_another_contact_is_a_strangers_call(world: World) -> None:
    call_id = world.call_in("dialing")
    word = told(world, call_id)["billed"]
    word["metadata"] |= {"contact_id": str(uuid4())}

    assert again(world, [word]) == (1, 1, 0, 0, 0)
    assert world.call(call_id)["status"] == "dialing"


def test_a_page_takes_the_locks_of_all_its_batches_before_the_first_call(
    ours: World, theirs: World, race: Callable[[World, Callable[[], object]], Race[Any]]
) -> None:
    calls = [ours.call_in("ringing"), ours.call_in("ringing")]
    words = [told(ours, call_id)["billed"] for call_id in calls]
    batch_ids = sorted(ours.call(call_id)["batch_id"] for call_id in calls)
    words.sort(key=lambda word: word["metadata"]["batch_id"], reverse=True)
    job = Import(theirs)
    assert job.claim()

    with ours.connection.transaction():
        ours.connection.execute("select from public.call_batches where id = %s for update", [batch_ids[0]])
        page = race(theirs, lambda: job.record(words))
        page.wait_until_blocked()
        # It waits for the first batch and holds no other: this would be a deadlock otherwise.
        ours.connection.execute("select from public.call_batches where id = %s for update nowait", [batch_ids[1]])

    assert page.result()["updated"] == 2
    assert_sound(ours.connection)
