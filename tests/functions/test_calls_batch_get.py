from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.calling import call
from tests.factories import batch_body, fictional_numbers, forbid_number
from tests.functions.test_calls_batch_list import FURTHER_FIELDS, SEED_FIELDS

if TYPE_CHECKING:
    from uuid import UUID

    from tests.sql.world import World

CONTACT_FIELDS = {
    "id", "phone_number", "first_name", "last_name", "email", "company", "title", "status", "reason", "reason_at",
    "call_id", "attempts", "max_attempts", "outcome", "outcome_notes", "duration_seconds", "next_attempt_at",
    "last_attempt_at", "completed_at", "custom_data", "do_not_call", "timezone", "created_at",
}  # fmt: skip


def fetch(token: str, batch_id: UUID | str, **query: object) -> Any:
    reply = call("calls-batch-get", token, query={"batch_id": batch_id, **query})
    assert reply.status == 200
    return reply.body


def test_a_batch_comes_with_its_contacts(member: str, owner: str, world: World) -> None:
    person = {"phone_number": "+12135550123", "first_name": "Ada", "custom_data": {"plan": "pro"}, "max_attempts": 4}
    made = call("calls-batch-create", owner, body=batch_body(world.agency, [person])).body

    answer = fetch(member, made["batch_id"])

    assert set(answer) == {"batch", "forecast", "history", "contacts", "contact_pagination"}
    assert set(answer["batch"]) == SEED_FIELDS | FURTHER_FIELDS
    (contact,) = answer["contacts"]
    assert set(contact) == CONTACT_FIELDS
    assert {name: contact[name] for name in person} == person
    assert (contact["status"], contact["attempts"], contact["do_not_call"]) == ("pending", 0, False)
    assert answer["contact_pagination"] == {
        "total": 1, "limit": 50, "offset": 0, "has_more": False, "next_cursor": None,
    }  # fmt: skip


def test_a_finished_contact_shows_what_became_of_it(owner: str, world: World) -> None:
    call_id = world.call_in("answered")
    world.finish(call_id, talk_seconds=42)

    (contact,) = fetch(owner, world.call(call_id)["batch_id"])["contacts"]

    assert (contact["status"], contact["outcome"], contact["duration_seconds"]) == ("completed", "answered", 42)
    assert (contact["call_id"], contact["attempts"]) == (str(call_id), 1)
    assert contact["reason"]
    for name in ("reason_at", "completed_at", "last_attempt_at", "created_at"):
        assert contact[name].endswith("Z")


def test_contacts_come_in_list_order_by_offset_and_by_cursor_alike(owner: str, world: World) -> None:
    numbers = fictional_numbers(7, start=100)
    batch_id = world.create(numbers)

    by_offset = [fetch(owner, batch_id, contact_limit=3, contact_offset=offset) for offset in (0, 3, 6)]
    by_cursor = [fetch(owner, batch_id, contact_limit=3)]
    while cursor := by_cursor[-1]["contact_pagination"]["next_cursor"]:
        by_cursor.append(fetch(owner, batch_id, contact_limit=3, contact_cursor=cursor))

    for pages in (by_offset, by_cursor):
        assert [contact["phone_number"] for page in pages for contact in page["contacts"]] == numbers
        assert [page["contact_pagination"]["has_more"] for page in pages] == [True, True, False]
    assert {page["contact_pagination"]["total"] for page in by_offset} == {7}


def test_contact_status_narrows_the_contacts(owner: str, world: World) -> None:
    listed, free = fictional_numbers(2)
    forbid_number(world.connection, world.agency.id, listed)
    batch_id = world.create([listed, free])

    answer = fetch(owner, batch_id, contact_status="skipped")

    assert [(contact["phone_number"], contact["do_not_call"]) for contact in answer["contacts"]] == [(listed, True)]
    assert answer["contact_pagination"]["total"] == 1
    assert fetch(owner, batch_id, contact_status="completed")["contacts"] == []


def test_a_contact_limit_over_two_hundred_is_served_as_two_hundred(owner: str, world: World) -> None:
    pagination = fetch(owner, world.create(201), contact_limit=1000)["contact_pagination"]

    assert (pagination["limit"], pagination["total"], pagination["has_more"]) == (200, 201, True)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "batch_id is missing"),
        ({"batch_id": ""}, "batch_id must be a UUID"),
        ({"batch_id": "7"}, "batch_id must be a UUID"),
    ],
)
def test_a_batch_is_asked_for_by_its_id(owner: str, query: dict[str, str], sentence: str) -> None:
    assert call("calls-batch-get", owner, query=query).error == (400, sentence)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"contact_limit": "-1"}, "contact_limit must be a whole number of at least 0"),
        ({"contact_cursor": "abc"}, "contact_cursor must be a whole number of at least 0"),
        ({"contact_offset": 0, "contact_cursor": 1}, "Send contact_offset or contact_cursor, not both"),
    ],
)
def test_a_bad_page_is_refused(owner: str, world: World, query: dict[str, object], sentence: str) -> None:
    assert call("calls-batch-get", owner, query={"batch_id": world.create(1), **query}).error == (400, sentence)
