"""The operator's commands against the whole stack: what they change is what the product then does."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import boto3  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest
from aws_lambda_powertools.utilities import parameters as cached
from psycopg import sql

from local.processes import ROOT
from ops import parameters
from ops.__main__ import main
from shared import database, webhooks
from shared.secrets import PROVIDER_KEY, WEBHOOK_SECRET, webhook_secrets
from shared.settings import settings
from tests.calling import call
from tests.sql.payloads import answered
from tests.sql.test_privileges import TABLES
from tests.sql.world import World
from tests.unit.test_webhooks import sign, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulator.client import Simulator
    from local.stack import Stack
    from tests.factories import Connection

    Ops = Callable[..., dict[str, Any]]

NUMBER = "+12125550142"


@pytest.fixture(autouse=True)
def _container(stack: Stack) -> Iterator[None]:  # noqa: ARG001 - its settings must be there first
    yield
    cached.clear_caches()
    settings.cache_clear()
    database.close()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command with a secret on its standard input; status, and what it wrote."""

    def run(*arguments: object, secret: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{secret}\n"))
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        written = capsys.readouterr()
        assert not secret or secret not in written.out + written.err
        return status, written.out, written.err

    return run


@pytest.fixture
def ops(typed: Callable[..., tuple[int, str, str]]) -> Ops:
    """Runs a command that is done; its answer."""

    def run(*arguments: object, secret: str = "") -> dict[str, Any]:
        status, out, err = typed(*arguments, "--json", secret=secret)
        assert status == 0, err
        return json.loads(out)

    return run


@pytest.fixture
def world(db: Connection) -> World:
    return World(db)


def test_an_agency_made_by_the_commands_alone_can_call_people(ops: Ops, stack: Stack, simulator: Simulator) -> None:
    agent, key, email = str(uuid4()), f"key-{uuid4()}", f"{uuid4()}@acme.test"
    simulator.add_account(key, agents=[{"agentId": agent, "name": "Sales"}])

    agency = ops("agency-add", "Acme", "--max-calls-per-minute", 600)
    agency_id = agency["agency_id"]
    assert ops("agency-key-set", agency_id, secret=key)["stored"] is True
    assert ops("number-add", agency_id, "+1 (212) 555-0142")["phone_number"] == NUMBER
    user = ops("user-add", agency_id, email, "--role", "agency_owner", secret="a long password")

    assert agency["max_calls_per_minute"] == 600
    assert agency["webhook_url"].endswith(f"/webhook-ingest/{agency_id}")
    assert user["role"] == "agency_owner"
    token = sign_in(stack, email, "a long password")
    assert call("agents-sync", token, body={}).body["created"] == 1
    with httpx.Client(base_url=stack.env["SUPABASE_URL"]) as client:
        headers = {"apikey": stack.env["SUPABASE_ANON_KEY"], "Authorization": f"Bearer {token}"}
        seen = client.get("/rest/v1/agent_mappings?select=name", headers=headers).json()
    assert seen == [{"name": "Sales"}]
    assert len(webhook_secrets(agency_id)) == 1


def sign_in(stack: Stack, email: str, password: str) -> str:
    response = httpx.post(
        f"{stack.env['SUPABASE_URL']}/auth/v1/token?grant_type=password",
        json={"email": email, "password": password},
        headers={"apikey": stack.env["SUPABASE_ANON_KEY"]},
    )
    return response.raise_for_status().json()["access_token"]


def test_an_agency_made_twice_is_made_once_and_keeps_its_secret(ops: Ops) -> None:
    agency_id = uuid4()

    first = ops("agency-add", "Acme", "--id", agency_id)
    secret = parameters.read(agency_id, WEBHOOK_SECRET)

    assert ops("agency-add", "Acme", "--id", agency_id) == first
    assert parameters.read(agency_id, WEBHOOK_SECRET) == secret


def test_secrets_lie_encrypted_under_their_stage_and_agency_and_not_in_the_database(ops: Ops, world: World) -> None:
    agency_id = uuid4()
    ops("agency-add", "Acme", "--id", agency_id)
    parameters.store(agency_id, PROVIDER_KEY, "a key")
    ssm = cast("Any", boto3).client("ssm")

    stored = ssm.get_parameters_by_path(Path=f"/batchline/{settings().stage}/agencies/{agency_id}")["Parameters"]
    ssm.close()

    assert {(one["Name"].rpartition("/")[2], one["Type"]) for one in stored} == {
        ("ultravox-api-key", "SecureString"),
        ("ultravox-webhook-secret", "SecureString"),
    }
    secret = webhook_secrets(agency_id)[0]
    for table in TABLES:
        holding = sql.SQL("select from public.{} as row where to_jsonb(row)::text like %s").format(
            sql.Identifier(table)
        )
        assert world.connection.execute(holding, [f"%{secret}%"]).fetchall() == [], table


def test_a_key_that_the_provider_refuses_is_not_stored(
    typed: Callable[..., tuple[int, str, str]], world: World, simulator: Simulator
) -> None:
    status, _, error = typed("agency-key-set", world.agency.id, secret="nobody's")

    assert status == 1
    assert "did not accept the key" in error
    assert parameters.read(world.agency.id, PROVIDER_KEY) is None
    assert simulator.stats()["accepted"] == 0


def test_after_a_rotation_both_secrets_are_accepted_and_the_provider_has_the_new_one(
    ops: Ops, world: World, simulator: Simulator
) -> None:
    agency_id, key = world.agency.id, f"key-{uuid4()}"
    parameters.store(agency_id, PROVIDER_KEY, key)
    parameters.store(agency_id, WEBHOOK_SECRET, "the old one")
    simulator.add_account(key)
    with httpx.Client(base_url=simulator.base_url, headers={"X-API-Key": key}) as provider:
        for url in (f"{settings().functions_url}/webhook-ingest/{agency_id}", "https://elsewhere.example/"):
            body = {"url": url, "events": ["call.ended"], "secrets": ["the old one"]}
            provider.post("/api/webhooks", json=body).raise_for_status()
        assert receive(world, "the old one")  # a container that keeps the old secret

        answer = ops("webhook-secret-rotate", agency_id)

        new, old = webhook_secrets(agency_id, fresh=True)
        hooks = provider.get("/api/webhooks").json()["results"]
    assert old == "the old one"
    assert (answer["made"], answer["webhooks_told"]) == (True, 1)
    assert sorted(hook["secrets"] for hook in hooks) == sorted([[new], ["the old one"]])
    assert receive(world, new)
    assert receive(world, old)
    assert not receive(world, "another")


def receive(world: World, secret: str) -> bool:
    """Whether an event with this signature is taken in."""
    nobody = {"agency_id": "", "batch_id": "", "contact_id": "", "id": "", "began_at": world.time()}
    told: dict[str, Any] = answered({**nobody, "to_number": NUMBER, "from_number": NUMBER})["ended"] | {"metadata": {}}
    body, timestamp = json.dumps({"event": "call.ended", "call": told}).encode(), written()
    headers = {webhooks.TIMESTAMP_HEADER: timestamp, webhooks.SIGNATURE_HEADER: sign(timestamp, body, secret)}
    path = {"agency_id": str(world.agency.id)}
    return call("webhook-ingest", body=body, headers=headers, path_parameters=path).status == 204


def test_a_container_with_the_old_secret_learns_the_new_one_from_the_first_event_it_cannot_verify(
    ops: Ops, world: World
) -> None:
    parameters.store(world.agency.id, WEBHOOK_SECRET, "the old one")
    assert receive(world, "the old one")
    ops("webhook-secret-rotate", world.agency.id)
    stored = json.loads(parameters.read(world.agency.id, WEBHOOK_SECRET) or "")

    assert webhook_secrets(world.agency.id) == ("the old one",)  # what it has kept
    assert receive(world, stored["current"])


def test_a_rotation_that_is_repeated_while_the_old_secret_counts_makes_no_further_one(ops: Ops, world: World) -> None:
    parameters.store(world.agency.id, WEBHOOK_SECRET, "the old one")
    ops("webhook-secret-rotate", world.agency.id)
    once = parameters.read(world.agency.id, WEBHOOK_SECRET)

    assert ops("webhook-secret-rotate", world.agency.id)["made"] is False
    assert parameters.read(world.agency.id, WEBHOOK_SECRET) == once


def test_the_previous_secret_counts_no_longer_than_it_says(world: World) -> None:
    over = {"current": "new", "previous": "old", "previous_until": "2020-01-01T00:00:00Z"}
    parameters.store(world.agency.id, WEBHOOK_SECRET, json.dumps(over))

    assert webhook_secrets(world.agency.id, fresh=True) == ("new",)


def test_limits_that_are_not_given_stay(ops: Ops, world: World) -> None:
    before = ops("limits-set", world.agency.id)

    after = ops("limits-set", world.agency.id, "--default-max-concurrent", 7)

    assert after == before | {"default_max_concurrent": 7}


def test_a_person_who_can_sign_in_already_gets_a_role_and_keeps_their_password(
    ops: Ops, world: World, stack: Stack
) -> None:
    email = f"{uuid4()}@acme.test"
    first = ops("user-add", world.agency.id, email, secret="first password")
    second = ops("user-add", world.agency.id, email.upper(), "--role", "agency_admin", secret="second password")

    assert (first["sign_in"], second["sign_in"]) == ("made", "was there, its password unchanged")
    assert (second["user_id"], second["role"]) == (first["user_id"], "agency_admin")
    assert sign_in(stack, email, "first password")


def test_nobody_is_moved_to_another_agency(
    typed: Callable[..., tuple[int, str, str]], ops: Ops, world: World, db: Connection
) -> None:
    email = f"{uuid4()}@acme.test"
    ops("user-add", world.agency.id, email, secret="password")

    status, _, error = typed("user-add", World(db).agency.id, email, secret="password")

    assert (status, error) == (1, "The user belongs to another agency\n")


@pytest.mark.parametrize(
    "arguments",
    [["agency-key-set"], ["webhook-secret-rotate"], ["user-add", "a@b.test"], ["number-add", NUMBER], ["limits-set"]],
    ids=lambda arguments: arguments[0],
)
def test_an_agency_that_does_not_exist_is_said_to_be_none(
    typed: Callable[..., tuple[int, str, str]], arguments: list[str]
) -> None:
    name, *rest = arguments

    status, out, error = typed(name, uuid4(), *rest, secret="secret")

    assert (status, out, error) == (1, "", "There is no agency with this id\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("number-add", str(uuid4()), "+1 555 123 4567"),
        ("number-add", str(uuid4()), "2125550100"),
        ("limits-set", str(uuid4()), "--max-concurrent-calls", "0"),
        ("user-add", str(uuid4()), "a@b.test", "--role", "king"),
        ("agency-key-set", "Acme"),
        ("agency-key-set", str(uuid4()), "the key"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    typed: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        typed(*arguments)


def test_a_sip_number_needs_its_domain_and_no_other_has_one(
    typed: Callable[..., tuple[int, str, str]], ops: Ops, world: World
) -> None:
    assert typed("number-add", world.agency.id, NUMBER, "--provider", "sip")[0] == 1
    assert typed("number-add", world.agency.id, NUMBER, "--sip-domain", "sip.example")[0] == 1
    sip = ops("number-add", world.agency.id, NUMBER, "--provider", "sip", "--sip-domain", "sip.example")
    assert (sip["provider"], sip["sip_domain"]) == ("sip", "sip.example")


def test_without_json_people_read_names_and_values(typed: Callable[..., tuple[int, str, str]], world: World) -> None:
    status, out, _ = typed("limits-set", world.agency.id, "--max-concurrent-calls", 12)

    assert status == 0
    assert "max concurrent calls      12\n" in out


def test_nothing_but_what_runs_on_one_machine_imports_ops() -> None:
    importing = [path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py")]

    assert [path for path in importing if "import ops" in path.read_text() or "from ops" in path.read_text()] == []
