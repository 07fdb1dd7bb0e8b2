"""Lists in: calls-batch-append, -upload, -import-get and process-contact-imports, as a client meets them."""

from __future__ import annotations

import csv
import io
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.calling import call
from tests.factories import batch_body, fictional_numbers, forbid_number, make_agency
from tests.sql.world import World

if TYPE_CHECKING:
    from tests.factories import Agency, Connection

process = import_module("functions.process-contact-imports.handler").main
NUMBERS = fictional_numbers(6)
FINAL = (400, "Batch is already completed, failed or cancelled: it takes no more contacts")
NO_BATCH = (404, "Batch not found or does not belong to the user's agency")
NO_IMPORT = (404, "Import not found or does not belong to the user's agency")


def people(*numbers: str) -> list[dict[str, str]]:
    return [{"phone_number": number} for number in numbers]


def new_batch(agency: Agency, **fields: object) -> dict[str, Any]:
    return {name: value for name, value in (batch_body(agency) | fields).items() if name != "contacts"}


def put(url: str, content: bytes) -> None:
    headers = {"Content-Type": "text/csv"}
    httpx.put(url, content=content, headers=headers, trust_env=False).raise_for_status()


def test_contacts_are_added_after_those_that_are_there_and_none_twice(world: World, owner: str) -> None:
    forbid_number(world.connection, world.agency.id, NUMBERS[3])
    created = call("calls-batch-create", owner, body=batch_body(world.agency, people(*NUMBERS[:2])))
    batch_id = created.body["batch_id"]
    body = {"batch_id": batch_id, "contacts": people(NUMBERS[2], NUMBERS[1], NUMBERS[2], NUMBERS[3])}

    reply = call("calls-batch-append", owner, body=body)

    assert (reply.status, reply.body) == (
        200,
        {"batch_id": batch_id, "added": 2, "duplicates_skipped": 2, "skipped": 1, "total_contacts": 4},
    )
    contacts = world.contacts(UUID(batch_id))
    assert [(contact["position"], contact["phone_number"]) for contact in contacts] == list(enumerate(NUMBERS[:4]))
    assert [contact["status"] for contact in contacts] == ["pending", "pending", "pending", "skipped"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("draft", "pending"),
        ("scheduled", "pending"),
        ("pending", "pending"),
        ("processing", "queued"),
        ("paused", "queued"),
    ],
)
def test_who_is_added_is_pending_before_the_start_and_queued_after_it(
    world: World, owner: str, state: str, status: str
) -> None:
    batch_id = world.batch_in(state)

    body = {"batch_id": str(batch_id), "contacts": people("+12135550177")}
    assert call("calls-batch-append", owner, body=body).body["added"] == 1

    assert world.contacts(batch_id)[-1]["status"] == status


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("name", ["calls-batch-append", "calls-batch-upload"])
def test_a_batch_that_is_final_takes_nobody(world: World, owner: str, state: str, name: str) -> None:
    body: dict[str, Any] = {"batch_id": str(world.batch_in(state))}
    body |= {"contacts": people("+12135550177")} if name == "calls-batch-append" else {}
    before = world.snapshot()

    assert call(name, owner, body=body).error == FINAL
    assert world.snapshot() == before


@pytest.mark.parametrize("name", ["calls-batch-append", "calls-batch-upload"])
def test_another_agencys_batch_reads_as_none(owner: str, db: Connection, name: str) -> None:
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000)).batch_in(
        "pending"
    )

    for batch_id in (theirs, uuid4()):
        more = {"contacts": people("+12135550177")} if name == "calls-batch-append" else {}
        assert call(name, owner, body={"batch_id": str(batch_id), **more}).error == NO_BATCH


def test_a_repeated_request_adds_nobody(world: World, owner: str) -> None:
    body = {"batch_id": str(world.batch_in("processing")), "contacts": people("+12135550177")}

    first, again = (call("calls-batch-append", owner, body=body, headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status, first.text) == (again.status, again.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.body["added"] == 1


def test_a_repeated_upload_is_the_same_import(world: World, owner: str) -> None:
    key = {"Idempotency-Key": "k"}
    first, again = (call("calls-batch-upload", owner, body=new_batch(world.agency), headers=key) for _ in range(2))

    assert (first.status, again.status) == (201, 201)
    assert first.body["import_id"] == again.body["import_id"]
    assert len(world.all("contact_imports")) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"campaign_id": None}, "campaign_id is missing"),
        ({"batch_id": str(uuid4())}, "agent_mapping_id cannot be changed with an upload; leave it out beside batch_id"),
    ],
)
def test_an_upload_is_for_a_new_batch_or_for_one_that_exists(
    world: World, owner: str, change: dict[str, object], sentence: str
) -> None:
    assert call("calls-batch-upload", owner, body=new_batch(world.agency) | change).error == (400, sentence)


def test_a_file_goes_all_the_way_from_the_upload_to_the_report(world: World, owner: str, member: str) -> None:
    world.connection.execute("delete from public.contact_imports")
    asked = call("calls-batch-upload", owner, body=new_batch(world.agency, name="January", calls_per_minute=12))
    import_id, batch_id = asked.body["import_id"], asked.body["batch_id"]
    before = call("calls-batch-import-get", member, query={"import_id": import_id}).body

    put(asked.body["upload_url"], f"Mobile;Plan\r\n{NUMBERS[0]};gold\r\n555;\r\n{NUMBERS[1]};\r\n".encode())
    answer = process({}, None)
    after = call("calls-batch-import-get", member, query={"import_id": import_id}).body

    assert (before["status"], before["progress_percent"], before["report_url"]) == ("pending", 0, None)
    assert [entry["status"] for entry in answer["results"]] == ["completed"]
    told = {name: after[name] for name in ("status", "rows_read", "added", "invalid", "progress_percent", "columns")}
    assert told == {
        "status": "completed",
        "rows_read": 3,
        "added": 2,
        "invalid": 1,
        "progress_percent": 100,
        "columns": {"Mobile": "phone_number", "Plan": "custom_data"},
    }
    report = httpx.get(after["report_url"], trust_env=False).content.decode("utf-8-sig")
    assert [row[:3] for row in csv.reader(io.StringIO(report))][1:] == [
        ["3", "Mobile", "is no phone number that can be dialled"]
    ]
    batch = world.batch(UUID(batch_id))
    assert (batch["status"], batch["name"], batch["calls_per_minute"]) == ("draft", "January", 12)
    assert [contact["custom_data"] for contact in world.contacts(UUID(batch_id))] == [{"Plan": "gold"}, {}]
    assert process({}, None) == {"processed": 0, "message": "No pending imports"}


def test_another_agencys_import_reads_as_none(owner: str, db: Connection, world: World) -> None:
    other = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    theirs = other.verb(
        "create_contact_import",
        p_user_id=other.agency.owner,
        p_import_id=uuid4(),
        p_upload={"batch_id": str(other.batch_in("draft"))},
        p_seconds=60,
    )

    for import_id in (theirs["import_id"], str(uuid4())):
        assert call("calls-batch-import-get", owner, query={"import_id": import_id}).error == NO_IMPORT
    assert world.all("contact_imports") == []
