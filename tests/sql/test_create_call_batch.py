from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.factories import forbid_number, insert, make_agency, make_user
from tests.sql.checks import assert_sound
from tests.sql.world import World, refusal

if TYPE_CHECKING:
    from tests.factories import Connection


def test_the_answer_says_what_was_stored(world: World) -> None:
    answer = world.create_answer(2, name="Spring", calls_per_minute=30, max_concurrent=10, duplicates_removed=4)

    assert answer == {
        "batch_id": answer["batch_id"],
        "status": "pending",
        "total_contacts": 2,
        "duplicates_removed": 4,
        "skipped": 0,
        "agent_mapping_id": str(world.agency.agent_mapping_id),
        "agent_name": "Sales Agent",
        "campaign_id": str(world.agency.campaign_id),
        "campaign_name": "Q1 Outreach",
        "from_number": world.agency.from_number,
        "calls_per_minute": 30,
        "max_concurrent": 10,
        "scheduled_for": None,
        "created_at": answer["created_at"],
        "forecast": answer["forecast"],
    }
    assert answer["created_at"].endswith("Z")
    batch = world.batch(answer["batch_id"])
    assert (batch["pending"], batch["created_by"], batch["name"]) == (2, str(world.agency.owner), "Spring")
    assert_sound(world.connection)


def test_a_batch_with_a_time_is_scheduled(world: World) -> None:
    answer = world.create_answer(1, scheduled_for="2031-01-16T09:00:00+01:00")

    assert (answer["status"], answer["scheduled_for"]) == ("scheduled", "2031-01-16T08:00:00Z")


def test_contacts_keep_their_order_and_all_that_was_sent_about_them(world: World) -> None:
    sent: dict[str, Any] = {
        "phone_number": "+12135550123",
        "first_name": "Ada",
        "last_name": "L",
        "email": "ada@example.com",
        "company": "Engines",
        "title": "Countess",
        "timezone": "Europe/London",
        "custom_data": {"plan": ["gold", 1]},
        "max_attempts": 7,
    }

    contacts = world.contacts(world.create(["+12135550124", sent, "+12135550122"]))

    assert [contact["phone_number"] for contact in contacts] == ["+12135550124", "+12135550123", "+12135550122"]
    assert {name: contacts[1][name] for name in sent} == sent
    assert (contacts[0]["status"], contacts[0]["attempts"], contacts[0]["custom_data"]) == ("pending", 0, {})


def test_retry_comes_from_the_batch_then_the_campaign_then_the_defaults(world: World) -> None:
    world.set("campaigns", world.agency.campaign_id, retry=Jsonb({"delay_minutes": 5, "growth": 3}))

    batch_id = world.create([{"phone_number": "+12135550123"}], retry={"growth": 1, "max_attempts": 4})

    assert world.batch(batch_id)["retry"] == {
        "max_attempts": 4,
        "delay_minutes": 5,
        "growth": 1,
        "on": ["no_answer", "busy", "dropped", "error"],
    }
    assert world.contacts(batch_id)[0]["max_attempts"] == 4


def test_numbers_on_the_do_not_call_list_are_stored_as_skipped(world: World) -> None:
    forbid_number(world.connection, world.agency.id, "+12135550123")
    forbid_number(world.connection, make_agency(world.connection).id, "+12135550124")

    answer = world.create_answer(["+12135550123", "+12135550124"])

    assert (answer["total_contacts"], answer["skipped"]) == (2, 1)
    skipped, kept = world.contacts(answer["batch_id"])
    assert (skipped["status"], skipped["reason"]) == ("skipped", "On the do-not-call list")
    assert skipped["completed_at"] is not None
    assert (kept["status"], kept["reason"]) == ("pending", None)
    assert_sound(world.connection)


def test_a_number_given_twice_is_refused_whole(world: World) -> None:
    before = world.snapshot()

    with pytest.raises(psycopg.errors.UniqueViolation):
        world.create(["+12135550123", "+12135550123"])

    assert world.snapshot() == before


