from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.calling import call
from tests.factories import fictional_numbers, make_agency
from tests.sql.world import World

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping
    from uuid import UUID

    from tests.calling import Reply
    from tests.factories import Agency, Connection
    from tests.functions.conftest import StoreSecret
    from tests.servers import Asked

NUMBER = "+12135550123"
SECRET = "a-secret-of-this-test"
SENTENCE = "Your number is on our do-not-call list now. We will not call you again."


def add(token: str, numbers: list[str], *, key: str | None = None, **body: object) -> Reply:
    headers = {"Idempotency-Key": key} if key else {}
    return call("do-not-call-add", token, body={"phone_numbers": numbers, **body}, headers=headers)


def listed(token: str, **query: object) -> Any:
    reply = call("do-not-call-list", token, query=query)
    assert reply.status == 200
    return reply.body


def test_numbers_are_added_once_each_in_e164(owner: str, agency: Agency, world: World) -> None:
    batch_id = world.processing([NUMBER])

    reply = add(owner, ["+1 (213) 555-0123", NUMBER, "+12135550124"], reason="Asked by letter")

    assert (reply.status, reply.body) == (201, {"added": 2, "already_listed": 0, "contacts_skipped": 1})
    assert world.contacts(batch_id)[0]["status"] == "skipped"
    answer = listed(owner)
    assert {entry.pop("created_at")[-1] for entry in answer["numbers"]} == {"Z"}
    why = {"reason": "Asked by letter", "added_by": str(agency.owner), "call_id": None}
    assert answer["numbers"] == [{"phone_number": "+12135550124", **why}, {"phone_number": NUMBER, **why}]


def test_the_contact_of_a_batch_says_whether_its_number_is_on_the_list(owner: str, world: World) -> None:
    batch_id = world.create([NUMBER, "+12135550124"])
    add(owner, [NUMBER])

    def shown() -> list[bool]:
        contacts = call("calls-batch-get", owner, query={"batch_id": batch_id}).body["contacts"]
        return [contact["do_not_call"] for contact in contacts]

    assert shown() == [True, False]
    assert call("do-not-call-remove", owner, body={"phone_numbers": ["+1 213 555 0123"]}).body == {"removed": 1}
    assert shown() == [False, False]


def test_one_bad_number_refuses_them_all_and_is_named(owner: str, world: World) -> None:
    batch_id = world.create([NUMBER])

    reply = add(owner, [NUMBER, "5550123", "+15551234567"])

    sentence = "must be a valid phone number with its country code, such as +12135550123"
    assert reply.error == (400, f"phone_numbers[1] {sentence}")
    assert reply.body["errors"] == [{"index": n, "field": None, "message": sentence} for n in (1, 2)]
    assert reply.body["error_count"] == 2
    assert world.all_listed() == []
    assert world.contacts(batch_id)[0]["status"] == "pending"


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([], "phone_numbers must hold at least 1 entry"),
        ([NUMBER] * 10_001, "phone_numbers must hold at most 10,000 entries"),
    ],
    ids=["none", "too many"],
)
def test_there_are_at_least_one_and_at_most_ten_thousand(owner: str, numbers: list[str], sentence: str) -> None:
    assert add(owner, numbers).error == (400, sentence)
    assert call("do-not-call-remove", owner, body={"phone_numbers": numbers}).error == (400, sentence)


def test_ten_thousand_are_one_request_and_one_round_trip(owner: str, world: World, counted: list[Asked]) -> None:
    numbers = fictional_numbers(10_000)
    world.create(numbers[:1_000])
    world.create(numbers[500:1_500])
    counted.clear()

    reply = add(owner, numbers)

    assert reply.body == {"added": 10_000, "already_listed": 0, "contacts_skipped": 2_000}
    assert len(counted) == 1


