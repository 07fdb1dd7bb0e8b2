"""Every endpoint of the running stack answers as docs/openapi.json says, whatever it is asked."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from schemathesis.core.failures import ServerError
from schemathesis.openapi.checks import JsonSchemaError, UndefinedStatusCode

from local.openapi import document as openapi
from local.openapi.kinds import IDEMPOTENCY_KEY
from tests.accounts import with_agents
from tests.openapi.contract import Client, example, existing, make_real, real_things, statuses
from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.telling import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import LiteralString

    from tests.factories import ApiKey, Connection
    from tests.sql.world import World

    MakeClient = Callable[..., Client]

# A batch is brought to its state by verbs that reach the agency's other batches too: the last ones wait for them.
STATES = ("completed", "failed", "cancelled", "paused", "processing", "scheduled", "draft", "pending")
OPERATIONS = {
    operation["operationId"]: operation
    for path in json.loads(openapi.FILE.read_text())["paths"].values()
    for operation in path.values()
}

OF_PROGRAMS = [name for name, operation in OPERATIONS.items() if "apiKey" in operation["security"][0]]
ANOTHER: dict[str, dict[str, object]] = {  # than the example's, where there is no name
    "do-not-call-add": {"reason": "another"},
    "calls-batch-append": {"contacts": [{"phone_number": "+12135550188"}]},
}
CREATING = [name for name, operation in OPERATIONS.items() if "422" in operation["responses"]]


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_gets_an_answer_that_the_document_does_not_allow(
    name: str, strict: dict[str, Any], world: World, key: ApiKey, client: MakeClient, examples: int | None
) -> None:
    agency, operation = world.agency, strict[name]
    # The provider, who has no credentials here, beside a program or a user who may all and a stranger.
    clients = [client(), *([client(key)] if name in OF_PROGRAMS else [client(agency.owner), client(uuid4())])]
    batches = [str(world.batch_in(state)) for state in STATES for _ in range(2)]
    job_id = str(Import(world).id) if name == "cancel-historical-sync" else ""  # elsewhere it would be in the way
    call_id = str(world.call_in("answered")) if name == "call-opt-out" else ""
    contact_id = world.contacts(batches[0])[0]["id"]
    further = {"job_id": job_id, "id": key.id, "call_id": call_id, "contact_id": contact_id}
    if name == "calls-batch-import-get":
        further["import_id"] = str(Listed(world, UUID(batches[-1])).id)
    if name == "notices-replay":
        listen(world)

    if name == "agents-sync":
        clients[1].send(name, example(operation))  # is refused for want of a key
        with_agents(world)

    for one in clients:
        one.send(name, example(operation))
        for batch_id in batches[::2]:
            case = example(operation)
            make_real(case, existing(agency, batch_id, **further))
            one.send(name, case)
        one.explore(name, operation, real_things(agency, batches[1::2]), examples)

    described = {int(status) for status in OPERATIONS[name]["responses"]}
    assert statuses(clients, name) >= described & {200, 201, 204, 400, 401, 403, 404}


@pytest.mark.parametrize("name", CREATING)
def test_a_repeated_creation_is_answered_as_the_document_says(
    name: str, strict: dict[str, Any], world: World, key: ApiKey, client: MakeClient
) -> None:
    """The first answer again, or 422 for another body, or 409 while the first one runs."""
    one = client(key if name in OF_PROGRAMS else world.agency.owner)
    batch_id = str(world.batch_in("cancelled" if name == "calls-batch-redial" else "draft"))
    created = 201 if "201" in OPERATIONS[name]["responses"] else 200

    def ask(**changes: object) -> Any:
        case = example(strict[name])
        make_real(case, existing(world.agency, batch_id))
        case.body.update(changes)
        return one.send(name, case)

    first, again = ask(), ask()
    assert (first.status_code, again.status_code) == (created, created), first.text
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, ["true"])
    assert ask(**ANOTHER.get(name, {"name": "another"})).status_code == 422
    with running(world, name):
        assert ask().status_code == 409


@contextmanager
def running(world: World, endpoint: str) -> Generator[None]:
    """As while another request with the example's Idempotency-Key is at work."""
    lock = ":".join(["batchline.once", str(world.agency.id), endpoint, IDEMPOTENCY_KEY["example"]])
    with world.connection.transaction():
        world.connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
        yield


BATCH = "to_jsonb(p_batch) ||"
FAULTS: dict[str, tuple[LiteralString, str, str, type[Exception]]] = {
    "a member too few": ("batch_json", BATCH, "to_jsonb(p_batch) - 'from_number' ||", JsonSchemaError),
    "a member too many": ("batch_json", BATCH, """to_jsonb(p_batch) || '{"lease": "w1"}' ||""", JsonSchemaError),
    "text for a number": ("batch_json", BATCH, """to_jsonb(p_batch) || '{"queued": "3"}' ||""", JsonSchemaError),
    "an unknown state": ("batch_json", BATCH, """to_jsonb(p_batch) || '{"status": "dialling"}' ||""", JsonSchemaError),
    "null for a name": ("batch_json", BATCH, """to_jsonb(p_batch) || '{"agent_name": null}' ||""", JsonSchemaError),
    "an undescribed status": (
        "list_call_batches",
        "begin\n",
        "begin\n  raise exception using errcode = 'PT409';\n",
        UndefinedStatusCode,
    ),
    "a failure": ("list_call_batches", "begin\n", "begin\n  raise exception 'broken';\n", ServerError),
}


@contextmanager
def planted(db: Connection, function: LiteralString, right: str, wrong: str) -> Generator[None]:
    """Another text in a function of the database, until the block ends."""
    row = db.execute("select pg_get_functiondef(%s::regproc)", [f"public.{function}"]).fetchone()
    assert row
    text = str(row[0])
    assert text.count(right) == 1
    db.execute(text.replace(right, wrong).encode())
    try:
        yield
    finally:
        db.execute(text.encode())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(
    fault: str, strict: dict[str, Any], world: World, db: Connection, client: MakeClient
) -> None:
    world.create()
    owner, operation = client(world.agency.owner), strict["calls-batch-list"]
    owner.send("calls-batch-list", operation.Case(query={"limit": 1}))

    function, right, wrong, kind = FAULTS[fault]
    with planted(db, function, right, wrong), pytest.RaisesGroup(kind):
        owner.send("calls-batch-list", operation.Case(query={"limit": 1}))
    owner.send("calls-batch-list", operation.Case(query={"limit": 1}))
