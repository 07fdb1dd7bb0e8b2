from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.calling import call
from tests.factories import batch_body, fictional_numbers, forbid_number, insert, make_agency, make_agent_mapping

if TYPE_CHECKING:
    from tests.calling import Reply
    from tests.factories import Agency, Connection
    from tests.sql.world import World

A_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def create(token: str, body: object) -> Reply:
    return call("calls-batch-create", token, body=body)


def nothing_stored(db: Connection, agency: Agency) -> bool:
    row = db.execute("select count(*) from public.call_batches where agency_id = %s", [agency.id]).fetchone()
    return row == (0,)


def test_the_answer_has_every_field(owner: str, agency: Agency) -> None:
    reply = create(owner, batch_body(agency, name="January"))

    assert reply.status == 201
    made = reply.body
    assert A_TIME.fullmatch(made.pop("created_at"))
    assert made.pop("batch_id")
    assert made.pop("forecast")["limited_by"]
    assert made == {
        "status": "pending",
        "total_contacts": 3,
        "duplicates_removed": 0,
        "skipped": 0,
        "agent_mapping_id": str(agency.agent_mapping_id),
        "agent_name": "Sales Agent",
        "campaign_id": str(agency.campaign_id),
        "campaign_name": "Q1 Outreach",
        "from_number": agency.from_number,
        "calls_per_minute": 30,
        "max_concurrent": 10,
        "scheduled_for": None,
    }


def test_what_was_sent_is_what_is_stored(owner: str, world: World) -> None:
    person = {
        "phone_number": "+1 (213) 555-0123",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.com",
        "company": "Analytical Engines",
        "title": "Countess",
        "timezone": "Europe/London",
        "custom_data": {"plan": "pro", "seats": [1, 2.5, None, True], "note": "naïve 😀"},
        "max_attempts": 5,
    }
    retry = {"max_attempts": 2, "delay_minutes": 0.5, "growth": 1, "on": ["busy"]}

    made = create(owner, batch_body(world.agency, [person], name="January", retry=retry)).body

    (contact,) = world.contacts(made["batch_id"])
    assert {name: contact[name] for name in person} == {**person, "phone_number": "+12135550123"}
    batch = world.batch(made["batch_id"])
    assert (batch["name"], batch["retry"], batch["created_by"]) == ("January", retry, str(world.agency.owner))


def test_contacts_keep_the_order_of_the_list(owner: str, world: World) -> None:
    numbers = list(reversed(fictional_numbers(20)))

    made = create(owner, batch_body(world.agency, [{"phone_number": number} for number in numbers])).body

    assert [contact["phone_number"] for contact in world.contacts(made["batch_id"])] == numbers


def test_what_a_retry_rule_leaves_out_comes_from_the_campaign_and_then_from_the_default(
    owner: str, world: World
) -> None:
    campaign = insert(world.connection, "campaigns", agency_id=world.agency.id, name="Kind")
    world.connection.execute("update public.campaigns set retry = '{\"growth\": 1}' where id = %s", [campaign])

    body = batch_body(world.agency, campaign_id=str(campaign), retry={"max_attempts": 5})
    made = create(owner, body).body

    assert world.batch(made["batch_id"])["retry"] == {
        "max_attempts": 5,
        "delay_minutes": 15,
        "growth": 1,
        "on": ["no_answer", "busy", "dropped", "error"],
    }


@pytest.mark.parametrize(
    ("given", "shown"),
    [("2099-01-16T04:00:00-05:00", "2099-01-16T09:00:00Z"), ("2099-01-16T09:00:00-23:22", "2099-01-17T08:22:00Z")],
)
def test_a_batch_with_a_time_to_come_is_scheduled(owner: str, agency: Agency, given: str, shown: str) -> None:
    made = create(owner, batch_body(agency, scheduled_for=given)).body

    assert (made["status"], made["scheduled_for"]) == ("scheduled", shown)


@pytest.mark.parametrize("minutes", [0, 1, 4.9])
def test_a_time_up_to_five_minutes_ago_means_now(owner: str, world: World, minutes: float) -> None:
    just_past = datetime.fromisoformat(world.time()) - timedelta(minutes=minutes)

    made = create(owner, batch_body(world.agency, scheduled_for=just_past.isoformat())).body

    assert (made["status"], made["scheduled_for"]) == ("pending", None)


def test_the_same_number_fifty_times_is_one_contact(owner: str, world: World) -> None:
    made = create(owner, batch_body(world.agency, [{"phone_number": "+12135550123"}] * 50)).body

    assert (made["total_contacts"], made["duplicates_removed"]) == (1, 49)
    assert len(world.contacts(made["batch_id"])) == 1


def test_numbers_on_the_do_not_call_list_are_stored_as_skipped(owner: str, world: World) -> None:
    listed, free = fictional_numbers(2)
    forbid_number(world.connection, world.agency.id, listed)

    made = create(owner, batch_body(world.agency, [{"phone_number": listed}, {"phone_number": free}])).body

    assert (made["total_contacts"], made["skipped"]) == (2, 1)
    assert [contact["status"] for contact in world.contacts(made["batch_id"])] == ["skipped", "pending"]


def test_ten_thousand_contacts_are_one_request(owner: str, agency: Agency) -> None:
    reply = create(owner, batch_body(agency, 10_000))

    assert (reply.status, reply.body["total_contacts"]) == (201, 10_000)


def test_10001_contacts_are_refused(owner: str, agency: Agency, db: Connection) -> None:
    reply = create(owner, batch_body(agency, [{"phone_number": "+12135550123"}] * 10_001))

    assert reply.error == (400, "contacts must hold at most 10,000 entries")
    assert nothing_stored(db, agency)