def test_a_repeated_request_is_answered_as_the_first(owner: str, world: World) -> None:
    first, again = (add(owner, [NUMBER], key="once") for _ in range(2))

    assert (first.status, first.text) == (again.status, again.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert add(owner, [NUMBER], key="once", reason="another").status == 422
    assert add(owner, [NUMBER], key="another").body["already_listed"] == 1
    assert len(world.all_listed()) == 1


def test_the_list_is_paged_newest_first_without_gap_or_repeat(owner: str, member: str) -> None:
    numbers = fictional_numbers(7)
    for part in (numbers[:5], numbers[5:]):
        add(owner, part)

    seen: list[str] = []
    cursor: dict[str, object] = {}
    while True:
        page = listed(member, limit=3, **cursor)
        seen += [entry["phone_number"] for entry in page["numbers"]]
        if not page["pagination"]["has_more"]:
            break
        add(owner, [fictional_numbers(1, start=100 + len(seen))[0]])  # what comes meanwhile shifts nothing
        cursor = {"cursor": page["pagination"]["next_cursor"]}

    assert seen == numbers[::-1]
    assert page["pagination"] == {"limit": 3, "has_more": False, "next_cursor": None}


def test_another_agency_neither_sees_nor_feels_the_list(owner: str, db: Connection) -> None:
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    batch_id = theirs.create([NUMBER])
    theirs.forbid(["+12135550124"])

    add(owner, [NUMBER])

    assert theirs.contacts(batch_id)[0]["status"] == "pending"
    assert [entry["phone_number"] for entry in listed(owner)["numbers"]] == [NUMBER]
    assert call("do-not-call-remove", owner, body={"phone_numbers": ["+12135550124"]}).body == {"removed": 0}


# --- the agent's tool


@pytest.fixture
def _secret(world: World, store_secret: StoreSecret) -> None:
    store_secret(world.agency.id, "ultravox-webhook-secret", SECRET)


def signature(signed: bytes, timestamp: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed + timestamp.encode(), "sha256").hexdigest()


def as_an_event(body: bytes, secret: str = SECRET) -> dict[str, str]:
    timestamp = datetime.now(UTC).isoformat()
    return {
        "X-Ultravox-Webhook-Timestamp": timestamp,
        "X-Ultravox-Webhook-Signature": signature(body, timestamp, secret),
    }


def as_a_call(call_id: str, secret: str = SECRET) -> dict[str, str]:
    timestamp = datetime.now(UTC).isoformat()
    return {
        "X-Ultravox-Call-ID": call_id,
        "X-Ultravox-Signature-Timestamp": timestamp,
        "X-Ultravox-Signature": signature(call_id.encode(), timestamp, secret),
    }


def opt_out(agency_id: UUID, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    given = as_an_event(body) if headers is None else headers
    return call("call-opt-out", body=body, headers=given, path_parameters={"agency_id": str(agency_id)})


def asking(call_id: object, **more: object) -> bytes:
    return json.dumps({"call_id": str(call_id), **more}).encode()


@pytest.mark.usefixtures("_secret")
def test_the_agent_is_told_a_sentence_to_say_and_the_number_is_listed(world: World, owner: str) -> None:
    call_id = world.call_in("answered", contacts=[NUMBER])
    ultravox_call_id = world.call(call_id)["ultravox_call_id"]
    waiting = world.create([NUMBER])

    replies = [
        opt_out(world.agency.id, asking(call_id, reason="Has moved")),
        opt_out(world.agency.id, asking(ultravox_call_id)),
        opt_out(world.agency.id, asking(ultravox_call_id), as_a_call(ultravox_call_id)),
    ]

    for reply in replies:
        assert (reply.status, reply.body) == (200, {"success": True, "message": SENTENCE})
    (entry,) = listed(owner)["numbers"]
    assert (entry["phone_number"], entry["reason"]) == (NUMBER, "Has moved")
    assert (entry["call_id"], entry["added_by"]) == (str(call_id), None)
    assert world.contacts(waiting)[0]["status"] == "skipped"


@pytest.mark.usefixtures("_secret")
def test_a_call_of_another_agency_changes_nothing_and_reads_as_none(world: World, db: Connection) -> None:
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    their_call = theirs.call_in("answered", contacts=[NUMBER])

    replies = [opt_out(world.agency.id, asking(call_id)) for call_id in (their_call, uuid4())]

    for reply in replies:
        assert reply.error == (404, "Call not found or does not belong to the agency")
    assert replies[0].body | {"request_id": ""} == replies[1].body | {"request_id": ""}
    assert theirs.all_listed() == world.all_listed() == []


@pytest.mark.usefixtures("_secret")
def test_what_is_not_signed_with_the_agencys_secret_is_refused(world: World) -> None:
    call_id = world.call_in("answered")
    ultravox_call_id = world.call(call_id)["ultravox_call_id"]
    body = asking(ultravox_call_id)

    for headers in (
        {},
        as_an_event(body, "another secret"),
        as_an_event(body + b" "),
        as_a_call(ultravox_call_id, "another secret"),
        as_a_call(str(uuid4())) | {"X-Ultravox-Call-ID": ultravox_call_id},
        as_an_event(body) | {"X-Ultravox-Call-ID": ultravox_call_id},
    ):
        assert opt_out(world.agency.id, body, headers).error == (401, "Missing or invalid signature")
    assert opt_out(uuid4(), body).status == 401
    assert world.all_listed() == []


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{}", "call_id is missing"),
        (b'{"call_id": "7"}', "call_id must be a UUID"),
        (b"[]", "The body must be a JSON object"),
        (asking(uuid4(), metadata=7), "metadata must be an object"),
        (asking(uuid4(), phone_number=NUMBER), "phone_number is not a known field"),
    ],
    ids=["nothing", "no id", "a list", "no metadata", "a number"],
)
def test_a_signed_body_that_names_no_call_is_refused(world: World, body: bytes, sentence: str) -> None:
    assert opt_out(world.agency.id, body).error == (400, sentence)


@pytest.mark.usefixtures("_secret")
def test_a_signature_of_one_call_takes_nobody_else_off(world: World) -> None:
    world.processing(2)
    first, second = (world.call(world.ringing())["ultravox_call_id"] for _ in range(2))

    reply = opt_out(world.agency.id, asking(second), as_a_call(first))

    assert reply.error == (400, "call_id must be that of the call that was signed")
    assert world.all_listed() == []


@pytest.mark.usefixtures("_secret")
def test_no_log_line_shows_the_number_that_opts_out_or_is_added(world: World, owner: str, log: io.StringIO) -> None:
    opt_out(world.agency.id, asking(world.call_in("answered", contacts=[NUMBER])))
    add(owner, [NUMBER, "+12135550124"])
    add(owner, ["+10135550123"])

    assert log.getvalue().count('"answered"') == 3
    assert "5550" not in log.getvalue()
