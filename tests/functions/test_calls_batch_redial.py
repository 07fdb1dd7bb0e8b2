from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.calling import call
from tests.factories import batch_call_body, forbid_number
from tests.sql.checks import assert_sound

if TYPE_CHECKING:
    from tests.calling import Reply
    from tests.factories import ApiKey
    from tests.sql.world import World

ONCE: dict[str, Any] = {"retry": {"on": [], "max_attempts": 2}}


def redial(token: str, batch_id: UUID | str, key: str | None = None, **more: object) -> Reply:
    headers = {"idempotency-key": key} if key else {}
    return call("calls-batch-redial", token, body={"batch_id": str(batch_id), **more}, headers=headers)


def numbers(world: World, batch_id: UUID | str) -> list[str]:
    return [one["phone_number"] for one in world.contacts(batch_id)]


def ended(world: World) -> tuple[UUID, dict[str, str]]:
    """A batch that is done with: somebody of each outcome, and one skipped uncalled. The number of each."""
    batch_id = world.processing(8, **ONCE)
    calls = sorted(world.dial(6), key=lambda one: world.call(one)["to_number"])
    found: dict[str, str] = {}
    sips = {"no_answer": None, "busy": "BUSY", "rejected": "REJECTED", "invalid_number": "INVALID_NUMBER"}
    for name, call_id in zip([*sips, "answered", "live"], calls, strict=True):
        found[name] = world.call(call_id)["to_number"]
        if name != "live":
            world.accept([call_id])
            world.finish(call_id, sips.get(name), talk_seconds=42 if name == "answered" else None)
    world.cancel(batch_id)
    found["not_called"], found["forbidden"] = sorted(set(numbers(world, batch_id)) - set(found.values()))
    forbid_number(world.connection, world.agency.id, found["forbidden"])
    return batch_id, found


def test_the_new_draft_has_those_who_may_be_reached_later_and_leaves_the_batch_as_it_was(
    owner: str, world: World
) -> None:
    batch_id, found = ended(world)
    before = world.batch(batch_id), world.contacts(batch_id)

    reply = redial(owner, batch_id)

    assert (reply.status, reply.body["status"], reply.body["redial_of"]) == (201, "draft", str(batch_id))
    assert numbers(world, reply.body["batch_id"]) == sorted(found[name] for name in ("no_answer", "busy", "not_called"))
    assert {one["status"] for one in world.contacts(reply.body["batch_id"])} == {"pending"}
    assert (world.batch(batch_id), world.contacts(batch_id)) == before
    assert world.claim() == []
    assert_sound(world.connection)


@pytest.mark.parametrize("outcome", ["no_answer", "busy", "rejected", "invalid_number", "not_called"])
def test_whose_outcome_is_asked_for_is_called_again_and_nobody_else(owner: str, world: World, outcome: str) -> None:
    batch_id, found = ended(world)

    made = redial(owner, batch_id, outcomes=[outcome]).body["batch_id"]

    assert numbers(world, made) == [found[outcome]]


@pytest.mark.parametrize("outcomes", [["answered"], [], ["nobody"], "busy"])
def test_whoever_was_reached_cannot_be_asked_for(owner: str, world: World, outcomes: object) -> None:
    assert redial(owner, world.batch_in("cancelled"), outcomes=outcomes).status == 400


def test_the_draft_is_like_the_batch_and_its_contacts_like_they_were(owner: str, world: World) -> None:
    person = {
        "phone_number": "+12135550123", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com",
        "company": "Engines", "title": "Countess", "timezone": "Europe/London", "custom_data": {"plan": "gold"},
        "max_attempts": 5,
    }  # fmt: skip
    batch_id = world.create([person], name="January", calls_per_minute=7, max_concurrent=3, **ONCE)
    world.cancel(batch_id)

    made = redial(owner, batch_id).body["batch_id"]

    copied = (
        "agent_mapping_id", "campaign_id", "from_number", "calls_per_minute", "max_concurrent", "calling_hours",
        "retry", "timezone",
    )  # fmt: skip
    old, new = world.batch(batch_id), world.batch(made)
    assert {name: new[name] for name in copied} == {name: old[name] for name in copied}
    assert (new["name"], new["redial_of"], new["scheduled_for"]) == ("Redial of January", str(batch_id), None)
    (contact,) = world.contacts(made)
    assert {name: contact[name] for name in person} == person
    assert (contact["attempts"], contact["outcome"], contact["status"]) == (0, None, "pending")


def test_a_programs_batch_is_redialled_in_its_own_time_zone_and_without_a_campaign(
    owner: str, world: World, key: ApiKey
) -> None:
    body = batch_call_body(world.agency, 2, timezone="Europe/Berlin", status="draft")
    assert call("batch-call-create", body=body, headers=key.headers).status == 201
    (batch,) = world.all("call_batches")
    world.cancel(UUID(batch["id"]))

    made = redial(owner, batch["id"]).body

    assert (made["campaign_id"], made["total_contacts"], made["skipped"]) == (None, 2, 0)
    assert world.batch(made["batch_id"])["timezone"] == "Europe/Berlin"


def test_who_still_waits_or_is_being_called_is_left_to_the_batch(owner: str, world: World) -> None:
    batch_id = world.processing(3, **ONCE)
    (call_id,) = world.dial(1)
    assert redial(owner, batch_id).body["code"] == "nothing_to_redial"

    world.accept([call_id])
    world.finish(call_id)

    assert numbers(world, redial(owner, batch_id).body["batch_id"]) == [world.call(call_id)["to_number"]]


def test_who_waits_in_a_redial_is_not_in_a_second_one(owner: str, world: World) -> None:
    batch_id, found = ended(world)
    first = redial(owner, batch_id, outcomes=["busy"]).body["batch_id"]

    second = redial(owner, batch_id, outcomes=["busy", "no_answer"]).body["batch_id"]
    assert numbers(world, second) == [found["no_answer"]]
    assert redial(owner, batch_id, outcomes=["busy"]).error == (
        400, "No contact of the batch is left to be called again"
    )  # fmt: skip

    world.cancel(UUID(first))
    third = redial(owner, batch_id, outcomes=["busy"]).body["batch_id"]
    assert numbers(world, third) == [found["busy"]]


def test_repeated_with_its_key_it_is_one_draft_and_one_answer(owner: str, world: World) -> None:
    batch_id = world.batch_in("cancelled")

    first, again = (redial(owner, batch_id, key="once") for _ in range(2))

    assert (first.body, again.headers["idempotent-replayed"]) == (again.body, "true")
    assert len([one for one in world.all("call_batches") if one["redial_of"]]) == 1
    assert redial(owner, batch_id, key="once", outcomes=["busy"]).status == 422


def test_without_its_agent_there_is_nothing_to_call_with(owner: str, world: World) -> None:
    batch_id = world.batch_in("cancelled")
    world.set("agent_mappings", world.agency.agent_mapping_id, active=False)

    assert redial(owner, batch_id).body["code"] == "agent_not_found"


def test_the_batch_that_was_redialled_is_named_in_every_answer_about_the_new_one(owner: str, world: World) -> None:
    batch_id = world.batch_in("cancelled")
    made = redial(owner, batch_id, name="Again").body["batch_id"]

    batch = call("calls-batch-get", owner, query={"batch_id": made}).body["batch"]

    assert (batch["redial_of"], batch["name"]) == (str(batch_id), "Again")
