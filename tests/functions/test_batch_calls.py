"""The batch-call contract, as a program with an API key meets it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest

from local.processes import ROOT
from shared.settings import settings
from tests.calling import call
from tests.factories import (
    batch_body,
    batch_call_body,
    fictional_numbers,
    insert,
    make_agency,
    make_agent_mapping,
    make_api_key,
)
from tests.sql.checks import assert_sound
from tests.sql.world import World

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

    from local.stack import Stack
    from tests.calling import Reply
    from tests.factories import ApiKey, Connection
    from tests.servers import Asked


def create(key: ApiKey, body: object, **headers: str) -> Reply:
    return call("batch-call-create", body=body, headers={**key.headers, **headers})


def ask(key: ApiKey, name: str, batch_call_id: str = "", body: object = None, **query: Any) -> Reply:
    """One of the other functions, with its own method."""
    methods = {"update": "PATCH", "execute": "POST", "delete": "DELETE"}
    path = {"batch_call_id": batch_call_id} if batch_call_id else {}
    return call(
        f"batch-call-{name}", method=methods.get(name, "GET"), headers=key.headers, path_parameters=path, body=body,
        query=query,
    )  # fmt: skip


def made(key: ApiKey, world: World, tasks: Any = 3, **changes: object) -> dict[str, Any]:
    reply = create(key, batch_call_body(world.agency, tasks, **changes))
    assert reply.status == 201, reply.text
    return reply.body["data"]


def uuid_of(data: dict[str, Any]) -> UUID:
    return UUID(data["batch_call_id"].removeprefix("batch_call_"))


def now_ms(seconds: float = 0) -> int:
    return round((time.time() + seconds) * 1000)


def started(world: World, batch_id: UUID) -> None:
    """Past the product's schedule: the batch has started."""
    world.connection.execute("update public.call_batches set scheduled_for = null where id = %s", [batch_id])
    world.verb("start_call_batches", p_agency_id=world.agency.id)


def started_at_any_hour(world: World) -> None:
    """Started, with its hours open wherever its people are: whether it dials must not depend on when the tests run."""
    world.start()
    world.connection.execute(
        "update public.call_batch_zones set opens_at = batchline.clock(), closes_at = 'infinity' where agency_id = %s",
        [world.agency.id],
    )


def test_its_hours_are_eight_to_nine_in_the_time_of_the_number_or_else_of_the_batch(key: ApiKey, world: World) -> None:
    tasks = [{"to_number": number} for number in ("+12125550123", "+12085550123", "+80012345678")]
    data = made(key, world, tasks, timezone="Asia/Kathmandu", status="draft")
    batch = world.batch(uuid_of(data))
    assert (batch["calling_hours"]["timezone"], len(batch["calling_hours"]["weekly"])) == ("recipient", 7)
    assert batch["skipped"] == 0

    ask(key, "update", data["batch_call_id"], {"timezone": "Europe/Berlin"})
    ask(key, "execute", data["batch_call_id"])
    started(world, uuid_of(data))

    assert [contact["time_zones"] for contact in world.contacts(uuid_of(data))] == [
        ["America/New_York"], ["America/Boise", "America/Los_Angeles"], ["Europe/Berlin"],
    ]  # fmt: skip
    zones = "select count(*) from public.call_batch_zones where batch_id = %s and opens_at < 'infinity'"
    assert world.connection.execute(zones, [uuid_of(data)]).fetchone() == (3,)


def nothing_stored(world: World) -> bool:
    return world.all("call_batches") == []


# --- create


def test_the_seeds_request_has_the_seeds_answer(key: ApiKey, world: World) -> None:
    body = {
        "from_number": world.agency.from_number,
        "tasks": [
            {
                "to_number": "+12135550145",
                "dynamic_variables": {"first_name": "John", "last_name": "Doe", "company": "Acme Corp"},
                "max_retries": 3,
            }
        ],
        "name": "Q1 Sales Campaign",
        "trigger_timestamp": 1735718400000,
        "agent_id": f"agent_{world.agency.agent_mapping_id}",
        "timezone": "America/New_York",
        "status": "draft",
        "send_now": False,
    }

    reply = create(key, body)

    assert reply.status == 201
    data = reply.body["data"]
    assert {**reply.body, "data": None} == {
        "message": "Batch call created successfully",
        "status": "success",
        "error": None,
        "data": None,
    }
    assert re.fullmatch(r"batch_call_[0-9a-f]{32}", data["batch_call_id"])
    assert data["tasks_url"].startswith("http")
    assert abs(data["created_timestamp"] - now_ms()) < 60_000
    (agency,) = world.all("agencies")
    assert data == {
        "batch_call_id": data["batch_call_id"],
        "name": "Q1 Sales Campaign",
        "from_number": world.agency.from_number,
        "scheduled_timestamp": 1735718400000,
        "total_task_count": 1,
        "total": 1,
        "sent": 0,
        "picked_up": 0,
        "completed": 0,
        "agent_id": f"agent_{world.agency.agent_mapping_id}",
        "organization_id": agency["public_id"],
        "status": "draft",
        "timezone": "America/New_York",
        "last_sent_timestamp": None,
        "tasks_url": data["tasks_url"],
        "created_timestamp": data["created_timestamp"],
        "access_info": {"user_id": str(world.agency.owner), "session_id": reply.headers["x-request-id"]},
    }


