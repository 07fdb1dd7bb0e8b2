"""What people with bad intentions write into a field, into every field of every endpoint: never a 5xx, never a header.

`OPENAPI_EXAMPLES` in the environment makes each field take every attack; without it each takes some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.attacks.corpus import TEXTS, VALUES
from tests.openapi.contract import example, make_real
from tests.openapi.tenants import DOCUMENT, OPERATIONS, credentials

if TYPE_CHECKING:
    from local.openapi.document import Json
    from tests.openapi.contract import Case
    from tests.openapi.tenants import People, Tenant


def fields_of(operation: Json) -> list[tuple[str, tuple[str, ...]]]:
    """Where a value can be put: the part of the request, and the way to it."""
    found = [
        (parameter["in"], (parameter["name"],))
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "header"
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example", {})
    for name, value in body.items():
        found.append(("body", (name,)))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found += [("body", (name, inner)) for inner in cast("Json", value[0])]
    return found


def put(case: Case, where: str, way: tuple[str, ...], value: Any) -> None:
    if where == "body":
        holder = case.body if len(way) == 1 else case.body[way[0]][0]
        holder[way[-1]] = value
    else:
        (case.query if where == "query" else case.path_parameters)[way[0]] = value


FIELDS = [(name, where, way) for name, operation in OPERATIONS.items() for where, way in fields_of(operation)]


@pytest.mark.parametrize(("name", "where", "way"), FIELDS, ids=[f"{name}-{'.'.join(way)}" for name, _, way in FIELDS])
def test_no_text_in_a_field_breaks_anything(
    name: str,
    where: str,
    way: tuple[str, ...],
    strict: dict[str, Any],
    ours: Tenant,
    theirs: Tenant,
    people: People,
    examples: int | None,
) -> None:
    attacks = list((TEXTS | VALUES if where == "body" else TEXTS).items())
    place = FIELDS.index((name, where, way))
    chosen = attacks if examples else [attacks[(place + turn * 7) % len(attacks)] for turn in range(4)]
    things, who = ours.things(name), credentials(name, ours, people)
    before = theirs.world.snapshot()
    allowed = {int(status) for status in OPERATIONS[name]["responses"]} | {404}

    for attack, value in chosen:
        case = example(strict[name])
        make_real(case, things)
        put(case, where, way, value)
        answer = people.send(case, who)
        assert answer.status_code in allowed - {500, 503}, (attack, answer.text)
        assert "set-cookie" not in answer.headers
        assert "agencies" not in answer.text or attack == "select", attack
    assert theirs.world.snapshot() == before


def test_the_document_names_fields_to_attack() -> None:
    assert len(FIELDS) > len(DOCUMENT["paths"])
