from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.calling import call
from tests.factories import batch_body, insert, make_agency
from tests.sql.world import World

if TYPE_CHECKING:
    from tests.factories import Connection

SEED_FIELDS = {
    "id", "agency_id", "campaign_id", "campaign_name", "agent_mapping_id", "agent_name", "from_number", "status",
    "total_contacts", "queued", "in_progress", "completed", "failed", "skipped", "progress_percentage",
    "remaining_count", "calls_per_minute", "max_concurrent", "scheduled_for", "created_at", "started_at",
}  # fmt: skip
FURTHER_FIELDS = {
    "name", "pending", "paused_at", "completed_at", "ends_at", "error_message", "waiting_until", "created_by",
    "redial_of",
}  # fmt: skip


def fetch(token: str, **query: object) -> Any:
    reply = call("calls-batch-list", token, query=query)
    assert reply.status == 200
    return reply.body


def test_a_batch_has_the_fields_of_the_seed_and_the_further_ones(owner: str, world: World) -> None:
    body = batch_body(world.agency, name="January", scheduled_for="2099-01-16T09:00:00Z")
    made = call("calls-batch-create", owner, body=body).body

    answer = fetch(owner)

    assert set(answer) == {"batches", "pagination"}
    (batch,) = answer["batches"]
    assert set(batch) == SEED_FIELDS | FURTHER_FIELDS
    assert {name: batch[name] for name in SEED_FIELDS - {"created_at"}} == {
        "id": made["batch_id"],
        "agency_id": str(world.agency.id),
        "campaign_id": str(world.agency.campaign_id),
        "campaign_name": "Q1 Outreach",
        "agent_mapping_id": str(world.agency.agent_mapping_id),
        "agent_name": "Sales Agent",
        "from_number": world.agency.from_number,
        "status": "scheduled",
        "total_contacts": 3,
        "queued": 0,
        "in_progress": 0,
        "completed": 0,
        "failed": 0,
        "skipped": 0,
        "progress_percentage": 0.0,
        "remaining_count": 3,
        "calls_per_minute": 30,
        "max_concurrent": 10,
        "scheduled_for": "2099-01-16T09:00:00Z",
        "started_at": None,
    }
    assert batch["created_at"] == made["created_at"]
    assert (batch["name"], batch["pending"], batch["created_by"]) == ("January", 3, str(world.agency.owner))
    assert answer["pagination"] == {"total": 1, "limit": 25, "offset": 0, "has_more": False}


def test_progress_is_what_the_seed_computes(owner: str, world: World) -> None:
    batch_id = world.create(10)
    world.start()
    first, second = world.dial(2)
    world.accept([first, second])
    world.finish(first, talk_seconds=30)
    world.finish(second, sip="REJECTED")

    (batch,) = fetch(owner)["batches"]

    assert batch["id"] == str(batch_id)
    assert (batch["completed"], batch["failed"], batch["queued"]) == (1, 1, 8)
    assert (batch["progress_percentage"], batch["remaining_count"]) == (20.0, 8)


def test_batches_come_newest_first_a_page_at_a_time(member: str, world: World) -> None:
    made = [str(world.create(1)) for _ in range(5)]

    first, second, third = (fetch(member, limit=2, offset=offset) for offset in (0, 2, 4))

    assert [batch["id"] for page in (first, second, third) for batch in page["batches"]] == made[::-1]
    assert first["pagination"] == {"total": 5, "limit": 2, "offset": 0, "has_more": True}
    assert second["pagination"] == {"total": 5, "limit": 2, "offset": 2, "has_more": True}
    assert third["pagination"] == {"total": 5, "limit": 2, "offset": 4, "has_more": False}


def test_batches_of_the_same_instant_are_neither_repeated_nor_skipped(owner: str, world: World) -> None:
    now = world.time()
    for batch_id in [world.create(1) for _ in range(6)]:
        world.set("call_batches", batch_id, created_at=now)

    pages = [fetch(owner, limit=2, offset=offset)["batches"] for offset in (0, 2, 4)]

    seen = [batch["id"] for page in pages for batch in page]
    assert len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)


def test_status_and_campaign_narrow_the_list(owner: str, world: World, db: Connection) -> None:
    other = insert(db, "campaigns", agency_id=world.agency.id, name="Q2 Outreach")
    pending, paused = world.batch_in("pending"), world.create(1, campaign_id=str(other), scheduled_for=world.time(3600))
    world.pause(paused)

    def ids(**query: object) -> list[str]:
        return [batch["id"] for batch in fetch(owner, **query)["batches"]]

    assert ids(status="pending") == [str(pending)]
    assert ids(campaign_id=other) == [str(paused)]
    assert ids(status="pending", campaign_id=other) == []
    assert ids(status="draft") == []


@pytest.mark.parametrize(("asked", "served"), [(100, 100), (101, 100), ("999999999999", 100), (0, 0)])
def test_a_limit_over_a_hundred_is_served_as_a_hundred(owner: str, asked: object, served: int) -> None:
    assert fetch(owner, limit=asked)["pagination"]["limit"] == served


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": "-1"}, "limit must be a whole number of at least 0"),
        ({"limit": "ten"}, "limit must be a whole number of at least 0"),
        ({"offset": "-5"}, "offset must be a whole number of at least 0"),
        ({"offset": "99999999999"}, "offset must be at most 2,147,483,647"),
        ({"campaign_id": "q1"}, "campaign_id must be a UUID"),
        ({"page": "2"}, "page is not a known field"),
    ],
)
def test_a_bad_query_is_refused(owner: str, query: dict[str, str], sentence: str) -> None:
    assert call("calls-batch-list", owner, query=query).error == (400, sentence)


def test_an_unknown_status_is_answered_with_the_known_ones(owner: str) -> None:
    status, sentence = call("calls-batch-list", owner, query={"status": "running"}).error

    assert status == 400
    assert sentence.startswith("status must be one of 'draft', 'pending', ")


def test_another_agencys_batches_are_not_in_the_list(owner: str, world: World, db: Connection) -> None:
    mine, theirs = (
        world.create(1),
        World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000)),
    )
    theirs.create(1)

    assert [batch["id"] for batch in fetch(owner)["batches"]] == [str(mine)]
    assert fetch(owner, campaign_id=theirs.agency.campaign_id)["pagination"]["total"] == 0