def test_it_is_a_batch_like_any_other(key: ApiKey, world: World) -> None:
    variables = {"first_name": "John", "vip": True}
    tasks = [
        {"to_number": "+1 (213) 555-0145", "dynamic_variables": variables, "max_retries": 3},
        {"to_number": "+12135550146", "max_retries": 0},
        {"to_number": "+12135550147"},
    ]

    data = made(key, world, tasks, name="January")

    batch = world.batch(uuid_of(data))
    assert (batch["status"], batch["campaign_id"], batch["created_by"]) == ("pending", None, str(world.agency.owner))
    assert (batch["calls_per_minute"], batch["max_concurrent"], batch["timezone"]) == (30, 10, "UTC")
    contacts = world.contacts(uuid_of(data))
    assert [contact["phone_number"] for contact in contacts] == ["+12135550145", "+12135550146", "+12135550147"]
    assert [contact["max_attempts"] for contact in contacts] == [4, 1, 3]
    assert contacts[0]["custom_data"] == variables
    assert_sound(world.connection)


def test_pace_and_places_are_those_of_the_agencys_settings(key: ApiKey, world: World) -> None:
    world.set("agencies", world.agency.id, default_calls_per_minute=45, default_max_concurrent=7)

    batch = world.batch(uuid_of(made(key, world)))

    assert (batch["calls_per_minute"], batch["max_concurrent"]) == (45, 7)


def test_the_variables_are_what_the_agent_is_told(key: ApiKey, world: World) -> None:
    made(key, world, [{"to_number": "+12135550145", "dynamic_variables": {"first_name": "John"}}])
    started_at_any_hour(world)

    (order,) = world.claim_answer()["calls"]

    assert order["custom_data"] == {"first_name": "John"}


@pytest.mark.parametrize(
    ("fields", "status", "shown"),
    [
        ({}, "pending", "sent"),
        ({"status": "sent"}, "pending", "sent"),
        ({"send_now": True}, "pending", "sent"),
        ({"send_now": True, "trigger_timestamp": lambda: now_ms(3600)}, "pending", "sent"),
        ({"send_now": True, "trigger_timestamp": 1735718400000, "status": "scheduled"}, "pending", "sent"),
        ({"trigger_timestamp": lambda: now_ms(-60)}, "pending", "sent"),
        ({"trigger_timestamp": 4102444800000}, "scheduled", "scheduled"),
        ({"trigger_timestamp": 4102444800000, "status": "scheduled"}, "scheduled", "scheduled"),
        ({"trigger_timestamp": 4102444800000, "status": "sent"}, "scheduled", "scheduled"),
        ({"status": "draft"}, "draft", "draft"),
        ({"status": "draft", "trigger_timestamp": 4102444800000}, "draft", "draft"),
    ],
)
def test_when_it_starts(key: ApiKey, world: World, fields: dict[str, Any], status: str, shown: str) -> None:
    fields = {name: value() if callable(value) else value for name, value in fields.items()}  # now, not at collection
    data = made(key, world, **fields)

    assert (world.batch(uuid_of(data))["status"], data["status"]) == (status, shown)
    keeps_its_time = status in ("scheduled", "draft")
    assert data["scheduled_timestamp"] == (fields.get("trigger_timestamp") if keeps_its_time else None)


BIG = {"text": "x" * (5 * 1024 + 1 - len('{"text":""}'))}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tasks": []}, "tasks must hold at least 1 entry"),
        ({"tasks": [{"to_number": "+12135550145"}] * 1001}, "tasks must hold at most 1,000 entries"),
        ({"tasks": [{"to_number": "+12125550199"}]}, "tasks[0].to_number must not be the from_number"),
        (
            {"tasks": [{"to_number": "+12135550145"}, {"to_number": "+12135550146"}, {"to_number": "+1 213 555 0145"}]},
            "tasks[0] and tasks[2] have the same to_number",
        ),
        (
            {"tasks": [{"to_number": "+12135550145", "dynamic_variables": BIG}]},
            "tasks[0].dynamic_variables must be at most 5 KB of JSON",
        ),
        (
            {"tasks": [{"to_number": "+12135550145", "max_retries": 11}]},
            "tasks[0].max_retries must be at most 10",
        ),
        ({"timezone": "Mars/Olympus"}, "timezone must be an IANA time zone, such as America/New_York"),
        ({"agent_id": "7ff47846-c8a0-4304-ae13-88cfc31c1a03"}, "agent_id must be agent_ and a UUID"),
        ({"agent_id": None}, "agent_id is missing"),
        ({"name": "x" * 256}, "name must be at most 255 characters long"),
        ({"from_number": "4155550100"}, "from_number must be in E.164 form, such as +12135550123"),
        ({"status": "completed"}, "status must be one of 'draft', 'scheduled' or 'sent'"),
        ({"trigger_timestamp": "1735718400000"}, "trigger_timestamp must be a whole number"),
        ({"trigger_timestamp": 1735718400000}, "trigger_timestamp must not lie in the past"),
        ({"status": "scheduled"}, "trigger_timestamp must lie in the future where status is scheduled"),
        (
            {"status": "scheduled", "trigger_timestamp": now_ms(-60)},
            "trigger_timestamp must lie in the future where status is scheduled",
        ),
        ({"status": "draft", "send_now": True}, "send_now cannot be true for a draft"),
        ({"campaign_id": str(uuid4())}, "campaign_id is not a known field"),
    ],
)
def test_a_bad_field_is_named_in_the_envelope(key: ApiKey, world: World, fields: dict[str, Any], sentence: str) -> None:
    reply = create(key, {**batch_call_body(world.agency), **fields})

    assert reply.status == 400
    assert reply.body["error"] == sentence
    assert (reply.body["message"], reply.body["status"]) == ("Failed to create batch call", "error")
    assert (reply.body["data"], reply.body["code"]) == (None, "bad_request")
    assert reply.body["request_id"] == reply.headers["x-request-id"]
    assert nothing_stored(world)


