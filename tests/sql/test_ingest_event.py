from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.sql import payloads

if TYPE_CHECKING:
    from tests.sql.world import World

    Json = dict[str, Any]


def ingest(world: World, event: str, told: Json) -> str:
    return world.verb("ingest_event", p_agency_id=world.agency.id, p_event=event, p_call=told)


def test_an_event_is_stored_with_the_call_it_is_about_and_applied(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    told = payloads.answered(row, UUID(row["ultravox_call_id"]))["joined"]

    assert ingest(world, "call.joined", told) == "applied"

    stored = world.events(event="call.joined")[0]
    assert (stored["call_id"], stored["contact_id"], stored["batch_id"]) == (
        row["id"],
        row["contact_id"],
        row["batch_id"],
    )
    assert (stored["ultravox_call_id"], stored["payload"]) == (told["callId"], told)
    assert world.call(call_id)["status"] == "answered"


def test_a_repeat_is_stored_once_and_changes_nothing(world: World) -> None:
    call_id = world.call_in("dialing")
    told = payloads.answered(world.call(call_id))["ended"]
    ingest(world, "call.ended", told)
    before = world.snapshot()

    assert ingest(world, "call.ended", told) == "unchanged"

    assert world.snapshot() == before


def test_each_event_of_a_call_is_stored(world: World) -> None:
    call_id = world.call_in("dialing")
    told = payloads.answered(world.call(call_id))

    for word in reversed(payloads.ROUND):
        ingest(world, f"call.{word}", told[word])

    stored = [event["event"] for event in world.events() if event["payload"]]
    assert sorted(stored) == ["call.billed", "call.ended", "call.joined", "call.started"]


def test_an_event_of_a_call_that_is_not_ours_is_stored_too(world: World) -> None:
    told = {"callId": str(uuid4()), "created": world.time()}

    assert ingest(world, "call.started", told) == "imported"

    assert world.events(event="call.started")[0]["ultravox_call_id"] == told["callId"]


@pytest.mark.parametrize("known", [True, False])
def test_only_an_agency_that_exists_is_known(world: World, *, known: bool) -> None:
    agency_id = world.agency.id if known else uuid4()

    assert world.verb("webhook_agency_known", p_agency_id=agency_id) is known


def test_secrets_that_the_provider_echoes_are_not_stored(world: World) -> None:
    call_id = world.call_in("ringing")
    row = world.call(call_id)
    told = payloads.answered(row, UUID(row["ultravox_call_id"]))["ended"]
    echoed: Json = {"callbacks": {"ended": {"url": "http://127.0.0.1/", "secrets": ["s3cret"]}}, "sharedSecrets": ["s"]}

    ingest(world, "call.ended", told | echoed)

    assert world.call(call_id)["raw"] == told
    assert world.events(event="call.ended")[0]["payload"] == told
