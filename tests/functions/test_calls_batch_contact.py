"""Why was, or wasn't, this person called: the contact with its trail, as its agency reads it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.calling import call
from tests.sql.world import World

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories import Connection


def fetch(token: str, contact_id: UUID | str) -> Any:
    reply = call("calls-batch-contact", token, query={"contact_id": contact_id})
    assert reply.status == 200, reply.text
    return reply.body


def test_every_decision_about_a_person_is_told_with_time_rule_and_who(owner: str, member: str, world: World) -> None:
    call_id = world.call_in("ringing")
    contact_id, batch_id = world.call(call_id)["contact_id"], world.call(call_id)["batch_id"]
    world.finish(call_id)
    world.pause(batch_id)

    told = fetch(member, contact_id)

    assert told == fetch(owner, contact_id) | {"now": told["now"], "why": told["why"]}
    events = [(event["event"], event["of_contact"]) for event in told["events"]]
    assert events[:2] == [("created", False), ("started", False)]
    assert {("claimed", True), ("begun", True), ("accepted", True), ("ended", True)} <= set(events)
    assert told["events"][0]["actor"] == str(world.agency.owner)
    times = [event["at"] for event in told["events"]]
    assert all(first[:19] <= second[:19] for first, second in itertools.pairwise(times))
    (placed,) = told["calls"]
    assert (placed["id"], placed["status"], placed["attempt"]) == (str(call_id), "ended", 1)
    assert told["contact"]["batch_id"] == told["batch"]["id"] == batch_id


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("draft", "Waits: its batch is a draft, and nobody has sent it off yet."),
        ("pending", "Waits for its batch, which the next run of the processor starts."),
        ("paused", "Waits: its batch is paused, until somebody resumes it."),
        (
            "processing",
            "Queued: attempt 1 of 3 comes as soon as pace, concurrency and the calls before it leave a place.",
        ),
    ],
)
def test_who_waits_is_told_for_what(owner: str, world: World, state: str, why: str) -> None:
    contact = world.contacts(world.batch_in(state))[0]

    assert fetch(owner, contact["id"])["why"] == why


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("claimed", "A worker has taken it"),
        ("dialing", "The provider is being asked to place the call, since"),
        ("unknown", "The provider may have placed the call or not: it is being asked."),
        ("ringing", "Ringing since"),
        ("answered", "Talking since"),
    ],
)
def test_who_is_being_called_is_told_how_far_it_is(owner: str, world: World, status: str, why: str) -> None:
    contact_id = world.call(world.call_in(status))["contact_id"]

    assert fetch(owner, contact_id)["why"].startswith(why)


def test_who_sleeps_is_told_where_and_until_when(owner: str, world: World) -> None:
    in_an_hour = world.time(3600)
    batch_id = world.processing(
        [{"phone_number": "+12125550123", "time_zones": ["America/New_York"]}],
        calling_hours={"timezone": "recipient", "weekly": {"mon": [["08:00", "21:00"]]}},
    )
    world.connection.execute(
        "update public.call_batch_zones set opens_at = %s, closes_at = 'infinity' where batch_id = %s",
        [in_an_hour, batch_id],
    )

    told = fetch(owner, world.contacts(batch_id)[0]["id"])

    assert told["contact"]["hours"]["time_zones"] == ["America/New_York"]
    assert told["why"].startswith("Queued: calling hours begin in ")
    assert told["why"].endswith(" in America/New_York; attempt 1 of 3 comes no sooner.")


def test_another_agencys_contact_reads_as_one_that_does_not_exist(owner: str, db: Connection) -> None:
    theirs = World(db)
    contact_id = theirs.contacts(theirs.create())[0]["id"]

    for asked in (contact_id, uuid4()):
        reply = call("calls-batch-contact", owner, query={"contact_id": asked})
        assert reply.error == (404, "Contact not found or does not belong to the user's agency")
        assert reply.body["code"] == "contact_not_found"
