from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.calling import call
from tests.sql.importing import Import, past_calls
from tests.sql.world import World

if TYPE_CHECKING:
    from tests.factories import Connection

STATUS = "get-sync-status"
FIELDS = {
    *("id", "status", "date_from", "date_to", "total_calls", "processed_calls", "imported_calls", "updated_calls"),
    *("skipped_calls", "failed_calls", "progress_percent", "error_message", "started_at", "last_activity_at"),
}


def test_an_agency_that_never_imported_anything_has_no_job(member: str) -> None:
    reply = call(STATUS, member)

    assert (reply.status, reply.body) == (200, {"active": False, "recent_job": None})


def test_a_job_that_waits_is_active(member: str, world: World) -> None:
    job = Import(world)

    reply = call(STATUS, member)

    assert (reply.status, reply.body["active"]) == (200, True)
    assert reply.body["job"].keys() == FIELDS
    shown = reply.body["job"]
    assert (shown["id"], shown["status"], shown["progress_percent"]) == (str(job.id), "pending", 0.0)
    assert (shown["total_calls"], shown["started_at"], shown["last_activity_at"]) == (None, None, None)


def test_a_job_under_way_shows_how_far_it_is(member: str, world: World) -> None:
    job = Import.claimed(world)
    page = past_calls(3)
    page[1] |= {"created": "yesterday"}
    job.record(page, then="more")

    shown = call(STATUS, member).body["job"]

    counted = ("total_calls", "processed_calls", "imported_calls", "failed_calls", "progress_percent")
    assert [shown[name] for name in counted] == [10, 3, 2, 1, 30.0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown["started_at"])


def test_a_job_that_has_failed_says_why(member: str, world: World) -> None:
    Import.claimed(world).fail("Agency API key not configured", final=True)

    body = call(STATUS, member).body

    assert (body["active"], body["recent_job"]["status"]) == (False, "failed")
    assert body["recent_job"]["error_message"] == "Agency API key not configured"


def test_other_agencies_jobs_are_not_shown(member: str, db: Connection) -> None:
    Import(World(db))

    assert call(STATUS, member).body == {"active": False, "recent_job": None}


def test_a_query_is_a_bad_request(member: str) -> None:
    assert call(STATUS, member, query={"job_id": "7"}).error == (400, "job_id is not a known field")
