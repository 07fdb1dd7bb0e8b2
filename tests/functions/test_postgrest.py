"""Straight at PostgREST, as anybody with the project's address can: table by table, column by column, verb by verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.calling import claims
from tests.project import serving_project
from tests.sql.checks import query
from tests.sql.test_privileges import HIDDEN_FROM_USERS, OURS, USERS_MAY_CALL
from tests.sql.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import Stack
    from tests.factories import Connection
    from tests.functions.conftest import Sign

NOT_ALLOWED = "42501"
NOT_WRITABLE = "55000"  # a view of several tables


@pytest.fixture
def theirs(db: Connection) -> World:
    """Another agency, with something in it."""
    theirs = World(db)
    theirs.call_in("ended", contacts=2)
    return theirs


@pytest.fixture
def ask(stack: Stack) -> Iterator[Callable[..., httpx.Response]]:
    """Sends a request to PostgREST through the gateway, with a token, as a Supabase client does."""
    with httpx.Client(base_url=f"{stack.url}/rest/v1", headers={"apikey": stack.env["SUPABASE_ANON_KEY"]}) as client:

        def send(token: str, method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
            return client.request(method, path, headers=headers, **options)

        yield send


def columns(db: Connection) -> list[tuple[str, str]]:
    """Every column of every table and view."""
    statement = f"""
        select relname, attname from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace in {OURS} and relkind in ('r', 'v') and attnum > 0 and not attisdropped
        order by relname, attname
    """  # noqa: S608
    return [(str(table), str(column)) for table, column in query(db, statement)]


def functions(db: Connection) -> list[tuple[str, str, list[str]]]:
    """Every function that can be called: schema, name, names of its arguments."""
    statement = f"""
        select pronamespace::regnamespace::text, proname, coalesce(proargnames[1:pronargs], '{{}}') from pg_proc
        where pronamespace in {OURS} and prorettype <> 'trigger'::regtype
    """  # noqa: S608
    return [(str(schema), str(name), list(names)) for schema, name, names in query(db, statement)]  # pyright: ignore


def test_a_user_reads_the_columns_meant_for_them_of_their_own_agency_and_no_other(
    ask: Callable[..., httpx.Response], db: Connection, world: World, theirs: World, owner: str
) -> None:
    world.call_in("ended", contacts=2)
    for table, column in columns(db):
        answer = ask(owner, "GET", f"/{table}", params={"select": column})
        if column in HIDDEN_FROM_USERS.get(table, set()):
            assert (answer.status_code, answer.json()["code"]) == (403, NOT_ALLOWED), (table, column)
        else:
            assert answer.status_code == 200, (table, column)
            assert str(theirs.agency.id) not in answer.text, (table, column)
    for table in ("call_batches", "campaign_contacts", "call_events"):
        for agency_id, is_found in ((world.agency.id, True), (theirs.agency.id, False)):
            answer = ask(owner, "GET", f"/{table}", params={"select": "id", "agency_id": f"eq.{agency_id}"})
            assert bool(answer.json()) is is_found, table


def test_a_visitor_reads_no_column(ask: Callable[..., httpx.Response], stack: Stack, db: Connection) -> None:
    for table, column in columns(db):
        answer = ask(stack.env["SUPABASE_ANON_KEY"], "GET", f"/{table}", params={"select": column})
        assert (answer.status_code, answer.json()["code"]) == (401, NOT_ALLOWED), (table, column)


@pytest.mark.parametrize("who", ["visitor", "owner"])
def test_nobody_writes_a_row(
    ask: Callable[..., httpx.Response], stack: Stack, db: Connection, world: World, theirs: World, owner: str, who: str
) -> None:
    token = owner if who == "owner" else stack.env["SUPABASE_ANON_KEY"]
    before = world.snapshot(), theirs.snapshot()
    for table in sorted({table for table, _ in columns(db)}):
        row, merging = {"id": str(theirs.agency.id)}, {"Prefer": "resolution=merge-duplicates"}
        attempts = [
            ask(token, "POST", f"/{table}", json={}),
            ask(token, "POST", f"/{table}", json=row, headers=merging),
            ask(token, "PATCH", f"/{table}", json=row, params={"id": "not.is.null"}),
            ask(token, "DELETE", f"/{table}", params={"limit": "1"}),
        ]
        for answer in attempts:
            assert not answer.is_success, table
            assert answer.json()["code"] in (NOT_ALLOWED, NOT_WRITABLE) or answer.status_code == 400, (
                table,
                answer.text,
            )
    assert (world.snapshot(), theirs.snapshot()) == before


@pytest.mark.parametrize("who", ["visitor", "owner"])
def test_only_the_reading_functions_are_called_and_only_by_users(
    ask: Callable[..., httpx.Response], stack: Stack, db: Connection, theirs: World, owner: str, who: str
) -> None:
    token = owner if who == "owner" else stack.env["SUPABASE_ANON_KEY"]
    before = theirs.snapshot()
    for schema, name, arguments in functions(db):
        answer = ask(token, "POST", f"/rpc/{name}", json=dict.fromkeys(arguments), headers={"Content-Profile": schema})
        if who == "owner" and schema == "public" and name in USERS_MAY_CALL:
            assert answer.status_code != 403, (name, answer.text)
        else:
            assert answer.status_code in (401, 403, 404), (name, answer.text)
    assert theirs.snapshot() == before


def test_a_forged_token_opens_nothing(
    ask: Callable[..., httpx.Response], stack: Stack, db: Connection, world: World, sign: Sign
) -> None:
    whole = claims(world.agency.owner, f"{stack.url}/auth/v1")
    good = sign(world.agency.owner)
    with serving_project() as other:
        forged = [
            other.token(),
            other.token(role="service_role"),
            other.token(key=ec.generate_private_key(ec.SECP256R1()), sub=whole["sub"], iss=whole["iss"]),
            other.token(key=b"s" * 32, alg="HS256", role="service_role"),
            other.token(key=stack.env["SUPABASE_ANON_KEY"].encode(), alg="HS256", role="service_role"),
            f"{good.rsplit('.', 1)[0]}.{'A' * 86}",
            f"{good.rsplit('.', 1)[0]}.",
            sign(world.agency.owner, exp=1),
        ]
    for table in sorted({table for table, _ in columns(db)}):
        for token in forged:
            answer = ask(token, "GET", f"/{table}", params={"limit": "1"})
            assert answer.status_code == 401, (table, token)
