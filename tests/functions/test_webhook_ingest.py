from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared import webhooks
from tests.calling import call
from tests.factories import make_agency
from tests.sql import payloads
from tests.sql.world import World

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from tests.calling import Reply
    from tests.factories import Connection
    from tests.functions.conftest import StoreSecret
    from tests.servers import Asked

SECRET = "a-secret-of-this-test"
REFUSED = (401, "Missing or invalid signature")


@pytest.fixture(autouse=True)
def _stored_secret(world: World, store_secret: StoreSecret) -> None:
    store_secret(world.agency.id, "ultravox-webhook-secret", SECRET)


def signed(body: bytes, secret: str = SECRET, *, age: float = 0) -> dict[str, str]:
    timestamp = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    signature = hmac.new(secret.encode(), body + timestamp.encode(), "sha256").hexdigest()
    return {"X-Ultravox-Webhook-Timestamp": timestamp, "X-Ultravox-Webhook-Signature": signature}


def post(agency_id: UUID | str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    given = signed(body) if headers is None else headers
    return call("webhook-ingest", body=body, headers=given, path_parameters={"agency_id": str(agency_id)})


def event(name: str, payload: Mapping[str, object]) -> bytes:
    return json.dumps({"event": f"call.{name}", "call": payload}).encode()


def ringing(world: World) -> tuple[UUID, dict[str, dict[str, Any]]]:
    """A call that the provider has accepted, and what it will say of it."""
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    return call_id, payloads.answered(row, row["ultravox_call_id"])


def test_a_signed_event_is_applied_and_answered_without_a_body(world: World) -> None:
    call_id, said = ringing(world)

    reply = post(world.agency.id, event("joined", said["joined"]))

    assert (reply.status, reply.text) == (204, "")
    assert world.call(call_id)["status"] == "answered"

    post(world.agency.id, event("ended", said["ended"]))
    assert world.contact_of(call_id)["outcome"] == "answered"
    assert world.batch(world.call(call_id)["batch_id"])["status"] == "completed"


def test_a_repeat_is_answered_alike_and_changes_nothing(world: World) -> None:
    call_id, said = ringing(world)
    body = event("ended", said["ended"])
    post(world.agency.id, body)
    before = world.snapshot()

    for _ in range(3):
        assert post(world.agency.id, body).status == 204

    assert world.snapshot() == before
    assert len(world.events(event="call.ended", call_id=call_id)) == 1


@pytest.mark.parametrize("order", [("ended", "joined", "billed"), ("billed", "ended", "joined", "started")])
def test_events_in_any_order_give_the_same_rows(world: World, order: tuple[str, ...]) -> None:
    call_id, said = ringing(world)

    for name in order:
        assert post(world.agency.id, event(name, said[name])).status == 204

    contact = world.contact_of(call_id)
    assert (contact["status"], contact["outcome"], contact["duration_seconds"]) == ("completed", "answered", 42)


def test_a_body_in_base64_is_decoded_before_its_signature_is_checked(world: World) -> None:
    call_id, said = ringing(world)
    body = event("joined", said["joined"])

    post(world.agency.id, body, {**signed(body), "content-type": "application/octet-stream"})

    assert world.call(call_id)["status"] == "answered"


def test_what_is_not_signed_with_the_agencys_secret_is_refused_and_changes_nothing(world: World) -> None:
    _, said = ringing(world)
    body = event("ended", said["ended"])
    before = world.snapshot()

    for headers in (
        {},
        signed(body, "another secret"),
        signed(body + b" "),
        signed(body, age=3600),
        signed(body, age=-3600),
        {**signed(body), "X-Ultravox-Webhook-Signature": ""},
        {**signed(body), "X-Ultravox-Webhook-Timestamp": "now"},
    ):
        assert post(world.agency.id, body, headers).error == REFUSED
    assert world.snapshot() == before


def test_the_payload_reaches_no_row_of_an_agency_but_the_one_in_the_path(
    world: World, db: Connection, store_secret: StoreSecret
) -> None:
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    _, said = ringing(theirs)
    before = theirs.snapshot()

    assert post(world.agency.id, event("ended", said["ended"])).status == 204
    assert post(theirs.agency.id, event("ended", said["ended"])).error == REFUSED
    assert theirs.snapshot() == before

    store_secret(theirs.agency.id, "ultravox-webhook-secret", SECRET)
    assert post(theirs.agency.id, event("ended", said["ended"])).status == 204
    assert theirs.snapshot() != before


def test_an_unknown_agency_is_refused_without_looking_for_a_secret(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    looked_up: list[object] = []
    monkeypatch.setattr(webhooks, "webhook_secret", looked_up.append)
    body = event("ended", {"callId": str(uuid4())})

    for agency_id in (uuid4(), "acme", "'; drop table agencies; --"):
        assert post(agency_id, body).error == REFUSED
    assert looked_up == []
    reasons = [json.loads(line).get("reason") for line in log.getvalue().splitlines()]
    assert [reason for reason in reasons if reason] == [
        "there is no such agency",
        "the path names no agency",
        "the path names no agency",
    ]


def test_without_a_stored_secret_nothing_is_accepted(db: Connection, log: io.StringIO) -> None:
    body = event("ended", {"callId": str(uuid4())})

    assert post(make_agency(db).id, body, signed(body, "")).error == REFUSED
    assert "no secret is stored for the agency" in log.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "event is missing"),
        (b"hello", 400, "The body is not valid JSON: Expecting value (line 1, column 1)"),
        (b"[]", 400, "The body must be a JSON object"),
        (b'{"event": "call.ended"}', 400, "call is missing"),
        (b'{"event": "call.ended", "call": 7}', 400, "call must be an object"),
        (b'{"event": "call.ended", "call": {}}', 400, "call.callId is missing"),
        (b'{"event": "call.ended", "call": {"callId": "7"}}', 400, "call.callId must be a UUID"),
        (b'{"event": 7, "call": {"callId": "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"}}', 400, "event must be a string"),
        (b" " * 5_000_000, 413, "The body is larger than 4 MB"),
    ],
    ids=["nothing", "text", "list", "no call", "no object", "no id", "bad id", "no name", "5 MB"],
)
def test_a_signed_body_that_is_no_event_is_refused(world: World, body: bytes, status: int, sentence: str) -> None:
    reply = post(world.agency.id, body)

    assert (reply.status, reply.body["error"]) == (status, sentence)


