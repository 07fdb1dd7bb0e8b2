"""Events as they reach the customer: signed, in order or not, once or more, or never."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.simulator.client import running
from tests.local.customer import AGENT, CONFIG, Customer
from tests.local.observed import eventually
from tests.servers import Asked, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulator.client import Simulator

QUIET = {"enabled": True, "duplicate_rate": 0, "lose_rate": 0, "delay_seconds": [0, 0], "retry_first_seconds": 0.02}


def well(_: Asked) -> tuple[int, bytes]:
    return 204, b""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Served]:
    with serving(well) as served:
        yield served


@pytest.fixture(scope="module")
def sending_process(receiver: Served) -> Iterator[Simulator]:
    # Ended before the receiver is: it keeps its connections open.
    assert receiver.url
    with running(CONFIG) as sending:
        yield sending


@pytest.fixture
def sending(sending_process: Simulator, receiver: Served) -> Simulator:
    sending_process.reset()
    sending_process.configure(webhooks=QUIET)
    receiver.answer = well
    receiver.asked.clear()
    return sending_process


@pytest.fixture
def caller(sending: Simulator) -> Iterator[Customer]:
    with Customer(sending.base_url) as caller:
        yield caller


def back_to(receiver: Served, *events: str, secrets: tuple[str, ...] = ("one",)) -> dict[str, Any]:
    return {event: {"url": f"{receiver.url}/hook", "secrets": list(secrets)} for event in events}


def events(receiver: Served) -> list[str]:
    return [json.loads(asked.body)["event"] for asked in receiver.asked]


def settled(sending: Simulator) -> bool:
    stats = sending.stats()
    calls = sending.calls()
    return not stats["live"] and not stats["webhooks"]["pending"] and all(call["ended_at"] for call in calls)


def test_a_call_reports_what_its_callbacks_ask_for(sending: Simulator, caller: Customer, receiver: Served) -> None:
    call = caller.call(metadata={"batch_id": "b"}, callbacks=back_to(receiver, "joined", "ended", "billed")).json()
    assert eventually(lambda: sending.stats(batch_id="b")["webhooks"]["delivered"] == 3)

    told = {body["event"]: body["call"] for body in (json.loads(asked.body) for asked in receiver.asked)}
    assert told["call.joined"]["joined"]
    assert told["call.joined"]["ended"] is None
    assert told["call.ended"]["ended"]
    assert told["call.ended"]["billingStatus"] == "BILLING_STATUS_PENDING"
    assert told["call.billed"] == caller.seen(call["callId"])
    assert receiver.asked[0].path == "/hook"


def test_an_event_is_signed_over_body_then_timestamp_once_per_secret(
    sending: Simulator, caller: Customer, receiver: Served
) -> None:
    caller.call(callbacks=back_to(receiver, "ended", secrets=("one", "two")))
    assert eventually(lambda: sending.stats()["webhooks"]["delivered"] == 1)

    (asked,) = receiver.asked
    timestamp = asked.headers["X-Ultravox-Webhook-Timestamp"]
    expected = [
        hmac.new(secret, asked.body + timestamp.encode(), hashlib.sha256).hexdigest() for secret in (b"one", b"two")
    ]
    assert asked.headers["X-Ultravox-Webhook-Signature"] == ",".join(expected)
    assert datetime.now(UTC) - datetime.fromisoformat(timestamp) < timedelta(minutes=1)


def test_a_registered_webhook_hears_of_the_events_it_named(
    sending: Simulator, caller: Customer, receiver: Served
) -> None:
    wanted = ["call.started", "call.ended"]
    hook = caller.send("POST", "/api/webhooks", {"url": receiver.url, "events": wanted, "agentId": AGENT}).json()
    caller.call()
    caller.send("POST", "/api/calls", {"joinTimeout": "0.01s"})
    assert eventually(lambda: sending.stats()["webhooks"]["delivered"] == 2)

    assert sorted(events(receiver)) == sorted(wanted)
    (secret,) = hook["secrets"]
    asked = receiver.asked[0]
    signed = asked.body + asked.headers["X-Ultravox-Webhook-Timestamp"].encode()
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert asked.headers["X-Ultravox-Webhook-Signature"] == expected


def test_an_event_is_retried_with_a_new_signature_until_it_is_taken(
    sending: Simulator, caller: Customer, receiver: Served
) -> None:
    answers: list[tuple[int, bytes] | None] = [(500, b""), (404, b""), None]
    receiver.answer = lambda _: answers.pop(0) if answers else (204, b"")
    caller.call(callbacks=back_to(receiver, "ended"))
    assert eventually(lambda: sending.stats()["webhooks"]["delivered"] == 1)

    assert len(receiver.asked) == 4
    assert len({asked.body for asked in receiver.asked}) == 1
    assert len({asked.headers["X-Ultravox-Webhook-Signature"] for asked in receiver.asked}) == 4
    assert sending.stats()["webhooks"]["retried"] == 3


def test_an_event_that_nobody_takes_is_given_up(sending: Simulator, caller: Customer, receiver: Served) -> None:
    sending.configure(webhooks={"retries": 2})
    receiver.answer = lambda _: (500, b"")
    hook = caller.send("POST", "/api/webhooks", {"url": receiver.url, "events": ["call.ended"]}).json()
    caller.call()
    assert eventually(lambda: sending.stats()["webhooks"]["failed"] == 1)

    assert len(receiver.asked) == 3
    assert sending.stats()["webhooks"]["pending"] == 0
    seen = caller.get(f"/api/webhooks/{hook['webhookId']}").json()
    assert (seen["status"], seen["recentFailures"][0]["failure"]) == ("unhealthy", "HTTP 500")
    sending.configure(webhooks={"retries": 10})


def test_events_can_come_twice(sending: Simulator, caller: Customer, receiver: Served) -> None:
    sending.configure(webhooks={"duplicate_rate": 1})
    caller.call(callbacks=back_to(receiver, "joined", "ended"))
    assert eventually(lambda: sending.stats()["webhooks"]["delivered"] == 4)

    assert Counter(events(receiver)) == {"call.joined": 2, "call.ended": 2}
    assert sending.stats()["webhooks"]["duplicated"] == 2


def test_events_can_be_lost(sending: Simulator, caller: Customer, receiver: Served) -> None:
    sending.configure(webhooks={"lose_rate": 0.5})
    for _ in range(20):
        caller.call(callbacks=back_to(receiver, "joined", "ended"))
    assert eventually(lambda: sum(sending.stats()["webhooks"][fate] for fate in ("lost", "delivered")) == 40)

    lost = sending.stats()["webhooks"]["lost"]
    assert 8 < lost < 32
    assert len(receiver.asked) == 40 - lost


def test_events_can_be_late_and_out_of_order(sending: Simulator, caller: Customer, receiver: Served) -> None:
    sending.configure(webhooks={"delay_seconds": [0, 0.5]})
    for _ in range(8):
        caller.call(callbacks=back_to(receiver, "joined", "ended", "billed"))
    assert eventually(lambda: sending.stats()["webhooks"]["delivered"] == 24)

    seen: dict[str, list[str]] = {}
    for asked in receiver.asked:
        event = json.loads(asked.body)
        seen.setdefault(event["call"]["callId"], []).append(event["event"])
    assert any(order != ["call.joined", "call.ended", "call.billed"] for order in seen.values())


def test_nothing_is_sent_when_webhooks_are_off(sending: Simulator, caller: Customer, receiver: Served) -> None:
    sending.configure(webhooks={"enabled": False})
    caller.call(callbacks=back_to(receiver, "ended"))
    assert eventually(lambda: settled(sending))

    assert receiver.asked == []
