from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from tests.calling import call
from tests.sql.importing import Import
from tests.sql.world import World

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.factories import Connection

START = "start-historical-sync"
RANGE = {"date_from": "2025-01-01T00:00:00Z", "date_to": "2025-03-01T00:00:00Z"}


def the_job(world: World) -> dict[str, Any]:
    (job,) = world.all("historical_sync_jobs")
    return job


def test_a_range_is_taken_as_the_seed_says_by_any_user(member: str, world: World) -> None:
    reply = call(START, member, body=RANGE)

    job = the_job(world)
    assert (reply.status, reply.body) == (200, {"job_id": job["id"], "status": "pending"})
    assert UUID(reply.body["job_id"])
    assert (job["date_from"], job["date_to"]) == ("2025-01-01T00:00:00+00:00", "2025-03-01T00:00:00+00:00")
    assert (job["status"], job["created_by"]) == ("pending", str(world.agency.member))


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"date_from": null, "date_to": null}'])
def test_an_empty_body_or_none_is_a_full_sync_until_now(owner: str, world: World, body: bytes) -> None:
    before = world.time()

    assert call(START, owner, method="POST", body=body or None).status == 200

    job = the_job(world)
    assert job["date_from"] is None
    assert before <= job["date_to"] <= world.time()


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2025-01-01", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01T12:00:00", "2025-01-01T12:00:00+00:00"),
        ("2025-01-01T12:00:00+05:45", "2025-01-01T06:15:00+00:00"),
        ("2025-01-01T12:00:00.123456Z", "2025-01-01T12:00:00.123456+00:00"),
        ("2025-01-01T12:00:00-23:22", "2025-01-02T11:22:00+00:00"),
    ],
)
def test_a_time_without_an_offset_is_one_in_utc(owner: str, world: World, given: str, stored: str) -> None:
    assert call(START, owner, body={"date_from": given}).status == 200
    assert the_job(world)["date_from"] == stored


@pytest.mark.parametrize("field", ["date_from", "date_to"])
@pytest.mark.parametrize(
    "given",
    ["yesterday", "", "2025-13-01", "01/02/2025", "0001-01-01T00:00:00+23:59", 1735689600, True, ["2025-01-01"], {}],
)
def test_what_is_no_time_is_a_bad_request_that_names_the_field(
    owner: str, world: World, field: str, given: object
) -> None:
    reply = call(START, owner, body={field: given})

    assert reply.error == (400, f"{field} must be an ISO 8601 time, such as 2025-01-01T00:00:00Z")
    assert world.all("historical_sync_jobs") == []


@pytest.mark.parametrize(
    "given",
    [
        {"date_from": RANGE["date_to"], "date_to": RANGE["date_from"]},
        {"date_from": RANGE["date_to"], "date_to": RANGE["date_to"]},
        {"date_from": "2999-01-01T00:00:00Z"},
    ],
    ids=["reversed", "empty", "ahead"],
)
def test_a_range_that_holds_no_time_is_a_bad_request(owner: str, world: World, given: dict[str, str]) -> None:
    reply = call(START, owner, body=given)

    assert reply.error == (400, "date_from must be before date_to and not lie in the future")
    assert world.all("historical_sync_jobs") == []


@pytest.mark.parametrize("claimed", [False, True], ids=["pending", "in progress"])
def test_a_second_start_while_one_is_active_is_a_conflict(owner: str, world: World, claimed: bool) -> None:
    Import.claimed(world) if claimed else Import(world)

    reply = call(START, owner, body=RANGE)

    assert reply.error == (409, "A sync job already exists for the agency and is pending or in progress")
    assert reply.body["code"] == "sync_job_already_exists"
    assert len(world.all("historical_sync_jobs")) == 1


def test_of_thirty_starts_at_once_one_wins(stack: Stack, owner: str, world: World) -> None:
    with (
        httpx.Client(base_url=stack.env["FUNCTIONS_URL"], timeout=60, trust_env=False) as client,
        ThreadPoolExecutor(30) as pool,
    ):
        headers = {"authorization": f"Bearer {owner}"}
        asked = [pool.submit(client.post, f"/{START}", headers=headers) for _ in range(30)]
        replies = [one.result() for one in asked]

    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 29
    assert all("already exists" in reply.json()["error"] for reply in replies if reply.status_code == 409)
    assert len(world.all("historical_sync_jobs")) == 1


def test_another_agencys_job_is_no_conflict(owner: str, db: Connection) -> None:
    Import(World(db))

    assert call(START, owner, body={}).status == 200
