"""Whose is whose: made of docs/openapi.json, so that no new endpoint, and no id in it, can be forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import httpx
import pytest

from local import keys
from local.openapi import document as openapi
from tests.calling import claims
from tests.factories import insert, make_agency, make_api_key, make_user
from tests.openapi.contract import example, existing, make_real
from tests.sql.importing import Import
from tests.sql.telling import listen
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from local.openapi.document import Json
    from local.stack import Stack
    from tests.factories import ApiKey, Connection
    from tests.openapi.contract import Case

DOCUMENT: Json = json.loads(openapi.FILE.read_text())
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
    if "webhookSignature" not in operation["security"][0]
}
OTHER_NUMBER = "+12125550198"
OF_ONE_ANSWER = {"date", "x-request-id", "server", "content-length"}


def ids_of(operation: Json) -> list[str]:
    """The fields of a request that name a thing: parameters and, of the body, what stands at its top."""
    found = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", [])}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {"schema": {}})
    found |= _resolved(content["schema"]).get("properties", {})
    return [name for name, schema in found.items() if name == "from_number" or _is_id(name, schema)]


def _is_id(name: str, schema: Json) -> bool:
    kinds = [_resolved(one) for one in schema.get("anyOf", [schema])]
    return name == "id" or (name.endswith("_id") and any(kind.get("type") == "string" for kind in kinds))


def _resolved(schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    return cast("Json", DOCUMENT["components"]["schemas"][name]) if name else schema


PLACES = [(name, field) for name, operation in OPERATIONS.items() for field in ids_of(operation)]


class Tenant:
    """An agency with one of everything that a request can name."""

    def __init__(self, db: Connection, name: str) -> None:
        plan = {"max_calls_per_minute": 60_000, "max_concurrent_calls": 10_000, "max_requests_per_minute": 60_000}
        agency = make_agency(db, name, **plan)
        self.world = World(db, agency)
        self.key: ApiKey = make_api_key(db, agency)

    def things(self, operation: str) -> dict[str, str]:
        """By field, what exists in the agency and suits the operation."""
        batch_id = str(self.world.batch_in("draft"))
        job_id = str(Import(self.world).id) if operation == "cancel-historical-sync" else ""
        notice_id = self.notice() if operation == "notices-replay" else ""
        return existing(self.world.agency, batch_id, job_id=job_id, id=self.key.id, notice_id=notice_id)

    def notice(self) -> str:
        """The id of a notice of the agency."""
        listen(self.world)
        self.world.batch_in("paused")
        return self.world.all("notices")[0]["id"]


@pytest.fixture
def ours(db: Connection) -> Tenant:
    return Tenant(db, "Acme")


@pytest.fixture
def theirs(db: Connection) -> Tenant:
    tenant = Tenant(db, "Globex")
    insert(db, "agency_phone_numbers", agency_id=tenant.world.agency.id, phone_number=OTHER_NUMBER)
    return tenant


@pytest.fixture
def people(stack: Stack) -> People:
    return People(stack)


class People:
    """Sends a case as somebody, and tells apart what an answer says of who asks from what it says of what is asked."""

    def __init__(self, stack: Stack) -> None:
        self._url, self._issuer = stack.env["FUNCTIONS_URL"], f"{stack.url}/auth/v1"
        self._keys = keys.load_or_make(stack.folder / "keys.json")

    def headers(self, user_id: UUID | None, **changes: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys.sign(claims(str(user_id), self._issuer, **changes))}"}

    def send(self, case: Case, headers: Mapping[str, str]) -> httpx.Response:
        case.headers.pop("Idempotency-Key", None)
        response: Any = case.call(base_url=self._url, headers=dict(headers))
        answered = {name: values[0] for name, values in response.headers.items()}
        return httpx.Response(response.status_code, headers=answered, content=response.content)


def told(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """An answer but for what is different each time."""
    text = response.text.replace(response.headers.get("x-request-id", "-"), "")
    return response.status_code, text, {k: v for k, v in response.headers.items() if k not in OF_ONE_ANSWER}


def with_things(operation: Any, things: Json, **other: str) -> Case:
    """The document's example with what exists, and with other values, which it need not show."""
    case = example(operation)
    make_real(case, things)
    for field, value in other.items():
        parts = (case.path_parameters, case.query, case.body)
        holding: list[Any] = [part for part in parts if isinstance(part, dict) and field in part]
        holding = holding or [case.body if "requestBody" in operation.definition.raw else case.query]
        holding[0][field] = value
    return case


