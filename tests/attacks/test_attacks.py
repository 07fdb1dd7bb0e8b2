"""A little of the long run on each kind of attack, and that what it looks for would be seen."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import stamina

from shared import sync
from tests.attacks import plan, table, worker
from tests.attacks.blocks import Block, Outcome
from tests.attacks.checks import Document, Judge
from tests.attacks.ground import Ground, Scene
from tests.attacks.wire import Answer, Shot
from tests.functions.conftest import forget
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack
    from tests.factories import Connection
    from tests.servers import Served

DOCUMENT = Document()
FEW = 8
CHOSEN = {
    "described": "calls-batch-create",
    "fields": "batch-call-create",
    "bodies": "do-not-call-add",
    "queries": "batch-call-tasks",
    "headers": "calls-batch-list",
    "paths": "webhook-ingest",
    plan.EVENTS: plan.INGEST,
    plan.LISTS: plan.READER,
    plan.PAGES: plan.IMPORTER,
}
ID = "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60"
MARK = b"mark-of-another-agency"
TOLD = {"x-request-id": ID, "content-type": "application/json"}
REFUSAL = {"error": "batch_id is missing", "code": "bad_request", "request_id": ID}
PAUSE = Shot("POST", "/calls-batch-pause", (), b"{}")


@pytest.fixture
def ground(stack: Stack, db: Connection) -> Ground:
    return Ground(
        stack.env["FUNCTIONS_URL"], f"{stack.url}/auth/v1", stack.env["STAGE"], stack.folder / "keys.json", db
    )


@pytest.fixture
def provider(stack: Stack) -> Iterator[Served]:  # noqa: ARG001 - its settings first
    """The provider of past calls, for what runs in this process."""
    forget()
    with serving(lambda _: (404, b"")) as served, stamina.set_testing(True, attempts=sync.FETCHES):
        yield served
    forget()


@pytest.mark.parametrize("kind", CHOSEN)
def test_a_few_cases_of_a_kind_find_nothing(kind: str, ground: Ground, provider: Served) -> None:
    outcome = worker.run(Block(kind, CHOSEN[kind], FEW, 0, 1), ground, DOCUMENT, provider)

    assert outcome.faults == []
    assert outcome.statuses.total() == FEW


@pytest.mark.parametrize("name", ["agents-sync", "calls-batch-redial"])
def test_behind_the_door_of_what_asks_for_more_there_is_something_to_break(
    name: str, ground: Ground, provider: Served
) -> None:
    outcome = worker.run(Block("headers", name, 40, 0, 1), ground, DOCUMENT, provider)

    assert outcome.faults == []
    assert outcome.statuses.keys() & {200, 201}


def test_every_operation_meets_every_kind_and_the_cases_are_as_many_as_asked_for() -> None:
    blocks = plan.blocks(DOCUMENT.operations, plan.WHOLE, seed=1)
    kinds = Counter((block.operation, block.kind) for block in blocks)

    assert {kind for _, kind in kinds} == CHOSEN.keys()
    assert kinds.keys() >= {(name, kind) for name in DOCUMENT.operations for kind in plan.OF_EACH_OPERATION}
    assert plan.WHOLE <= sum(block.cases for block in blocks) < 1.02 * plan.WHOLE
    assert len({block.own_seed for block in blocks}) == len(blocks)


def refused(status: int = 400, headers: dict[str, str] | None = None, **changes: object) -> Answer:
    body = json.dumps({**REFUSAL, **changes}).encode()
    return Answer(status, TOLD | (headers or {}), body)


def test_an_ordinary_refusal_is_no_fault() -> None:
    assert Judge(DOCUMENT, (MARK,)).faults(PAUSE, refused()) == []


FAULTY = {
    "the connection ended": None,
    "status 500": Answer(500, TOLD, json.dumps(REFUSAL).encode()),
    "a header set-cookie": refused(headers={"set-cookie": "a=b"}),
    "no JSON": Answer(400, TOLD, b"<html>"),
    "content type": refused(headers={"content-type": "text/html"}),
    "418 is not described": refused(418),
    "not as described": refused(lease="w1"),
    "no sentence": refused(error="KeyError"),
    "no code": refused(code="Bad Request"),
    "the request_id is not": refused(request_id="another"),
    "a refusal of": refused(error="too long", errors=[{"message": "x" * 100_000}]),
    "it tells of the inside": refused(error='relation "public.calls" does not exist'),
    "it tells what is another": refused(error=f"no {MARK.decode()} here"),
    "a body where there is none": Answer(204, TOLD, b"{}"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_an_answer_that_is_not_as_it_must_be_is_seen(fault: str) -> None:
    found = Judge(DOCUMENT, (MARK,)).faults(PAUSE, FAULTY[fault])

    assert any(sentence.startswith(fault) for sentence in found), found


def test_what_the_client_said_itself_tells_nothing() -> None:
    shot = Shot("POST", "/calls-batch-pause", (), b'{"public.calls": "' + MARK + b'"}')
    answer = refused(error=f"public.calls is not a known field, nor is {MARK.decode()}")

    assert Judge(DOCUMENT, (MARK,)).faults(shot, answer) == []


def test_a_row_of_the_other_agency_that_changed_is_seen(ground: Ground) -> None:
    scene = Scene(ground, "calls-batch-list")
    assert scene.what_changed() == []

    scene.theirs.world.forbid(["+12135550123"])

    assert scene.what_changed() == ["do_not_call"]


def test_the_table_has_a_row_for_each_endpoint_and_one_for_all() -> None:
    block = Block("fields", "health", 3, 0, 1)
    outcomes = [Outcome(block, Counter({200: 2, 400: 1})), Outcome(block, Counter({0: 1, 503: 1}))]

    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.text(outcomes).splitlines()]

    columns = dict(zip(lines[0], lines[-1], strict=True))
    assert (columns["cases"], columns["2xx"], columns["400"], columns["hung up"], columns["5xx"]) == tuple("52111")
    assert [line[0] for line in lines[2:]] == ["health", "all"]