def test_an_event_of_an_unknown_kind_is_let_go(world: World, log: io.StringIO) -> None:
    _, said = ringing(world)
    before = world.snapshot()

    assert post(world.agency.id, event("transferred", said["joined"])).status == 204
    assert world.snapshot() == before
    assert "call.transferred" in log.getvalue()


def test_another_method_is_refused(world: World) -> None:
    reply = call("webhook-ingest", method="GET", path_parameters={"agency_id": str(world.agency.id)})

    assert (reply.error, reply.headers["allow"]) == ((405, "HTTP method is not POST"), "POST, OPTIONS")


def test_an_event_is_one_round_trip_once_its_agency_is_known(world: World, counted: list[Asked]) -> None:
    _, said = ringing(world)

    for name in ("joined", "ended"):
        assert post(world.agency.id, event(name, said[name])).status == 204

    assert [asked.path for asked in counted] == [
        "/rpc/webhook_agency_known",
        "/rpc/ingest_event",
        "/rpc/ingest_event",
    ]


def test_a_failure_of_ours_is_a_500_so_that_the_provider_repeats(
    world: World, database_away: Callable[[], None]
) -> None:
    call_id, said = ringing(world)
    body = event("joined", said["joined"])
    post(world.agency.id, event("started", said["started"]))
    database_away()

    reply = post(world.agency.id, body)

    assert (reply.status, reply.body["code"]) == (500, "internal_error")
    assert world.call(call_id)["status"] == "ringing"