@pytest.mark.parametrize(
    ("raw", "status", "sentence"),
    [
        (b'{"tasks": ', 400, "The body is not valid JSON: Expecting value (line 1, column 11)"),
        (b"[]", 400, "The body must be a JSON object"),
        (b'{"x":"' + b"x" * 4_500_000 + b'"}', 413, "The body is larger than 4 MB"),
        (b"", 400, "from_number is missing"),
    ],
    ids=["broken", "list", "large", "empty"],
)
def test_a_body_that_is_no_good_is_refused_in_the_envelope(
    key: ApiKey, world: World, raw: bytes, status: int, sentence: str
) -> None:
    reply = create(key, raw)

    assert reply.error == (status, sentence)
    assert (reply.body["message"], reply.body["status"], reply.body["data"]) == (
        "Failed to create batch call",
        "error",
        None,
    )
    assert nothing_stored(world)


def test_a_database_that_cannot_be_reached_is_our_fault_and_no_detail_is_told(
    key: ApiKey, database_away: Callable[[], None]
) -> None:
    database_away()

    reply = ask(key, "list")

    assert (reply.status, reply.body) == (
        500,
        {
            "message": "Failed to retrieve batch calls",
            "status": "error",
            "error": "Something went wrong on our side.",
            "code": "internal_error",
            "data": None,
            "request_id": reply.headers["x-request-id"],
        },
    )


def test_no_log_line_shows_a_phone_number_or_a_secret(key: ApiKey, world: World, log: io.StringIO) -> None:
    create(key, batch_call_body(world.agency))
    create(key, batch_call_body(world.agency, [{"to_number": world.agency.from_number}]))
    create(key, batch_call_body(world.agency, from_number="+12125550151"))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["status"] for line in lines if line["message"] == "answered"] == [201, 400, 404]
    assert {line["api_key"] for line in lines} == {key.api_key}
    assert "5550" not in log.getvalue()
    assert key.api_secret not in log.getvalue()


def test_variables_of_five_kilobytes_and_a_thousand_tasks_are_taken(key: ApiKey, world: World) -> None:
    big = {"text": BIG["text"][1:]}
    tasks: list[dict[str, object]] = [{"to_number": number} for number in fictional_numbers(1000)]
    tasks[0] = {"to_number": tasks[0]["to_number"], "dynamic_variables": big}

    assert made(key, world, tasks)["total"] == 1000


def test_what_is_another_agencys_reads_as_what_does_not_exist(key: ApiKey, world: World, db: Connection) -> None:
    other = make_agency(db, "Globex")
    insert(db, "agency_phone_numbers", agency_id=other.id, phone_number="+12125550150")

    for field, theirs, random, code in (
        ("agent_id", f"agent_{other.agent_mapping_id}", f"agent_{uuid4()}", "agent_not_found"),
        ("from_number", "+12125550150", "+12125550151", "from_number_not_found"),
    ):
        replies = [create(key, {**batch_call_body(world.agency), field: value}) for value in (theirs, random)]
        assert {(reply.status, reply.body["code"]) for reply in replies} == {(404, code)}
        assert len({reply.body["error"] for reply in replies}) == 1
        assert replies[0].body["error"].startswith(f"{field}: ")
    assert nothing_stored(world)


# --- the list in object storage


def objects(batch_id: UUID | None = None) -> list[str]:
    s3 = cast("Any", boto3).client("s3")
    try:
        prefix = f"batch-calls/{batch_id or ''}"
        found = s3.list_objects_v2(Bucket=settings().storage_bucket, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]
    finally:
        s3.close()


def test_the_tasks_url_is_a_link_of_an_hour_to_the_tasks_as_they_were_sent(key: ApiKey, world: World) -> None:
    task = {"to_number": "+12135550145", "dynamic_variables": {"first_name": "John"}, "max_retries": 3}

    url = made(key, world, [task, {"to_number": "+12135550146"}])["tasks_url"]

    answer = httpx.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == [task, {"to_number": "+12135550146"}]
    assert answer.headers["x-amz-server-side-encryption"] == "AES256"
    assert httpx.URL(url).params["X-Amz-Expires"] == "3600"


