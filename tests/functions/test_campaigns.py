from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.calling import call
from tests.factories import batch_body, make_agency

if TYPE_CHECKING:
    from tests.calling import Reply
    from tests.factories import Agency, Connection
    from tests.sql.world import World


def create(token: str, name: str = "Spring", *, key: str | None = None, **body: object) -> Reply:
    headers = {"Idempotency-Key": key} if key else {}
    return call("campaigns-create", token, body={"name": name, **body}, headers=headers)


def listed(token: str, **query: object) -> Any:
    reply = call("campaigns-list", token, query=query)
    assert reply.status == 200
    return reply.body


def test_a_campaign_is_created_and_its_batches_take_its_defaults(owner: str, agency: Agency, world: World) -> None:
    reply = create(owner, retry={"max_attempts": 5, "delay_minutes": 60})

    assert reply.status == 201
    assert set(reply.body) == {"id", "name", "retry", "created_by", "created_at"}
    assert (reply.body["name"], reply.body["created_by"]) == ("Spring", str(agency.owner))
    assert reply.body["retry"] == {"max_attempts": 5, "delay_minutes": 60}

    body = batch_body(agency, campaign_id=reply.body["id"], retry={"delay_minutes": 30})
    batch = world.batch(call("calls-batch-create", owner, body=body).body["batch_id"])
    assert batch["retry"] == {
        "max_attempts": 5,
        "delay_minutes": 30,
        "growth": 2,
        "on": ["no_answer", "busy", "dropped", "error"],
    }


EVERY_DAY = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def test_a_campaign_shows_its_hours_in_one_form_and_its_batches_take_them(
    owner: str, agency: Agency, world: World
) -> None:
    hours: dict[str, Any] = {"timezone": "America/New_York", "weekly": EVERY_DAY, "holidays": []}
    short = {"start": "09:00", "end": "17:00", "timezone": "America/New_York"}

    campaign = create(owner, calling_hours=short).body

    assert campaign["calling_hours"] == hours
    batch_id = call("calls-batch-create", owner, body=batch_body(agency, campaign_id=campaign["id"])).body["batch_id"]
    assert world.batch(batch_id)["calling_hours"] == hours


def test_hours_that_are_turned_off_are_not_hours_that_were_left_out(owner: str, agency: Agency, world: World) -> None:
    off, default = create(owner, calling_hours=None).body, create(owner).body

    assert off["calling_hours"] is None
    assert "calling_hours" not in default
    assert [campaign.get("calling_hours", "absent") for campaign in listed(owner)["campaigns"][:2]] == ["absent", None]

    def hours_of_a_batch(campaign: dict[str, Any]) -> Any:
        body = batch_body(agency, campaign_id=campaign["id"])
        return world.batch(call("calls-batch-create", owner, body=body).body["batch_id"])["calling_hours"]

    assert hours_of_a_batch(off) is None
    assert hours_of_a_batch(default)["weekly"]["sun"] == [["08:00", "21:00"]]


def test_a_repeated_request_creates_no_second_campaign(owner: str) -> None:
    before = listed(owner)["pagination"]["total"]

    first, again = (create(owner, key="once") for _ in range(2))

    assert (first.status, first.text, again.headers["idempotent-replayed"]) == (201, again.text, "true")
    assert create(owner, "Summer", key="once").status == 422
    assert listed(owner)["pagination"]["total"] == before + 1


def test_campaigns_are_listed_newest_first_a_page_at_a_time(
    owner: str, member: str, agency: Agency, db: Connection
) -> None:
    made = [create(owner, name).body for name in ("a", "b", "c")]
    make_agency(db, "Globex")

    first, second = listed(member, limit=2), listed(member, limit=2, offset=2)

    assert first["campaigns"] == [made[2], made[1]]
    assert [campaign["id"] for campaign in second["campaigns"]] == [made[0]["id"], str(agency.campaign_id)]
    assert first["pagination"] == {"total": 4, "limit": 2, "offset": 0, "has_more": True}
    assert second["pagination"] == {"total": 4, "limit": 2, "offset": 2, "has_more": False}
    assert listed(member, limit=1000)["pagination"]["limit"] == 100


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"name": "  "}, "name must be at least 1 character long"),
        ({"name": "x" * 256}, "name must be at most 255 characters long"),
        ({"name": "a", "retry": {"max_attempts": 12}}, "retry.max_attempts must be at most 11"),
        (
            {"name": "a", "calling_hours": {"start": "08:00", "end": "08:00"}},
            'calling_hours with start and end must not end when it starts; a whole day is ["00:00", "24:00"]',
        ),
        ({"name": "a", "agency_id": "b"}, "agency_id is not a known field"),
    ],
    ids=["no name", "long name", "retry", "hours", "agency"],
)
def test_a_campaign_that_is_none_is_refused(owner: str, body: dict[str, Any], sentence: str) -> None:
    assert call("campaigns-create", owner, body=body).error == (400, sentence)