@pytest.mark.parametrize("role", ["agency_owner", "agency_admin"])
def test_owner_and_admin_may_create(world: World, role: str) -> None:
    user_id = make_user(world.connection, world.agency.id, role)

    assert world.create_answer(1, user_id)["status"] == "pending"


@pytest.mark.parametrize("role", ["agency_member", "client_admin", "client_viewer", "admin"])
def test_no_other_role_may_create(world: World, role: str) -> None:
    user_id = make_user(world.connection, world.agency.id, role)

    with pytest.raises(psycopg.Error) as refused:
        world.create(1, user_id=user_id)

    assert refusal(refused.value) == ("403", "forbidden")
    assert refused.value.diag.message_primary == "User role is not agency_owner or agency_admin"


@pytest.mark.parametrize("exists", [True, False])
def test_a_user_without_agency_may_not_create(world: World, *, exists: bool) -> None:
    user_id = make_user(world.connection, None) if exists else uuid4()

    with pytest.raises(psycopg.Error) as refused:
        world.create(1, user_id=user_id)

    assert refusal(refused.value) == ("403", "no_agency")
    assert refused.value.diag.message_primary == "User is not associated with an agency"


@pytest.mark.parametrize(
    ("field", "code"), [("agent_mapping_id", "agent_not_found"), ("campaign_id", "campaign_not_found")]
)
def test_another_agencys_id_reads_as_a_random_one(world: World, field: str, code: str) -> None:
    other = make_agency(world.connection)
    answers: list[tuple[object, ...]] = []
    for unknown in (getattr(other, field), uuid4()):
        with pytest.raises(psycopg.Error) as refused:
            world.create(1, **{field: unknown})
        diag = refused.value.diag
        answers.append((diag.sqlstate, diag.message_primary, diag.message_detail))

    assert refusal(refused.value) == ("404", code)
    assert answers[0] == answers[1]


def test_an_inactive_agent_reads_as_not_found(world: World) -> None:
    world.set("agent_mappings", world.agency.agent_mapping_id, active=False)

    with pytest.raises(psycopg.Error) as refused:
        world.create(1)

    assert refusal(refused.value) == ("404", "agent_not_found")


def test_only_an_active_number_of_the_agency_may_be_called_from(world: World) -> None:
    insert(
        world.connection, "agency_phone_numbers", agency_id=world.agency.id, phone_number="+13125550111", active=False
    )
    other = make_agency(world.connection)
    insert(world.connection, "agency_phone_numbers", agency_id=other.id, phone_number="+13125550112")

    for number in ("+13125550111", "+13125550112", "+13125550113"):
        with pytest.raises(psycopg.Error) as refused:
            world.create(1, from_number=number)
        assert refusal(refused.value) == ("404", "from_number_not_found")


@pytest.mark.parametrize(("field", "most"), [("calls_per_minute", 60), ("max_concurrent", 100)])
def test_pace_and_concurrency_end_at_60_and_100_unless_the_plan_allows_more(
    connection: Connection, field: str, most: int
) -> None:
    small = World(connection, max_calls_per_minute=5, max_concurrent_calls=5)
    large = World(connection, max_calls_per_minute=most + 40, max_concurrent_calls=most + 40)

    assert small.create_answer(1, None, **limits(field, most))[field] == most
    assert large.create_answer(1, None, **limits(field, most + 40))[field] == most + 40
    for world, wrong in ((small, most + 1), (large, most + 41), (small, 0), (small, -1)):
        with pytest.raises(psycopg.Error) as refused:
            world.create(1, None, **limits(field, wrong))
        assert refusal(refused.value) == ("400", "out_of_range")
        assert str(refused.value.diag.message_primary).startswith(field)


def limits(field: str, value: int) -> dict[str, Any]:
    return {"calls_per_minute": 1, "max_concurrent": 1, field: value}


def test_ten_thousand_contacts_are_one_request(world: World) -> None:
    answer = world.create_answer(10_000)

    assert answer["total_contacts"] == 10_000
    assert_sound(world.connection)
