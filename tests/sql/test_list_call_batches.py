from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.factories import insert, make_user
from tests.sql.world import BATCH_STATES, World, refusal

if TYPE_CHECKING:
    Json = dict[str, Any]

FIELDS = {
    "id", "agency_id", "campaign_id", "campaign_name", "agent_mapping_id", "agent_name", "from_number", "status",
    "total_contacts", "queued", "in_progress", "completed", "failed", "skipped", "progress_percentage",
    "remaining_count", "calls_per_minute", "max_concurrent", "scheduled_for", "created_at", "started_at",
    "name", "pending", "paused_at", "completed_at", "ends_at", "error_message", "waiting_until", "created_by",
    "redial_of",
}  # fmt: skip


def ask(
    world: World, user_id: UUID | None = None, status: str | None = None, campaign: UUID | None = None,
    limit: int = 25, offset: int = 0,
) -> Json:  # fmt: skip
    return world.ask(
        user_id or world.agency.member, "list_call_batches",
        p_status=status, p_campaign_id=campaign, p_limit=limit, p_offset=offset,
    )  # fmt: skip


def ids(answer: Json) -> list[str]:
    return [batch["id"] for batch in answer["batches"]]


def test_a_batch_has_the_fields_of_the_contract_and_no_others(world: World) -> None:
    batch_id = world.create(2, name="Spring", calls_per_minute=30, max_concurrent=10)

    batch = ask(world)["batches"][0]

    assert set(batch) == FIELDS
    assert batch == batch | {
        "id": str(batch_id),
        "agency_id": str(world.agency.id),
        "campaign_name": "Q1 Outreach",
        "agent_name": "Sales Agent",
        "name": "Spring",
        "status": "pending",
        "calls_per_minute": 30,
        "max_concurrent": 10,
        "total_contacts": 2,
        "pending": 2,
        "progress_percentage": 0.0,
        "remaining_count": 2,
        "scheduled_for": None,
        "started_at": None,
        "created_by": str(world.agency.owner),
    }


def test_progress_and_what_remains_are_counted_over_everybody(world: World) -> None:
    batch_id = world.create(1000)
    statement = """
        update public.campaign_contacts
        set status = case when position < 400 then 'completed' else 'failed' end,
            outcome = case when position < 400 then 'answered' else 'rejected' end,
            reason = 'why', reason_at = now(), completed_at = now()
        where batch_id = %s and position < 410
    """
    world.connection.execute(statement, [batch_id])

    batch = ask(world)["batches"][0]

    assert (batch["completed"], batch["failed"], batch["skipped"]) == (400, 10, 0)
    assert (batch["progress_percentage"], batch["remaining_count"]) == (41.0, 590)


def test_an_empty_batch_has_made_no_progress(world: World) -> None:
    world.create([])

    assert ask(world)["batches"][0]["progress_percentage"] == 0


@pytest.mark.parametrize("column", ["scheduled_for", "created_at", "started_at", "waiting_until", "paused_at"])
def test_times_are_utc_with_a_z(world: World, column: str) -> None:
    batch_id = world.processing(1)
    if column == "paused_at":
        world.pause(batch_id)
    world.set("call_batches", batch_id, **{column: "2031-01-15T11:30:00.25+01:00"})

    assert ask(world)["batches"][0][column] == "2031-01-15T10:30:00.25Z"


@pytest.mark.parametrize("status", BATCH_STATES)
def test_a_status_filters(world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    world.create(1) if status != "pending" else world.batch_in("draft")

    answer = ask(world, status=status)

    assert ids(answer) == [str(batch_id)]
    assert answer["pagination"] == {"total": 1, "limit": 25, "offset": 0, "has_more": False}


def test_a_campaign_filters(world: World) -> None:
    campaign = insert(world.connection, "campaigns", agency_id=world.agency.id, name="Other")
    world.create(1)
    batch_id = world.create(1, campaign_id=campaign)

    assert ids(ask(world, campaign=campaign)) == [str(batch_id)]
    assert ids(ask(world, campaign=uuid4())) == []


def test_the_newest_come_first_and_those_of_one_instant_by_id(world: World) -> None:
    batches = [world.create(1) for _ in range(6)]
    for batch_id in batches[:3]:
        world.set("call_batches", batch_id, created_at="2030-01-01T00:00:00Z")
    for batch_id in batches[3:]:
        world.set("call_batches", batch_id, created_at="2031-01-01T00:00:00Z")

    expected = sorted(map(str, batches[3:]), reverse=True) + sorted(map(str, batches[:3]), reverse=True)

    assert ids(ask(world)) == expected
    assert [batch_id for offset in range(6) for batch_id in ids(ask(world, limit=1, offset=offset))] == expected


def test_pages_say_whether_there_is_more(world: World) -> None:
    for _ in range(5):
        world.create(1)

    pages = [ask(world, limit=2, offset=offset)["pagination"] for offset in (0, 2, 4, 6)]

    assert [(page["total"], page["has_more"]) for page in pages] == [(5, True), (5, True), (5, False), (5, False)]


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_every_role_reads(world: World, role: str) -> None:
    world.create(1)

    assert len(ids(ask(world, getattr(world.agency, role)))) == 1


def test_another_agencys_batches_are_not_there(world: World) -> None:
    other = World(world.connection)
    other.create(1)

    answer = ask(world)

    assert (ids(answer), answer["pagination"]["total"]) == ([], 0)
    assert ids(ask(world, campaign=other.agency.campaign_id)) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_user_without_agency_is_refused(world: World, *, exists: bool) -> None:
    user_id = make_user(world.connection, None) if exists else uuid4()

    with pytest.raises(psycopg.Error) as refused:
        ask(world, user_id)

    assert refusal(refused.value) == ("403", "no_agency")
    assert refused.value.diag.message_primary == "User is not associated with an agency"
