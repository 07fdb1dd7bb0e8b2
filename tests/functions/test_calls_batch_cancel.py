from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.calling import call, twice_at_once
from tests.sql import payloads

if TYPE_CHECKING:
    from local.simulator.client import Simulator
    from tests.calling import Reply
    from tests.functions.conftest import StoreSecret
    from tests.sql.world import World

ALREADY_FINAL = "Batch is already completed or cancelled"


def cancel(token: str, batch_id: UUID | str, **more: object) -> Reply:
    return call("calls-batch-cancel", token, body={"batch_id": str(batch_id), **more})


def test_the_answer_has_every_field_and_none_of_ours(owner: str, world: World) -> None:
    batch_id = world.batch_in("processing")

    reply = cancel(owner, batch_id)

    assert (reply.status, reply.body) == (
        200,
        {
            "success": True,
            "batch_id": str(batch_id),
            "status": "cancelled",
            "contacts_skipped": 3,
            "message": "Batch cancelled. In-progress calls will complete but no new calls will be initiated.",
        },
    )


def test_who_was_not_called_is_skipped_and_the_batch_says_who_ended_it(owner: str, world: World) -> None:
    batch_id = world.batch_in("pending")

    cancel(owner, batch_id)

    batch = world.batch(batch_id)
    assert (batch["status"], batch["error_message"]) == ("cancelled", "Cancelled by user")
    assert batch["completed_at"]
    assert {(contact["status"], contact["outcome_notes"]) for contact in world.contacts(batch_id)} == {
        ("skipped", "Batch cancelled")
    }


def test_a_live_call_goes_on_and_still_counts(owner: str, world: World) -> None:
    call_id = world.call_in("answered", contacts=2)
    batch_id = world.call(call_id)["batch_id"]

    assert cancel(owner, batch_id).body["contacts_skipped"] == 1
    assert world.contact_of(call_id)["status"] == "in_progress"

    world.finish(call_id, talk_seconds=42)
    assert world.contact_of(call_id)["status"] == "completed"
    assert world.batch(batch_id)["completed"] == 1


@pytest.mark.parametrize("status", ["draft", "scheduled", "pending", "processing", "paused"])
def test_a_batch_is_cancelled_from_any_open_state(owner: str, world: World, status: str) -> None:
    assert cancel(owner, world.batch_in(status), hang_up=False).body["status"] == "cancelled"


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed"])
def test_a_final_batch_is_not_cancelled(owner: str, world: World, status: str) -> None:
    batch_id = world.batch_in(status)
    before = world.snapshot()

    reply = cancel(owner, batch_id)

    assert reply.error == (400, ALREADY_FINAL)
    assert reply.body["code"] == "batch_already_final"
    assert world.snapshot() == before


def test_of_two_at_once_one_cancels_and_the_other_finds_it_cancelled(owner: str, world: World) -> None:
    batch_id = world.batch_in("processing")

    replies = twice_at_once(cancel, owner, batch_id)

    assert sorted(reply.status for reply in replies) == [200, 400]
    assert [reply.body["error"] for reply in replies if reply.status == 400] == [ALREADY_FINAL]


def test_with_nobody_talking_hang_up_ends_no_call(owner: str, world: World) -> None:
    assert cancel(owner, world.batch_in("processing"), hang_up=True).body["calls_hung_up"] == 0


def test_hang_up_ends_the_conversations_at_the_provider_and_no_others(
    owner: str, world: World, simulator: Simulator, store_secret: StoreSecret
) -> None:
    key, agent = f"key-{world.agency.id}", str(uuid4())
    store_secret(world.agency.id, "ultravox-api-key", key)
    simulator.add_account(key, agents=[{"agentId": agent}])
    simulator.configure(people={"ring_seconds": [60, 60]}, webhooks={"enabled": False})
    batch_id = world.processing(2)
    talking, ringing = (accept(world, simulator, key, agent, call_id) for call_id in world.dial(2))
    simulator.join_call(talking["callId"])
    world.tell(payloads.answered(world.call(talking["metadata"]["call_id"]), UUID(talking["callId"]))["joined"])

    reply = cancel(owner, batch_id, hang_up=True)

    assert (reply.status, reply.body["calls_hung_up"]) == (200, 1)
    calls = httpx.get(f"{simulator.base_url}/api/calls", headers={"X-API-Key": key}).json()["results"]
    ended = {call["callId"]: call["ended"] for call in calls}
    assert ended[talking["callId"]]
    assert ended[ringing["callId"]] is None


def accept(world: World, simulator: Simulator, key: str, agent: str, call_id: UUID) -> dict[str, Any]:
    """The provider accepts a call that was begun; its answer."""
    row = world.call(call_id)
    medium = {"twilio": {"outgoing": {"to": row["to_number"], "from": row["from_number"]}}}
    answer = httpx.post(
        f"{simulator.base_url}/api/agents/{agent}/calls",
        headers={"X-API-Key": key},
        json={"medium": medium, "metadata": {"call_id": str(call_id)}},
    )
    accepted = answer.raise_for_status().json()
    world.settle(call_id, "accepted", ultravox_call_id=accepted["callId"])
    return accepted