def test_the_bucket_is_closed_to_the_public() -> None:
    s3 = cast("Any", boto3).client("s3")
    block: dict[str, bool] = s3.get_public_access_block(Bucket=settings().storage_bucket)[
        "PublicAccessBlockConfiguration"
    ]
    s3.close()

    assert set(block.values()) == {True}


def test_a_refused_request_leaves_no_list_behind(key: ApiKey, world: World) -> None:
    before = objects()

    create(key, batch_call_body(world.agency, agent_id=f"agent_{uuid4()}"))
    create(make_api_key(world.connection, world.agency, revoked_at="2020-01-01"), batch_call_body(world.agency))

    assert objects() == before


def test_without_object_storage_nothing_is_stored(key: ApiKey, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_BUCKET", "there-is-none")
    settings.cache_clear()

    reply = create(key, batch_call_body(world.agency))
    monkeypatch.undo()
    settings.cache_clear()

    assert (reply.status, reply.body["code"]) == (500, "internal_error")
    assert (reply.body["status"], reply.body["data"]) == ("error", None)
    assert nothing_stored(world)


KILLED = """
import json, os, signal, sys
from shared import crash_points
from tests.calling import call

def die(point):
    if point == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

crash_points.hook = die
call("batch-call-create", **json.loads(sys.stdin.read()))
"""


def test_a_crash_between_the_list_and_the_database_leaves_no_half_batch(key: ApiKey, world: World) -> None:
    before = objects()
    body, headers = batch_call_body(world.agency), {**key.headers, "Idempotency-Key": "k"}

    dead = subprocess.run(
        [sys.executable, "-c", KILLED, "tasks_stored"],
        input=json.dumps({"body": body, "headers": headers}),
        cwd=ROOT,
        text=True,
        check=False,
        timeout=60,
    )

    assert dead.returncode == -signal.SIGKILL
    assert nothing_stored(world)
    assert world.all("campaign_contacts") == world.all_kept() == []
    assert len(objects()) == len(before) + 1  # it had come that far
    again = call("batch-call-create", body=body, headers=headers)
    assert (again.status, "idempotent-replayed" in again.headers) == (201, False)
    assert [batch["total_contacts"] for batch in world.all("call_batches")] == [3]


# --- once


def test_a_repeated_request_has_the_first_answer_with_a_fresh_link(key: ApiKey, world: World) -> None:
    before = len(objects())
    body = batch_call_body(world.agency, name="January", trigger_timestamp=now_ms(3600))

    first, second = (create(key, body, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert second.headers["idempotent-replayed"] == "true"
    answers = [reply.body["data"] for reply in (first, second)]
    links = [answer.pop("tasks_url") for answer in answers]
    assert answers[0] == answers[1]
    assert httpx.get(links[1]).json() == httpx.get(links[0]).json()
    assert len(world.all("call_batches")) == 1
    assert len(objects()) == before + 1


def test_thirty_at_once_make_one_batch(key: ApiKey, world: World) -> None:
    before = len(objects())
    body = batch_call_body(world.agency, 200)

    with ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(create, key, body, **{"Idempotency-Key": "k"}) for _ in range(30)]
        replies = [one.result() for one in asked]

    assert len(world.all("call_batches")) == 1
    assert {reply.status for reply in replies} <= {201, 409}
    first = [reply for reply in replies if reply.status == 201 and "idempotent-replayed" not in reply.headers]
    assert len(first) == 1
    assert {reply.body["data"]["batch_call_id"] for reply in replies if reply.status == 201} == {
        first[0].body["data"]["batch_call_id"]
    }
    assert len(objects()) == before + 1


def test_the_same_key_is_another_with_another_body_and_at_another_endpoint(
    key: ApiKey, world: World, owner: str
) -> None:
    create(key, batch_call_body(world.agency), **{"Idempotency-Key": "k"})

    changed = create(key, batch_call_body(world.agency, name="other"), **{"Idempotency-Key": "k"})
    elsewhere = call("calls-batch-create", owner, body=batch_body(world.agency), headers={"Idempotency-Key": "k"})

    assert (changed.status, changed.body["code"]) == (422, "idempotency_key_reused")
    assert elsewhere.status == 201


# --- reading


def test_a_batch_call_is_shown_at_each_stage(key: ApiKey, world: World) -> None:
    world.set("agencies", world.agency.id, default_calls_per_minute=6000)
    data = made(key, world, 3, status="draft")
    batch_call_id = data["batch_call_id"]

    def shown() -> dict[str, Any]:
        reply = ask(key, "get", batch_call_id)
        assert (reply.status, reply.body["message"]) == (200, "Batch call retrieved successfully")
        return reply.body["data"]

    def figures() -> tuple[Any, ...]:
        found = shown()
        return tuple(found[name] for name in ("status", "total", "sent", "picked_up", "completed"))

    assert shown().keys() == data.keys() - {"access_info"}
    assert figures() == ("draft", 3, 0, 0, 0)
    ask(key, "execute", batch_call_id)
    started_at_any_hour(world)
    assert figures() == ("sent", 3, 0, 0, 0)
    calls = world.dial()
    world.accept(calls)
    assert figures() == ("sent", 3, 3, 0, 0)
    assert abs(shown()["last_sent_timestamp"] - now_ms()) < 60_000
    world.finish(calls[0], talk_seconds=30)
    world.finish(calls[1], sip="INVALID_NUMBER")
    assert figures() == ("sent", 3, 3, 1, 2)
    tasks = ask(key, "tasks", batch_call_id).body["data"]["tasks"]
    assert [task["status"] for task in tasks] == ["COMPLETED", "FAILED", "CALLING"]
    assert [bool(task["error_message"]) for task in tasks] == [False, True, False]
    world.finish(calls[2], talk_seconds=30)
    assert figures() == ("completed", 3, 3, 2, 3)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("draft", "draft"),
        ("scheduled", "scheduled"),
        ("pending", "sent"),
        ("processing", "sent"),
        ("paused", "sent"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("cancelled", "failed"),
    ],
)
def test_each_state_has_its_outward_name_also_of_batches_that_people_made(
    key: ApiKey, world: World, status: str, shown: str
) -> None:
    batch_id = world.batch_in(status)

    data = ask(key, "get", f"batch_call_{batch_id.hex}").body["data"]

    assert (data["status"], data["tasks_url"]) == (shown, None)


def test_a_page_of_batch_calls_in_every_order(key: ApiKey, world: World) -> None:
    ids = [made(key, world, 1, name=name)["batch_call_id"] for name in ("b", "c", "a", "d")]
    ask(key, "update", ids[1], {"name": "c"})

    def listed(**query: Any) -> list[str]:
        data = ask(key, "list", **query).body["data"]
        return [batch["batch_call_id"] for batch in data["batch_calls"]]

    assert listed() == ids[::-1]
    assert listed(sort_order="asc") == ids
    assert listed(sort_by="name", sort_order="asc") == [ids[2], ids[0], ids[1], ids[3]]
    assert listed(sort_by="name") == [ids[3], ids[1], ids[0], ids[2]]
    assert listed(sort_by="updated_at") == [ids[1], ids[3], ids[2], ids[0]]
    assert listed(sort_by="updated_at", sort_order="asc") == [ids[0], ids[2], ids[3], ids[1]]
    assert [listed(limit=3, page=page) for page in (0, 1, 2)] == [ids[:0:-1], ids[:1], []]
    data = ask(key, "list", limit=3).body["data"]
    assert data["pagination"] == {"page": 0, "limit": 3, "total": 4, "has_more": True}
    assert ask(key, "list", limit=1000).body["data"]["pagination"]["limit"] == 100
    assert data["batch_calls"][0].keys() == ask(key, "get", ids[0]).body["data"].keys()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"page": -1}, "page must be a whole number of at least 0"),
        ({"limit": "all"}, "limit must be a whole number of at least 0"),
        ({"sort_by": "status"}, "sort_by must be one of 'created_at', 'updated_at' or 'name'"),
        ({"sort_order": "up"}, "sort_order must be one of 'asc' or 'desc'"),
        ({"offset": 1}, "offset is not a known field"),
    ],
)
def test_a_bad_query_is_named(key: ApiKey, query: dict[str, Any], sentence: str) -> None:
    assert ask(key, "list", **query).body["error"] == sentence


