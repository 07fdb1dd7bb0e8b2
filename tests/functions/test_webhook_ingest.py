from __future__ import annotations

import base64
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


STAMP, MARK = "X-Ultravox-Webhook-Timestamp", "X-Ultravox-Webhook-Signature"


def mac(signed_text: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed_text, "sha256").hexdigest()


def at(age: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=age)).isoformat()


FORGED: dict[str, Callable[[bytes], tuple[bytes, dict[str, str]]]] = {
    "a byte of the body flipped": lambda body: (bytes([body[0], body[1] ^ 1]) + body[2:], signed(body)),
    "a space after the body": lambda body: (body + b" ", signed(body)),
    "an empty body": lambda body: (b"", signed(body)),
    "a byte of the signature flipped": lambda body: (body, signed(body) | {MARK: "0" * 63 + mac(body)[-1]}),
    "a later time": lambda body: (body, signed(body) | {STAMP: at(-1)}),
    "301 seconds old": lambda body: (body, signed(body, age=301)),
    "six minutes ahead": lambda body: (body, signed(body, age=-360)),  # to the second: tests/unit/test_webhooks.py
    "another secret": lambda body: (body, signed(body, "another")),
    "no secret": lambda body: (body, signed(body, "")),
    "time before body": lambda body: (body, {STAMP: (now := at()), MARK: mac(now.encode() + body)}),
    "time, a dot, body": lambda body: (body, {STAMP: (now := at()), MARK: mac(f"{now}.".encode() + body)}),
    "body alone": lambda body: (body, {STAMP: at(), MARK: mac(body)}),
    "no time": lambda body: (body, {MARK: mac(body)}),
    "no signature": lambda body: (body, {STAMP: at()}),
    "no header": lambda body: (body, {}),
    "an empty signature": lambda body: (body, {STAMP: at(), MARK: ""}),
    "only commas": lambda body: (body, {STAMP: at(), MARK: ",,,"}),
    "capital letters": lambda body: (body, signed(body) | {MARK: signed(body)[MARK].upper()}),
    "a prefix": lambda body: (body, signed(body) | {MARK: f"sha256={signed(body)[MARK]}"}),
    "no ASCII": lambda body: (body, {STAMP: at(), MARK: "é" * 64}),
    "a time in words": lambda body: (body, {STAMP: "now", MARK: mac(body + b"now")}),
    "the epoch": lambda body: (body, {STAMP: "1970-01-01", MARK: mac(body + b"1970-01-01")}),
    "seconds since the epoch": lambda body: (body, {STAMP: "1795630000", MARK: mac(body + b"1795630000")}),
    "the body in base64": lambda body: (base64.b64encode(body), signed(body)),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_the_provider_did_not_sign_as_it_stands_is_refused(
    world: World, forge: Callable[[bytes], tuple[bytes, dict[str, str]]]
) -> None:
    _, said = ringing(world)
    body = event("ended", said["ended"])
    before = world.snapshot()
    post(world.agency.id, event("moved", said["ended"]))  # so that the secret is at hand, and the second 301 not over

    assert post(world.agency.id, *forge(body)).error == REFUSED
    assert world.snapshot() == before
    assert post(world.agency.id, body).status == 204  # as it stands it is good
    assert world.snapshot() != before


def test_a_body_with_every_kind_of_letter_is_read_as_its_bytes(world: World) -> None:
    call_id, said = ringing(world)
    spoken = said["ended"] | {"summary": "Åsa, 東京, 🙂 and \u2028"}

    for body in (
        event("ended", spoken),
        json.dumps({"event": "call.ended", "call": spoken}, ensure_ascii=False).encode(),
    ):
        assert post(world.agency.id, body).status == 204
    assert world.call(call_id)["summary"] == "Åsa, 東京, 🙂 and \u2028"


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


@pytest.mark.parametrize(("minutes", "status"), [(5, 204), (-5, 401)], ids=["while it counts", "afterwards"])
def test_after_a_rotation_the_secret_before_counts_until_its_time_is_over(
    db: Connection, store_secret: StoreSecret, minutes: float, status: int
) -> None:
    agency_id = make_agency(db).id
    until = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    rotated = {"current": "the-new-secret", "previous": SECRET, "previous_until": until}
    store_secret(agency_id, "ultravox-webhook-secret", json.dumps(rotated))
    body = event("joined", {"callId": str(uuid4()), "created": at(), "joined": at()})

    assert post(agency_id, body, signed(body, SECRET)).status == status
    assert post(agency_id, body, signed(body, "the-new-secret")).status == 204
    assert post(agency_id, body, signed(body, "a-third-one")).error == REFUSED


def test_an_unknown_agency_is_refused_without_looking_for_a_secret(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    looked_up: list[object] = []
    monkeypatch.setattr(webhooks, "webhook_secrets", looked_up.append)
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


def test_whoever_sends_nonsense_costs_one_look_at_the_parameter_store_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    look = webhooks.webhook_secrets

    def watched(agency_id: UUID, *, fresh: bool = False) -> tuple[str, ...]:
        looks.append(fresh)
        return look(agency_id, fresh=fresh)

    monkeypatch.setattr(webhooks, "webhook_secrets", watched)
    for _ in range(5):
        assert post(world.agency.id, b"{}", signed(b"{}", "another")).error == REFUSED

    assert looks.count(True) == 1
    assert webhooks.LOOK_AGAIN_SECONDS == 60


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


@pytest.mark.parametrize(
    "unreadable", [{"joined": {}}, {"joined": 7}, {"ended": "2026-13-01T00:00"}, {"billedDuration": "9" * 20 + "s"}]
)
def test_an_event_with_a_value_that_cannot_be_read_is_refused_and_changes_nothing(
    world: World, log: io.StringIO, unreadable: dict[str, object]
) -> None:
    _, said = ringing(world)
    before = world.snapshot()

    reply = post(world.agency.id, event("billed", said["billed"] | unreadable))

    assert reply.error == (400, "call holds a value that cannot be read")
    assert "an event could not be read" in log.getvalue()
    assert world.snapshot() == before


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