def credentials(name: str, tenant: Tenant, people: People) -> dict[str, str]:
    of_programs = "apiKey" in OPERATIONS[name]["security"][0]
    return tenant.key.headers if of_programs else people.headers(tenant.world.agency.owner)


@pytest.mark.parametrize(("name", "field"), PLACES)
def test_what_is_another_agencys_reads_as_what_does_not_exist(
    name: str, field: str, strict: dict[str, Any], ours: Tenant, theirs: Tenant, people: People
) -> None:
    own, other = ours.things(name), theirs.things(name) | {"from_number": OTHER_NUMBER}
    assert field in other, f"tests/openapi: say in existing() what {field} may be"
    nobodys = {
        "batch_call_id": f"batch_call_{uuid4().hex}",
        "agent_id": f"agent_{uuid4()}",
        "from_number": "+12125550197",
    }
    before = ours.world.snapshot(), theirs.world.snapshot()
    who = credentials(name, ours, people)

    answers = [
        people.send(with_things(strict[name], own, **{field: value}), who)
        for value in (other[field], nobodys.get(field, str(uuid4())), "nonsense")
    ]

    assert told(answers[0]) == told(answers[1])
    assert answers[0].status_code in (200, 404)
    assert answers[2].status_code in (400, 404)
    assert (ours.world.snapshot(), theirs.world.snapshot()) == before


@pytest.mark.parametrize("who", ["nobody", "expired", "no agency", "the other agency"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_who_may_not_reach_a_thing_does_not_and_changes_nothing(
    name: str, who: str, strict: dict[str, Any], ours: Tenant, theirs: Tenant, people: People, db: Connection
) -> None:
    case = with_things(strict[name], ours.things(name))
    before = ours.world.snapshot()
    of_programs = "apiKey" in OPERATIONS[name]["security"][0]
    headers: dict[str, dict[str, str]] = {
        "nobody": {},
        "expired": people.headers(ours.world.agency.owner, exp=1),
        "no agency": people.headers(make_user(db, None)),
        "the other agency": credentials(name, theirs, people),
    }

    reply = people.send(case, headers[who])

    if who in ("nobody", "expired") or (of_programs and who == "no agency"):
        assert reply.status_code == 401
    elif who == "no agency":
        assert reply.status_code == 403
    else:
        assert str(ours.world.agency.id) not in reply.text
        assert ids_of(OPERATIONS[name]) == [] or reply.status_code in (200, 404), reply.text
    assert ours.world.snapshot() == before


OF_OWNERS = [
    name
    for name, operation in OPERATIONS.items()
    if "forbidden"
    in operation["responses"].get("403", {}).get("content", {}).get("application/json", {}).get("examples", {})
]


@pytest.mark.parametrize("name", OF_OWNERS)
def test_who_may_only_read_writes_nothing(name: str, strict: dict[str, Any], ours: Tenant, people: People) -> None:
    case = with_things(strict[name], ours.things(name))
    before = ours.world.snapshot()

    reply = people.send(case, people.headers(ours.world.agency.member))

    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    assert ours.world.snapshot() == before


def test_every_function_that_only_owners_and_admins_may_call_says_so() -> None:
    posting = {path["post"]["operationId"] for path in DOCUMENT["paths"].values() if "post" in path}
    any_role = {"start-historical-sync", "cancel-historical-sync"}
    of_users = {name for name in OPERATIONS if "token" in OPERATIONS[name]["security"][0]}

    assert set(OF_OWNERS) == (posting & of_users) - any_role