def test_tasks_come_in_the_order_of_the_list_page_by_page(key: ApiKey, world: World) -> None:
    batch_call_id = made(key, world, 5)["batch_call_id"]

    pages = [ask(key, "tasks", batch_call_id, limit=2, page=page).body["data"] for page in range(3)]

    numbers = [task["to_number"] for page in pages for task in page["tasks"]]
    assert numbers == fictional_numbers(5)
    assert [page["pagination"]["has_more"] for page in pages] == [True, True, False]
    assert pages[0]["tasks"][0].keys() == {
        "task_id", "to_number", "status", "call_id", "error_message", "created_at"
    }  # fmt: skip
    assert {task["status"] for page in pages for task in page["tasks"]} == {"PENDING"}


# --- changing


def test_what_is_given_is_changed_and_nothing_else(key: ApiKey, world: World) -> None:
    data = made(key, world, name="January", status="draft", timezone="Europe/London")
    agent = make_agent_mapping(world.connection, world.agency.id)
    changes = {"name": "February", "agent_id": f"agent_{agent}", "trigger_timestamp": 4102444800000}

    reply = ask(key, "update", data["batch_call_id"], changes)

    assert reply.body["message"] == "Batch call updated successfully"
    before = {name: value for name, value in data.items() if name not in ("access_info", "tasks_url")}
    after = {name: value for name, value in reply.body["data"].items() if name != "tasks_url"}
    moved = {"name": "February", "agent_id": f"agent_{agent}", "scheduled_timestamp": 4102444800000}
    assert after == before | moved


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ("draft", {"trigger_timestamp": 4102444800000}, ("draft", 4102444800000)),
        ("draft", {"trigger_timestamp": 1735718400000}, ("draft", 1735718400000)),
        ("draft", {"status": "scheduled", "trigger_timestamp": 4102444800000}, ("scheduled", 4102444800000)),
        ("draft", {"status": "sent"}, ("pending", None)),
        ("draft", {"send_now": True}, ("pending", None)),
        ("draft", {"send_now": False}, ("draft", None)),
        ("scheduled", {"name": "other"}, ("scheduled", None)),
        ("scheduled", {"status": "draft"}, ("draft", None)),
        ("scheduled", {"trigger_timestamp": 4102444800000}, ("scheduled", 4102444800000)),
        ("scheduled", {"send_now": True}, ("pending", None)),
    ],
)
def test_until_it_starts_a_batch_may_be_put_to_another_time(
    key: ApiKey, world: World, before: str, changes: dict[str, Any], after: tuple[str, int | None]
) -> None:
    batch_id = world.batch_in(before)

    reply = ask(key, "update", f"batch_call_{batch_id.hex}", changes)

    assert reply.status == 200, reply.text
    assert world.batch(batch_id)["status"] == after[0]
    if after[1] or after[0] == "pending":
        assert reply.body["data"]["scheduled_timestamp"] == after[1]