def test_an_invalid_number_in_row_17_refuses_the_whole_list_and_names_it(
    owner: str, agency: Agency, db: Connection
) -> None:
    contacts: list[dict[str, object]] = [{"phone_number": number} for number in fictional_numbers(30)]
    contacts[17]["phone_number"] = "555-0123"

    reply = create(owner, batch_body(agency, contacts))

    sentence = "phone_number must be a valid phone number with its country code, such as +12135550123"
    assert reply.error == (400, f"contacts[17].{sentence}")
    assert reply.body["errors"] == [{"index": 17, "field": "phone_number", "message": sentence}]
    assert reply.body["error_count"] == 1
    assert nothing_stored(db, agency)


def test_of_many_invalid_contacts_the_first_hundred_are_listed(owner: str, agency: Agency) -> None:
    body = create(owner, batch_body(agency, [{"phone_number": "nobody"}] * 150)).body

    assert (len(body["errors"]), body["error_count"]) == (100, 150)


@pytest.mark.parametrize(
    ("field", "code", "sentence"),
    [
        (
            "agent_mapping_id",
            "agent_not_found",
            "agent_mapping_id: agent not found or does not belong to the user's agency",
        ),
        (
            "campaign_id",
            "campaign_not_found",
            "campaign_id: campaign not found or does not belong to the user's agency",
        ),
        ("from_number", "from_number_not_found", "from_number: not an active phone number of the user's agency"),
    ],
)
def test_what_is_another_agencys_reads_as_what_does_not_exist(
    owner: str, agency: Agency, db: Connection, field: str, code: str, sentence: str
) -> None:
    other = make_agency(db, "Globex")
    insert(db, "agency_phone_numbers", agency_id=other.id, phone_number="+12125550150")
    theirs = batch_body(other, from_number="+12125550150")[field]
    random = "+12125550151" if field == "from_number" else "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"

    replies = [create(owner, {**batch_body(agency), field: value}) for value in (theirs, random)]

    for reply in replies:
        assert (reply.error, reply.body["code"]) == ((404, sentence), code)
    assert nothing_stored(db, agency)


def test_an_inactive_agent_is_not_found(owner: str, agency: Agency, db: Connection) -> None:
    inactive = make_agent_mapping(db, agency.id, "Retired", active=False)

    assert create(owner, batch_body(agency, agent_mapping_id=str(inactive))).status == 404


@pytest.mark.parametrize(
    ("field", "most"), [("calls_per_minute", 60), ("max_concurrent", 100)]
)  # fmt: skip
def test_beyond_what_everybody_has_only_the_agencys_plan_counts(
    owner: str, world: World, field: str, most: int
) -> None:
    plan = {"calls_per_minute": "max_calls_per_minute", "max_concurrent": "max_concurrent_calls"}[field]
    world.set("agencies", world.agency.id, **{plan: 1})  # pyright: ignore[reportArgumentType]

    assert create(owner, {**batch_body(world.agency), field: most}).status == 201
    refused = create(owner, {**batch_body(world.agency), field: most + 1})
    assert refused.error == (400, f"{field} must be between 1 and {most}")

    world.set("agencies", world.agency.id, **{plan: 500})  # pyright: ignore[reportArgumentType]
    assert create(owner, {**batch_body(world.agency), field: 500}).status == 201


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"campaign_id": None}, "campaign_id is missing"),
        ({"agent_mapping_id": "7"}, "agent_mapping_id must be a UUID"),
        ({"contacts": []}, "contacts must hold at least 1 entry"),
        ({"calls_per_minute": 0}, "calls_per_minute must be at least 1"),
        ({"scheduled_for": "2020-01-16T09:00:00Z"}, "scheduled_for must not lie in the past"),
        ({"ends_at": "2020-01-16T09:00:00Z"}, "ends_at must lie after the start"),
        (
            {"scheduled_for": "2099-01-16T09:00:00Z", "ends_at": "2099-01-16T09:00:00Z"},
            "ends_at must lie after the start",
        ),
        (
            {"ends_at": "2099-01-16T09:00:00"},
            "ends_at must have a UTC offset, such as 2030-01-16T09:00:00Z or 2030-01-16T09:00:00-05:00",
        ),
        ({"scheduled_for": "0001-01-01T00:00:00Z"}, "scheduled_for must not lie in the past"),
        (
            {"scheduled_for": "9999-12-31T23:59:59-14:00"},
            "scheduled_for must be an ISO 8601 time, such as 2030-01-16T09:00:00Z",
        ),
        (
            {"calling_hours": {}},
            'calling_hours needs start and end, such as {"start": "08:00", "end": "21:00"}, or weekly',
        ),
        ({"priority": 1}, "priority is not a known field"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(
    owner: str, agency: Agency, db: Connection, changes: dict[str, Any], sentence: str
) -> None:
    assert create(owner, batch_body(agency, **changes)).error == (400, sentence)
    assert nothing_stored(db, agency)


def test_a_batch_shows_when_it_ends(owner: str, agency: Agency) -> None:
    body = batch_body(agency, scheduled_for="2099-01-16T09:00:00Z", ends_at="2099-01-17T20:00:00-05:00")

    batch_id = create(owner, body).body["batch_id"]

    shown = call("calls-batch-get", owner, query={"batch_id": batch_id}).body["batch"]
    assert shown["ends_at"] == "2099-01-18T01:00:00Z"
    assert call("calls-batch-list", owner).body["batches"] == [shown]
