"""Who did what to a batch, as calls-batch-get tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.calling import call
from tests.factories import batch_call_body, make_user

if TYPE_CHECKING:
    from tests.factories import ApiKey
    from tests.sql.world import World


def history(token: str, batch_id: UUID | str) -> list[dict[str, Any]]:
    reply = call("calls-batch-get", token, query={"batch_id": batch_id, "contact_limit": 1})
    assert reply.status == 200
    return reply.body["history"]


def done(token: str, batch_id: UUID | str) -> list[tuple[str, str | None]]:
    """Each event with the id of who did it."""
    return [(entry["event"], entry["who"] and entry["who"]["id"]) for entry in history(token, batch_id)]


def test_every_verb_of_a_user_says_who_it_was(world: World, member: str) -> None:
    owner, admin = str(world.agency.owner), str(world.agency.admin)
    batch_id = world.create(2, user_id=world.agency.admin, status="draft")
    world.execute(batch_id)
    world.start()
    world.pause(batch_id, world.agency.admin)
    world.resume(batch_id)
    world.cancel(batch_id, world.agency.admin)

    assert done(member, batch_id) == [
        ("created", admin), ("executed", owner), ("started", None), ("paused", admin), ("resumed", owner),
        ("cancelled", admin),
    ]  # fmt: skip


def test_who_is_named_as_they_were_called_then(world: World, owner: str) -> None:
    world.set("users", world.agency.admin, full_name="Ada Admin", email="ada@acme.test")
    batch_id = world.create(1, user_id=world.agency.admin)
    world.set("users", world.agency.admin, full_name="Ada Married", email="other@acme.test")

    (created,) = history(owner, batch_id)

    assert created["who"] == {
        "type": "user", "id": str(world.agency.admin), "name": "Ada Admin", "email": "ada@acme.test",
    }  # fmt: skip
    assert (created["reason"], created["at"][-1]) == (None, "Z")


def test_who_left_did_what_they_did(world: World, owner: str) -> None:
    gone = make_user(world.connection, world.agency.id, "agency_admin")
    batch_id = world.create(1, user_id=gone)
    world.connection.execute("delete from auth.users where id = %s", [gone])

    assert done(owner, batch_id) == [("created", str(gone))]


def test_every_verb_of_a_program_says_which_key_it_was(world: World, owner: str, key: ApiKey) -> None:
    def ask(function: str, method: str = "POST", **body: object) -> Any:
        path = {"batch_call_id": f"batch_call_{batch_id.replace('-', '')}"}
        reply = call(function, method=method, body=body or None, headers=key.headers, path_parameters=path)
        assert reply.status == 200, reply.text

    call("batch-call-create", body=batch_call_body(world.agency, 1, status="draft"), headers=key.headers)
    batch_id: str = world.all("call_batches")[0]["id"]
    ask("batch-call-update", "PATCH", name="Second")
    ask("batch-call-execute")
    told = history(owner, batch_id)
    world.cancel(UUID(batch_id))
    ask("batch-call-delete", "DELETE")

    assert [entry["event"] for entry in told] == ["created", "edited", "executed"]
    assert [entry["event"] for entry in world.events(batch_id=batch_id)][-1] == "deleted"
    who = {"type": "api_key", "id": key.id, "name": "CRM", "email": None}
    assert [entry["who"] for entry in told] == [who] * 3
    assert world.events(batch_id=batch_id, event="deleted")[0]["detail"]["who"] == who


def test_what_a_rule_did_nobody_did(world: World, owner: str) -> None:
    batch_id = world.processing(2)
    world.settle(world.dial(1)[0], "account_refused", reason="No credit")

    paused = history(owner, batch_id)[-1]

    assert (paused["event"], paused["who"]) == ("paused", None)
    assert "No credit" in paused["reason"]


def test_of_a_long_history_the_latest_hundred_are_shown_oldest_first(world: World, owner: str) -> None:
    batch_id = world.processing(1)
    for _ in range(60):
        world.pause(batch_id)
        world.resume(batch_id)

    told = [entry["event"] for entry in history(owner, batch_id)]

    assert told == ["paused", "resumed"] * 50


def test_what_concerned_one_contact_alone_is_not_in_it(world: World, owner: str) -> None:
    call_id = world.call_in("ended")

    events = [entry["event"] for entry in history(owner, world.call(call_id)["batch_id"])]

    assert events == ["created", "started"]