@pytest.mark.parametrize(
    ("before", "changes", "sentence"),
    [
        ("draft", {}, "Send at least one field to change"),
        ("draft", {"status": "scheduled"}, "trigger_timestamp must lie in the future where status is scheduled"),
        ("draft", {"status": "draft", "send_now": True}, "send_now cannot be true for a draft"),
        (
            "scheduled",
            {"trigger_timestamp": 1735718400000},
            "trigger_timestamp must lie in the future where status is scheduled",
        ),
        (
            "scheduled",
            {"trigger_timestamp": None},
            "trigger_timestamp must lie in the future where status is scheduled",
        ),
        ("draft", {"tasks": []}, "tasks is not a known field"),
        ("draft", {"batch_call_id": "x"}, "batch_call_id is not a known field"),
        ("pending", {"timezone": "Europe/London"}, "Batch call has started: only its name can be changed"),
        ("processing", {"send_now": True}, "Batch call has started: only its name can be changed"),
        ("paused", {"status": "draft"}, "Batch call has started: only its name can be changed"),
        ("completed", {"name": "other"}, "Batch call has ended and cannot be changed"),
        ("failed", {"name": "other"}, "Batch call has ended and cannot be changed"),
        ("cancelled", {"name": "other"}, "Batch call has ended and cannot be changed"),
    ],
)
def test_what_may_not_be_changed_stays(
    key: ApiKey, world: World, before: str, changes: dict[str, Any], sentence: str
) -> None:
    batch_id = world.batch_in(before)
    snapshot = world.snapshot()

    reply = ask(key, "update", f"batch_call_{batch_id.hex}", changes)

    assert reply.error == (400, sentence)
    assert world.snapshot() == snapshot


@pytest.mark.parametrize("status", ["pending", "processing", "paused"])
def test_the_name_may_be_changed_until_the_end(key: ApiKey, world: World, status: str) -> None:
    batch_id = world.batch_in(status)

    reply = ask(key, "update", f"batch_call_{batch_id.hex}", {"name": "other"})

    assert (reply.body["data"]["name"], world.batch(batch_id)["status"]) == ("other", status)


def test_an_agent_of_another_agency_is_not_taken(key: ApiKey, world: World, db: Connection) -> None:
    batch_id = world.batch_in("draft")
    theirs = make_agency(db, "Globex").agent_mapping_id

    reply = ask(key, "update", f"batch_call_{batch_id.hex}", {"agent_id": f"agent_{theirs}"})

    assert (reply.status, reply.body["code"]) == (404, "agent_not_found")


@pytest.mark.parametrize("status", ["draft", "scheduled"])
def test_executing_starts_a_batch_with_the_next_run(key: ApiKey, world: World, status: str) -> None:
    batch_id = world.batch_in(status)

    reply = ask(key, "execute", f"batch_call_{batch_id.hex}")

    assert (reply.status, reply.body["data"]["status"]) == (200, "sent")
    world.start()
    assert world.batch(batch_id)["status"] == "processing"


