from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.factories import make_user
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, Any]

CONTACT_FIELDS = {
    "id", "phone_number", "first_name", "last_name", "email", "company", "title", "status", "reason", "reason_at",
    "call_id", "attempts", "max_attempts", "outcome", "outcome_notes", "duration_seconds", "next_attempt_at",
    "last_attempt_at", "completed_at", "custom_data", "do_not_call", "timezone", "created_at",
}  # fmt: skip


def ask(
    world: World, batch_id: UUID, user_id: UUID | None = None, status: str | None = None,
    limit: int = 50, offset: int = 0, cursor: int | None = None,
) -> Json:  # fmt: skip
    return world.ask(
        user_id or world.agency.member, "get_call_batch", p_batch_id=batch_id, p_contact_status=status,
        p_contact_limit=limit, p_contact_offset=offset, p_contact_cursor=cursor,
    )  # fmt: skip


def numbers(answer: Json) -> list[str]:
    return [contact["phone_number"] for contact in answer["contacts"]]


def test_the_batch_is_the_same_as_in_the_list(world: World) -> None:
    batch_id = world.processing(2)
    listed = world.ask(
        world.agency.member, "list_call_batches", p_status=None, p_campaign_id=None, p_limit=25, p_offset=0
    )

    assert ask(world, batch_id)["batch"] == listed["batches"][0]


def test_a_contact_has_the_fields_of_the_contract_and_no_others(world: World) -> None:
    batch_id = world.processing([{"phone_number": "+12135550123", "first_name": "Ada", "custom_data": {"a": [1]}}])
    world.finish(world.ringing(), talk_seconds=42)

    contact = ask(world, batch_id)["contacts"][0]

    assert set(contact) == CONTACT_FIELDS
    assert contact == contact | {
        "phone_number": "+12135550123",
        "first_name": "Ada",
        "status": "completed",
        "reason": "Answered",
        "attempts": 1,
        "max_attempts": 3,
        "outcome": "answered",
        "outcome_notes": "Answered",
        "duration_seconds": 42,
        "next_attempt_at": None,
        "custom_data": {"a": [1]},
        "do_not_call": False,
    }
    for time in ("reason_at", "last_attempt_at", "completed_at", "created_at"):
        assert contact[time].endswith("Z")


def test_a_contact_says_whether_its_number_is_forbidden_now(world: World, forbid: Callable[[str], None]) -> None:
    batch_id = world.create(["+12135550123", "+12135550124"])
    forbid("+12135550124")

    assert [contact["do_not_call"] for contact in ask(world, batch_id)["contacts"]] == [False, True]


def test_pages_by_offset_and_by_cursor_show_everybody_once_in_list_order(world: World) -> None:
    batch_id = world.create(7)
    everybody = [contact["phone_number"] for contact in world.contacts(batch_id)]

    by_offset = [number for offset in (0, 3, 6) for number in numbers(ask(world, batch_id, limit=3, offset=offset))]
    by_cursor, cursor, pages = list[str](), None, 0
    while pages == 0 or cursor is not None:
        answer = ask(world, batch_id, limit=3, cursor=cursor)
        by_cursor += numbers(answer)
        following = answer["contact_pagination"]["next_cursor"]
        assert answer["contact_pagination"]["has_more"] is (following is not None)
        cursor, pages = (int(following) if following else None), pages + 1

    assert by_offset == by_cursor == everybody
    assert pages == 3


def test_a_status_filters_and_its_total_is_the_counters(world: World) -> None:
    batch_id = world.processing(5)
    world.claim(2)

    for status, count in (("in_progress", 2), ("queued", 3), ("completed", 0), ("pending", 0)):
        answer = ask(world, batch_id, status=status, limit=1)
        assert {contact["status"] for contact in answer["contacts"]} <= {status}
        assert answer["contact_pagination"]["total"] == count
        assert answer["contact_pagination"]["has_more"] is (count > 1)


@pytest.mark.parametrize("contacts", [0, 2])
def test_a_page_past_the_end_is_empty(world: World, contacts: int) -> None:
    answer = ask(world, world.create(contacts), limit=5, offset=10)

    assert answer["contacts"] == []
    assert answer["contact_pagination"] == {
        "total": contacts,
        "limit": 5,
        "offset": 10,
        "has_more": False,
        "next_cursor": None,
    }


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_every_role_reads(world: World, role: str) -> None:
    assert len(numbers(ask(world, world.create(1), getattr(world.agency, role)))) == 1


def test_another_agencys_batch_reads_as_a_random_one(world: World) -> None:
    theirs = World(world.connection).create(1)
    answers: list[tuple[object, ...]] = []
    for unknown in (theirs, uuid4()):
        with pytest.raises(psycopg.Error) as refused:
            ask(world, unknown)
        diag = refused.value.diag
        answers.append((diag.sqlstate, diag.message_primary, diag.message_detail))

    assert refusal(refused.value) == ("404", "batch_not_found")
    assert refused.value.diag.message_primary == "Batch not found or does not belong to the user's agency"
    assert answers[0] == answers[1]


def test_a_user_without_agency_is_refused_before_the_batch_is_looked_at(world: World) -> None:
    with pytest.raises(psycopg.Error) as refused:
        ask(world, uuid4(), make_user(world.connection, None))

    assert refusal(refused.value) == ("403", "no_agency")
