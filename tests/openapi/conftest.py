"""The document, the running stack, and people who ask it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities import parameters

from local import keys
from local.openapi import document as openapi
from tests.calling import claims
from tests.factories import ApiKey, insert, make_api_key
from tests.openapi.contract import SECRET, Client, closed, operations, signed
from tests.openapi.tenants import OTHER_NUMBER, People, Tenant
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack import Stack
    from tests.factories import Connection


@pytest.fixture(scope="session")
def document() -> Any:
    """The committed document."""
    return json.loads(openapi.FILE.read_text())


@pytest.fixture(scope="session")
def strict(document: Any) -> dict[str, Any]:
    """The operations, by name, of the document with closed answers."""
    return operations(closed(document))


@pytest.fixture
def world(stack: Stack, db: Connection) -> World:
    """An agency with a webhook secret, whose plan limits nothing."""
    world = World(db)
    path = f"/batchline/{stack.env['STAGE']}/agencies/{world.agency.id}/ultravox-webhook-secret"
    parameters.set_parameter(path, SECRET, parameter_type="SecureString")  # pyright: ignore[reportUnknownMemberType]
    return world


@pytest.fixture
def key(world: World) -> ApiKey:
    """An API key of the agency."""
    return make_api_key(world.connection, world.agency)


@pytest.fixture
def client(stack: Stack) -> Callable[..., Client]:
    """Makes a client: of a user, with their token, a program with its API key, or the provider, which signs."""
    known = keys.load_or_make(stack.folder / "keys.json")

    def make(who: object = None) -> Client:
        if who is None:
            return Client(stack.env["FUNCTIONS_URL"], signed)
        token = "" if isinstance(who, ApiKey) else known.sign(claims(str(who), f"{stack.url}/auth/v1"))
        headers = who.headers if isinstance(who, ApiKey) else {"Authorization": f"Bearer {token}"}

        def authorized(request: Any) -> Any:
            request.headers.update(headers)
            return request

        return Client(stack.env["FUNCTIONS_URL"], authorized)

    return make


@pytest.fixture(scope="session")
def examples() -> int | None:
    """How many requests of each sort are made up; None for a few that are always the same.

    `OPENAPI_EXAMPLES=500 make test ARGS=tests/openapi` takes minutes, and each time other requests.
    """
    given = os.environ.get("OPENAPI_EXAMPLES")
    return int(given) if given else None


@pytest.fixture
def ours(db: Connection) -> Tenant:
    """An agency with one of everything."""
    return Tenant(db, "Acme")


@pytest.fixture
def theirs(db: Connection) -> Tenant:
    """Another one, which has a caller id that the first has not."""
    tenant = Tenant(db, "Globex")
    insert(db, "agency_phone_numbers", agency_id=tenant.world.agency.id, phone_number=OTHER_NUMBER)
    return tenant


@pytest.fixture
def people(stack: Stack) -> People:
    """Whoever asks, with whatever credentials."""
    return People(stack)