@pytest.mark.parametrize("status", ["pending", "processing", "paused", "completed", "failed", "cancelled"])
def test_what_has_been_sent_is_not_executed(key: ApiKey, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = ask(key, "execute", f"batch_call_{batch_id.hex}")

    sentence = "Batch call has been sent (only drafts and scheduled ones can be executed)"
    assert (reply.error, reply.body["code"]) == ((400, sentence), "batch_call_not_executable")
    assert world.snapshot() == before


@pytest.mark.parametrize("status", ["draft", "completed", "failed", "cancelled"])
def test_what_was_deleted_is_hidden_from_everybody_while_its_calls_stay(
    key: ApiKey, world: World, owner: str, status: str
) -> None:
    batch_id = world.batch_in(status)
    batch_call_id = f"batch_call_{batch_id.hex}"
    calls = world.calls(batch_id)

    reply = ask(key, "delete", batch_call_id)

    assert (reply.status, reply.body["data"]) == (200, {"batch_call_id": batch_call_id})
    for name in ("get", "tasks", "execute", "delete"):
        assert ask(key, name, batch_call_id).error == (404, "Batch call not found")
    assert ask(key, "update", batch_call_id, {"name": "x"}).status == 404
    assert ask(key, "list").body["data"]["batch_calls"] == []
    query = {"batch_id": str(batch_id)}
    assert call("calls-batch-get", owner, query=query).status == 404
    assert call("calls-batch-list", owner).body["batches"] == []
    for verb in ("execute", "pause", "resume", "cancel"):
        assert call(f"calls-batch-{verb}", owner, body=query).status == 404
    seen = "select (select count(*) from public.call_batches), (select count(*) from public.campaign_contacts)"
    assert world.seen_by(world.agency.owner, seen) == (0, 0)
    assert world.calls(batch_id) == calls


def test_of_executing_and_deleting_at_once_exactly_one_wins(key: ApiKey, world: World) -> None:
    for _ in range(5):
        batch_id = world.batch_in("draft")
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask, key, name, f"batch_call_{batch_id.hex}") for name in ("execute", "delete")]
            executed, deleted = (one.result().status for one in asked)

        row = world.batch(batch_id)
        if executed == 200:
            assert (deleted, row["status"], row["deleted_at"]) == (400, "pending", None)
        else:
            assert (executed, deleted, row["status"]) == (404, 200, "draft")
            assert row["deleted_at"]


