"""contact_trail and contacts_of: one contact, its calls and every decision about it; and an event for each decision."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.factories import make_user
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from tests.sql.world import Json


def trail(world: World, contact_id: UUID | str, agency_id: UUID | None = None) -> Json:
    return world.verb("contact_trail", p_contact_id=contact_id, p_agency_id=agency_id)


def told(world: World, contact_id: UUID | str) -> list[str]:
    return [event["event"] for event in trail(world, contact_id)["events"]]


def first(world: World, batch_id: UUID) -> str:
    return world.contacts(batch_id)[0]["id"]


def test_every_step_of_a_contact_that_is_called_twice_is_in_its_trail(world: World) -> None:
    batch_id = world.processing(1)
    world.finish(world.ringing())
    world.move_clock(3600)
    world.finish(world.ringing(), talk_seconds=42)

    call = ["claimed", "begun", "accepted", "ended"]
    assert told(world, first(world, batch_id)) == [
        "created",
        "started",
        *call,
        "requeued",
        *call,
        "completed",
        "completed",
    ]


def test_a_trail_has_the_contact_its_batch_and_its_calls_in_order(world: World) -> None:
    batch_id = world.processing(1, name="Spring")
    world.finish(world.ringing())
    found = trail(world, first(world, batch_id))

    assert (found["contact"]["status"], found["contact"]["attempts"]) == ("queued", 1)
    assert (found["contact"]["batch_id"], found["contact"]["agency_id"]) == (str(batch_id), str(world.agency.id))
    assert (found["batch"]["name"], found["batch"]["status"]) == ("Spring", "processing")
    [call] = found["calls"]
    assert (call["status"], call["outcome"], call["attempt"]) == ("ended", "no_answer", 1)
    assert call["claimed_at"] <= call["began_at"] <= call["accepted_at"] <= found["now"]


def test_a_requeued_contact_is_told_until_when(world: World) -> None:
    batch_id = world.processing(1)
    world.finish(world.ringing())
    [requeued] = [event for event in trail(world, first(world, batch_id))["events"] if event["event"] == "requeued"]

    assert requeued["detail"] == {"until": world.contacts(batch_id)[0]["next_attempt_at"].replace("+00:00", "Z")}
    assert (requeued["reason"], requeued["actor"], requeued["of_contact"]) == ("No answer", None, True)


def test_who_paused_resumed_and_cancelled_is_in_the_trail_of_each_contact(world: World) -> None:
    batch_id = world.processing(2)
    world.pause(batch_id, world.agency.admin)
    world.resume(batch_id, world.agency.owner)
    world.cancel(batch_id, world.agency.admin)

    for contact in world.contacts(batch_id):
        events = {event["event"]: event for event in trail(world, contact["id"])["events"]}
        assert events["paused"]["actor"] == events["cancelled"]["actor"] == f"{world.agency.admin}@batchline.test"
        assert events["resumed"]["actor"] == f"{world.agency.owner}@batchline.test"
        assert events["paused"]["of_contact"] is False


def test_what_the_provider_told_is_in_the_trail_without_its_payload(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    payload = {
        "callId": row["ultravox_call_id"],
        "created": world.time(),
        "ended": world.time(),
        "endReason": "unjoined",
        "metadata": {"call_id": str(call_id), "contact_id": row["contact_id"]},
    }
    world.verb("ingest_event", p_agency_id=world.agency.id, p_event="call.ended", p_call=payload)

    event = trail(world, row["contact_id"])["events"][-1]
    assert (event["event"], event["reason"]) == ("call.ended", "unjoined")
    assert event["detail"] == {"ultravox_call_id": row["ultravox_call_id"]}
    assert event.keys() == {"id", "at", "event", "reason", "detail", "of_contact", "call_id", "actor"}


def test_other_contacts_of_the_batch_are_not_in_the_trail(world: World) -> None:
    batch_id = world.processing(3)
    world.dial()
    one, *_ = world.contacts(batch_id)

    assert told(world, one["id"]) == ["created", "started", "claimed", "begun"]
    assert [call["id"] for call in trail(world, one["id"])["calls"]] == [one["call_id"]]


def test_a_trail_is_shown_to_its_own_agency_alone(world: World) -> None:
    contact_id = first(world, world.create(1))

    assert trail(world, contact_id, world.agency.id)["contact"]["id"] == contact_id
    assert trail(world, contact_id, World(world.connection).agency.id) is None
    assert trail(world, uuid4()) is None


# --- an event for each contact that is skipped


def skipped(world: World, contact_id: str) -> list[str]:
    return [event["reason"] for event in trail(world, contact_id)["events"] if event["event"] == "skipped"]


@pytest.mark.parametrize("start", [False, True], ids=["pending", "queued"])
def test_cancelling_leaves_an_event_for_each_contact_that_waited(world: World, start: bool) -> None:
    batch_id = world.processing(3) if start else world.create(3)
    world.cancel(batch_id)

    for contact in world.contacts(batch_id):
        assert skipped(world, contact["id"]) == ["Batch cancelled"]
        [event] = world.events(event="skipped", contact_id=contact["id"])
        assert (event["batch_id"], event["at"]) == (str(batch_id), contact["reason_at"])


def test_a_contact_that_is_being_called_or_done_with_is_not_skipped_by_cancelling(world: World) -> None:
    batch_id = world.processing(3)
    world.finish(world.ringing(), talk_seconds=42)
    world.ringing()
    done, called, waiting = world.contacts(batch_id)
    world.cancel(batch_id)

    assert [skipped(world, one["id"]) for one in (done, called, waiting)] == [[], [], ["Batch cancelled"]]


def test_a_claimed_call_that_cancelling_releases_leaves_one_skip(world: World) -> None:
    batch_id = world.processing(1)
    world.claim()
    world.cancel(batch_id)

    assert told(world, first(world, batch_id)) == ["created", "started", "claimed", "cancelled", "released", "skipped"]


def test_a_batch_that_fails_tells_each_contact_why(world: World) -> None:
    batch_id = world.processing(2)
    world.settle(world.dial(1)[0], "agent_gone", reason="The agent is gone")

    for contact in world.contacts(batch_id):
        assert skipped(world, contact["id"]) == ["Batch failed: The agent is gone"]


def test_a_number_on_the_list_is_skipped_at_creation_with_an_event(world: World, forbid: Callable[[str], None]) -> None:
    allowed, forbidden = world.numbers(2)
    forbid(forbidden)
    batch_id = world.create([allowed, forbidden])
    one, other = world.contacts(batch_id)

    assert told(world, one["id"]) == ["created"]
    assert told(world, other["id"]) == ["created", "skipped"]
    assert skipped(world, other["id"]) == ["On the do-not-call list"]


def test_cancelling_again_adds_nothing(world: World) -> None:
    batch_id = world.create(2)
    world.cancel(batch_id)
    before = world.snapshot()

    with pytest.raises(psycopg.Error):
        world.cancel(batch_id)

    assert world.snapshot() == before


# --- who is meant


def of(world: World, **arguments: object) -> list[str]:
    return world.verb("contacts_of", **arguments)


def test_a_contact_is_found_by_its_id_its_calls_and_its_number(world: World) -> None:
    batch_id = world.processing(2)
    call_id = world.dial()[0]
    contact = world.contact_of(call_id)

    assert of(world, p_id=UUID(contact["id"])) == [contact["id"]]
    assert of(world, p_id=call_id) == [contact["id"]]
    assert of(world, p_phone_number=contact["phone_number"], p_agency_id=world.agency.id) == [contact["id"]]
    assert of(world, p_id=batch_id) == []


def test_a_number_is_found_in_every_batch_newest_first_and_bounded(world: World) -> None:
    [number] = world.numbers(1)
    batches = [world.create([number, *world.numbers(2)]) for _ in range(3)]
    newest = [first(world, batch_id) for batch_id in reversed(batches)]

    assert of(world, p_phone_number=number, p_agency_id=world.agency.id) == newest
    assert of(world, p_phone_number=number, p_agency_id=world.agency.id, p_limit=2) == newest[:2]


def test_another_agencys_contacts_are_found_only_where_no_agency_is_named(world: World) -> None:
    other = World(world.connection)
    [number] = world.numbers(1)
    theirs = first(other, other.create([number]))

    assert of(world, p_phone_number=number, p_agency_id=world.agency.id) == []
    assert of(world, p_id=UUID(theirs), p_agency_id=world.agency.id) == []
    assert of(world, p_phone_number=number) == [theirs]


# --- append-only


def as_service(world: World, statement: LiteralString, *arguments: object) -> None:
    with world.connection.transaction():
        world.connection.execute("set local role service_role")
        world.connection.execute(statement, arguments)
        world.connection.execute("set local role none")


@pytest.mark.parametrize(
    "statement",
    ["update public.call_events set reason = 'x'", "delete from public.call_events", "truncate public.call_events"],
    ids=lambda statement: statement.split()[0],
)
def test_not_even_the_service_changes_what_was_written(world: World, statement: LiteralString) -> None:
    world.processing(1)
    before = world.events()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_service(world, statement)

    assert world.events() == before


def test_a_person_who_is_deleted_leaves_the_events_without_a_name(world: World) -> None:
    owner = make_user(world.connection, world.agency.id)
    batch_id = world.create(1, user_id=owner)
    as_service(world, "delete from public.users where id = %s", owner)

    [created] = trail(world, first(world, batch_id))["events"]
    assert (created["event"], created["actor"]) == ("created", None)
