from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared import notices
from shared.settings import settings
from tests.calling import call
from tests.sql.telling import ALL, listen

if TYPE_CHECKING:
    import io

    from tests.calling import Reply
    from tests.sql.world import Json, World

URL = "https://crm.example/hooks?from=batchline"


def set_endpoint(token: str, url: str = URL, **given: object) -> Reply:
    return call("notices-endpoint-set", token, body={"url": url, **given})


def listed(token: str, **query: str) -> Json:
    return call("notices-list", token, query=query).body


def test_an_endpoint_is_told_everything_unless_it_says_of_what(owner: str) -> None:
    assert set(set_endpoint(owner).body["events"]) == set(ALL)
    assert set_endpoint(owner, events=["batch.paused", "batch.paused"]).body["events"] == ["batch.paused"]


def test_the_secret_is_shown_once_and_is_one_of_standard_webhooks(owner: str, world: World, log: io.StringIO) -> None:
    secret = set_endpoint(owner).body["secret"]

    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert set_endpoint(owner).body["secret"] is None
    assert secret not in log.getvalue() + str(listed(owner))
    row = world.connection.execute("select to_jsonb(found) from public.notice_endpoints as found").fetchall()
    assert secret.removeprefix("whsec_") not in str(row)


def test_a_rotated_secret_is_another_and_the_old_one_still_counts_for_a_day(owner: str) -> None:
    first = set_endpoint(owner).body
    second = set_endpoint(owner, rotate_secret=True).body

    assert second["secret"] not in (None, first["secret"])
    assert second["previous_secret_until"] > second["updated_at"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://crm.example/", "url must be an https URL"),
        ("http://crm.example/", "url must be an https URL"),
        ("https://", "url must be an https URL"),
        ("https://crm.example:99999/", "url must be an https URL"),
        ("https://crm.example/ü", "url must be an https URL"),
        ("https://user:secret@crm.example/", "url must have neither a user's name nor a fragment"),
        ("https://crm.example/#here", "url must have neither a user's name nor a fragment"),
    ],
)
def test_an_url_that_nothing_can_be_sent_to_is_a_bad_request(
    owner: str, monkeypatch: pytest.MonkeyPatch, url: str, sentence: str
) -> None:
    monkeypatch.setenv("NOTICES_ALLOW_HTTP", "false")
    settings.cache_clear()

    reply = set_endpoint(owner, url)

    monkeypatch.undo()
    settings.cache_clear()
    assert reply.error == (400, sentence)


def test_an_event_that_does_not_exist_is_a_bad_request(owner: str) -> None:
    assert set_endpoint(owner, events=["batch.born"]).status == 400
    assert set_endpoint(owner, events=[]).error == (400, "events must hold at least 1 entry")


def test_notices_are_listed_newest_first_a_page_at_a_time(owner: str, world: World) -> None:
    listen(world)
    batch_id = world.batch_in("cancelled")
    expected = [row["id"] for row in sorted(world.all("notices"), key=lambda row: -row["seq"])]

    found, cursor = list[str](), None
    while True:
        page = listed(owner, limit="2", **({"cursor": cursor} if cursor else {}))
        found += [notice["id"] for notice in page["notices"]]
        cursor = page["pagination"]["next_cursor"]
        if not page["pagination"]["has_more"]:
            break

    assert found == expected
    assert cursor is None
    assert page["endpoint"]["active"] is True
    assert [one["id"] for one in listed(owner, batch_id=str(batch_id))["notices"]] == expected
    assert listed(owner, batch_id=str(uuid4()))["notices"] == []
    assert listed(owner, status="failed")["notices"] == []


def test_who_has_no_endpoint_reads_null_and_no_notices(member: str) -> None:
    page = {"limit": 50, "has_more": False, "next_cursor": None}

    assert listed(member) == {"endpoint": None, "notices": [], "pagination": page}


def test_a_batch_is_replayed_or_one_notice_of_it(owner: str, world: World) -> None:
    listen(world)
    batch_id, another = str(world.batch_in("paused")), str(world.batch_in("draft"))
    world.connection.execute("update public.notices set status = 'failed', last_error = 'why', finished_at = now()")
    notice_id = world.all("notices")[0]["id"]

    def replay(**body: str) -> Reply:
        return call("notices-replay", owner, body=body)

    assert replay(batch_id=batch_id, notice_id=notice_id).body == {"replayed": 1}
    assert replay(batch_id=batch_id, notice_id=notice_id).body == {"replayed": 0}  # it waits already
    assert replay(batch_id=batch_id).body == {"replayed": 1}
    assert replay(batch_id=another, notice_id=notice_id).status == 404
    assert replay(notice_id=notice_id).error == (400, "batch_id is missing")


def test_the_events_that_can_be_asked_for_are_those_of_the_database() -> None:
    assert set(notices.EVENTS) == set(ALL)