@pytest.mark.parametrize("status", ["scheduled", "pending", "processing", "paused"])
def test_what_will_run_or_runs_is_not_deleted(key: ApiKey, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = ask(key, "delete", f"batch_call_{batch_id.hex}")

    assert (reply.status, reply.body["code"]) == (400, "batch_call_not_deletable")
    assert world.snapshot() == before


def test_the_list_of_a_deleted_batch_call_is_gone(key: ApiKey, world: World) -> None:
    data = made(key, world, status="draft")
    assert len(objects(uuid_of(data))) == 1

    ask(key, "delete", data["batch_call_id"])

    assert objects(uuid_of(data)) == []
    assert httpx.get(data["tasks_url"]).status_code == 404


# --- who


@pytest.mark.parametrize("name", ["create", "list", "get", "update", "execute", "tasks", "delete"])
def test_who_has_no_good_key_learns_that_and_nothing_else(
    key: ApiKey, world: World, name: str, counted: list[Asked]
) -> None:
    batch_id = world.batch_in("draft")
    before = world.snapshot()
    other = make_api_key(world.connection, world.agency)
    revoked = make_api_key(world.connection, world.agency, revoked_at="2020-01-01")
    wrong: list[tuple[dict[str, str], int]] = [
        ({}, 0),
        ({"x-api-key": key.api_key}, 0),
        ({"x-api-secret": key.api_secret}, 0),
        ({**key.headers, "x-api-secret": "nonsense"}, 0),
        ({**key.headers, "x-api-secret": key.api_secret[:-1] + "x"}, 0),
        ({**key.headers, "x-api-secret": other.api_secret}, 1),
        ({**key.headers, "x-api-key": "bl_key_0f0nobody"}, 1),
        (revoked.headers, 1),
    ]

    for headers, asked in wrong:
        for path in (f"batch_call_{batch_id.hex}", "7"):
            counted.clear()
            reply = call(
                f"batch-call-{name}",
                method={"create": "POST", "update": "PATCH", "execute": "POST", "delete": "DELETE"}.get(name, "GET"),
                body=batch_call_body(world.agency) if name == "create" else {"name": "x"} if name == "update" else None,
                headers=headers,
                path_parameters={} if name in ("create", "list") else {"batch_call_id": path},
            )
            assert reply.error == (401, "Missing or invalid API key or secret")
            assert reply.headers["www-authenticate"] == "ApiKey"
            assert (reply.body["status"], reply.body["data"], reply.body["code"]) == ("error", None, "unauthorized")
            assert len(counted) == asked
    assert world.snapshot() == before


def test_another_agencys_batch_reads_as_one_that_does_not_exist(key: ApiKey, db: Connection) -> None:
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    batch_id = theirs.batch_in("draft")
    before = theirs.snapshot()

    for name, body in (("get", None), ("update", {"name": "x"}), ("execute", None), ("tasks", None), ("delete", None)):
        replies = [ask(key, name, f"batch_call_{one.hex}", body) for one in (batch_id, uuid4())]
        assert {reply.error for reply in replies} == {(404, "Batch call not found")}
        assert {reply.body["code"] for reply in replies} == {"batch_call_not_found"}
        assert ask(key, name, "batch_call_7", body).error == (
            400,
            "batch_call_id must be batch_call_ and 32 hexadecimal digits",
        )
    assert ask(key, "list").body["data"]["batch_calls"] == []
    assert theirs.snapshot() == before


def test_a_request_is_one_round_trip_and_a_second_counts_what_the_database_refused(
    key: ApiKey, world: World, counted: list[Asked]
) -> None:
    draft, done = (f"batch_call_{world.batch_in(status).hex}" for status in ("draft", "completed"))
    requests = [
        lambda: create(key, batch_call_body(world.agency)),
        lambda: create(key, {}),
        lambda: ask(key, "list"),
        lambda: ask(key, "list", limit="x"),
        lambda: ask(key, "get", draft),
        lambda: ask(key, "get", "7"),
        lambda: ask(key, "tasks", draft),
        lambda: ask(key, "update", draft, {"name": "x"}),
        lambda: ask(key, "update", done, {"name": "x"}),
        lambda: ask(key, "execute", draft),
        lambda: ask(key, "execute", draft),
        lambda: ask(key, "delete", done),
    ]

    for request in requests:
        counted.clear()
        reply = request()
        assert reply.status < 500
        by_database = reply.status >= 400 and reply.body["code"] != "bad_request"
        assert [one.path for one in counted[1:]] == ["/rpc/authorize_api_key"] * by_database


def test_a_write_with_a_key_that_the_database_refuses_counts_as_well(
    key: ApiKey, world: World, counted: list[Asked]
) -> None:
    done = made(key, world)["batch_call_id"]
    world.set("agencies", world.agency.id, max_requests_per_minute=3)  # one is taken

    for _ in range(2):
        assert ask(key, "delete", done).status == 400
    for _ in range(2):
        counted.clear()
        reply = ask(key, "delete", done)
        assert (reply.status, reply.body["code"], reply.body["data"]) == (429, "too_many_requests", None)
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert counted == []
    assert ask(key, "get", done).status == 200


def test_a_key_that_is_none_is_not_counted_and_not_remembered(key: ApiKey, world: World, counted: list[Asked]) -> None:
    world.set("agencies", world.agency.id, max_requests_per_minute=1)
    stranger = make_api_key(world.connection, make_agency(world.connection, "Globex"))
    mixed = replace(key, api_secret=stranger.api_secret)
    made(key, world)

    for _ in range(3):
        counted.clear()
        assert create(mixed, batch_call_body(world.agency)).status == 401
        assert len(counted) == 1


def test_a_key_that_is_used_too_often_to_write_is_told_when_to_try_again(key: ApiKey, world: World) -> None:
    world.set("agencies", world.agency.id, max_requests_per_minute=1)
    made(key, world)

    for body in (batch_call_body(world.agency), {"unknown": "field"}):
        reply = create(key, body)
        assert (reply.status, reply.body["code"], reply.body["status"]) == (429, "too_many_requests", "error")
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert len(world.all("call_batches")) == 1
    assert ask(key, "list").status == 200
    assert create(make_api_key(world.connection, world.agency), batch_call_body(world.agency)).status == 201


def test_the_last_use_of_a_key_is_kept(key: ApiKey, owner: str) -> None:
    ask(key, "list")

    (listed,) = call("api-keys-list", owner).body
    assert listed["last_used_at"]


# --- over HTTP


def test_the_paths_and_methods_lead_where_they_should(key: ApiKey, world: World, stack: Stack) -> None:
    url = f"{stack.url}/batch-call"
    with httpx.Client(headers=key.headers) as client:
        created = client.post(url, json=batch_call_body(world.agency, status="draft"))
        one = f"{url}/{created.json()['data']['batch_call_id']}"
        answers = [
            (created, 201, "created"),
            (client.get(f"{url}/list"), 200, "retrieved"),
            (client.get(one), 200, "retrieved"),
            (client.patch(one, json={"name": "other"}), 200, "updated"),
            (client.get(f"{one}/tasks"), 200, "Tasks retrieved"),
            (client.post(f"{one}/execute"), 200, "executed"),
            (client.delete(one), 400, "Failed to delete"),
        ]
        for answer, status, words in answers:
            assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.text
        for path, method, allowed in (
            (url, "GET", "POST, OPTIONS"),
            (f"{url}/list", "POST", "GET, OPTIONS"),
            (one, "PUT", "GET, PATCH, DELETE, OPTIONS"),
            (f"{one}/tasks", "DELETE", "GET, OPTIONS"),
            (f"{one}/execute", "GET", "POST, OPTIONS"),
        ):
            refused = client.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
            assert (refused.json()["status"], refused.json()["code"]) == ("error", "method_not_allowed")
        preflight = client.options(one, headers={"origin": "https://app.example"})
        assert preflight.headers["access-control-allow-methods"] == "GET, PATCH, DELETE, OPTIONS"
        assert "x-api-secret" in preflight.headers["access-control-allow-headers"]


def test_the_demo_agencys_key_opens_the_demo_agency(stack: Stack) -> None:
    env = stack.env
    body = {
        "from_number": env["DEMO_FROM_NUMBER"],
        "agent_id": f"agent_{env['DEMO_AGENT_MAPPING_ID']}",
        "tasks": [{"to_number": "+12135550145"}],
        "status": "draft",
    }
    headers = {"X-API-KEY": env["DEMO_API_KEY"], "X-API-SECRET": env["DEMO_API_SECRET"]}

    answer = httpx.post(f"{env['FUNCTIONS_URL']}/batch-call", headers=headers, json=body)

    assert answer.status_code == 201, answer.text
    one = f"{env['FUNCTIONS_URL']}/batch-call/{answer.json()['data']['batch_call_id']}"
    assert httpx.delete(one, headers=headers).json()["status"] == "success"
    assert json.loads(answer.text)["data"]["organization_id"] == "acme0000000000000000"
