"""Whose is whose: made of docs/openapi.json, so that no new endpoint, and no id in it, can be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from tests.attacks.ground import everything_of
from tests.factories import make_user
from tests.openapi.tenants import DOCUMENT, OPERATIONS, OTHER_NUMBER, credentials, told, with_things

if TYPE_CHECKING:
    from local.openapi.document import Json
    from tests.factories import Connection
    from tests.openapi.tenants import People, Tenant


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


OPEN_TO_ALL = {"health"}
PLACES = [(name, field) for name, operation in OPERATIONS.items() for field in ids_of(operation)]


OF_OWNERS = [
    name
    for name, operation in OPERATIONS.items()
    if "forbidden"
    in operation["responses"].get("403", {}).get("content", {}).get("application/json", {}).get("examples", {})
]


def insiders(name: str, tenant: Tenant, people: People) -> dict[str, dict[str, str]]:
    """Everybody of the agency who may call the operation, by role; for some of them not all of it is allowed."""
    who = {"owner": credentials(name, tenant, people)}
    if "token" in OPERATIONS[name]["security"][0]:
        agency = tenant.world.agency
        who |= {"admin": people.headers(agency.admin), "member": people.headers(agency.member)}
    return who


@pytest.mark.parametrize(("name", "field"), PLACES)
def test_what_is_another_agencys_reads_as_what_does_not_exist(
    name: str, field: str, strict: dict[str, Any], ours: Tenant, theirs: Tenant, people: People, db: Connection
) -> None:
    own, other = ours.things(name), theirs.things(name) | {"from_number": OTHER_NUMBER}
    assert field in other, f"tests/openapi: say in existing() what {field} may be"
    nobodys = {
        "batch_call_id": f"batch_call_{uuid4().hex}",
        "agent_id": f"agent_{uuid4()}",
        "from_number": "+12125550197",
    }
    before = ours.world.snapshot(), everything_of(db, theirs.world.agency.id)

    for role, who in insiders(name, ours, people).items():
        answers = [
            people.send(with_things(strict[name], own, **{field: value}), who)
            for value in (other[field], nobodys.get(field, str(uuid4())), "nonsense")
        ]

        assert told(answers[0]) == told(answers[1]), role
        may_not = {403} if role == "member" and name in OF_OWNERS else set[int]()
        assert answers[0].status_code in may_not or {200, 404}, role
        assert answers[2].status_code in may_not or {400, 404}, role
    assert (ours.world.snapshot(), everything_of(db, theirs.world.agency.id)) == before


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

    if name in OPEN_TO_ALL:
        assert reply.status_code == 200
    elif who in ("nobody", "expired") or (of_programs and who == "no agency"):
        assert reply.status_code == 401
    elif who == "no agency":
        assert reply.status_code == 403
    else:
        assert str(ours.world.agency.id) not in reply.text
        assert ids_of(OPERATIONS[name]) == [] or reply.status_code in (200, 404), reply.text
    assert ours.world.snapshot() == before


@pytest.mark.parametrize("name", OF_OWNERS)
def test_who_may_only_read_writes_nothing(name: str, strict: dict[str, Any], ours: Tenant, people: People) -> None:
    case = with_things(strict[name], ours.things(name))
    before = ours.world.snapshot()

    reply = people.send(case, people.headers(ours.world.agency.member))

    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    assert ours.world.snapshot() == before


def test_the_document_says_of_no_other_function_that_anybody_may_call_it() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation["security"] == [{}]} == OPEN_TO_ALL


def test_every_function_that_only_owners_and_admins_may_call_says_so() -> None:
    posting = {path["post"]["operationId"] for path in DOCUMENT["paths"].values() if "post" in path}
    any_role = {"start-historical-sync", "cancel-historical-sync", "calls-batch-export"}
    of_users = {name for name in OPERATIONS if "token" in OPERATIONS[name]["security"][0]}

    assert set(OF_OWNERS) == (posting & of_users) - any_role
