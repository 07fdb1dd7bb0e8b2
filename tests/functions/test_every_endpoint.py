"""What holds for all endpoints that a signed-in person calls: the order of checks, the answers, one round trip."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.accounts import with_agents
from tests.calling import FUNCTIONS, call
from tests.factories import batch_body, make_agency, make_api_key, make_user
from tests.functions.conftest import forget
from tests.servers import serving
from tests.sql.importing import Import
from tests.sql.listing import Listed
from tests.sql.telling import listen
from tests.sql.world import World

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

    from tests.calling import Reply
    from tests.factories import Agency, Connection
    from tests.functions.conftest import Sign
    from tests.servers import Asked

UNAUTHORIZED = (401, "Missing or invalid authorization header")
NO_AGENCY = (403, "User is not associated with an agency")
WRONG_ROLE = (403, "User role is not agency_owner or agency_admin")
NOT_FOUND = (404, "Batch not found or does not belong to the user's agency")

A_FUNCTION = re.compile(r"/rpc/[a-z_]+(\?columns=p_[a-z_]+(,p_[a-z_]+)*)?")


def noticed(world: World) -> dict[str, str]:
    """A batch of the agency, which has an endpoint."""
    listen(world)
    return {"batch_id": str(world.batch_in("paused"))}


GOOD: dict[str, Callable[[World], dict[str, Any]]] = {
    "calls-batch-create": lambda world: batch_body(world.agency),
    "calls-batch-append": lambda world: {
        "batch_id": str(world.batch_in("processing")),
        "contacts": [{"phone_number": "+12135550177"}],
    },
    "calls-batch-upload": lambda world: {
        name: value for name, value in batch_body(world.agency).items() if name != "contacts"
    },
    "calls-batch-import-get": lambda world: {"import_id": str(Listed(world).id)},
    "api-keys-create": lambda _world: {"name": "CRM"},
    "notices-endpoint-set": lambda _world: {"url": "https://crm.example/hooks"},
    "notices-replay": lambda world: noticed(world),
    "agents-sync": lambda world: with_agents(world) or {},
    "api-keys-revoke": lambda world: {"id": make_api_key(world.connection, world.agency).id},
    "calls-batch-contact": lambda world: {"contact_id": world.contacts(world.create())[0]["id"]},
    "campaigns-create": lambda _world: {"name": "Spring"},
    "do-not-call-add": lambda _world: {"phone_numbers": ["+12135550123"]},
    "do-not-call-remove": lambda _world: {"phone_numbers": ["+12135550123"]},
    "person-erase": lambda world: {"phone_number": world.numbers(1)[0]},
}


@dataclass(frozen=True)
class Endpoint:
    """One endpoint; `state` is that of a batch on which it succeeds, None where it is about no batch."""

    name: str
    method: str
    state: str | None
    failure: str
    any_role: bool = False
    owner_alone: bool = False
    round_trips: int = 1  # of what succeeds; what is refused is refused at the first

    @property
    def posts(self) -> bool:
        return self.method == "POST"

    @property
    def writes(self) -> bool:
        """Whether only owner and admin may."""
        return self.posts and not self.any_role

    def ask(self, token: str | None, given: dict[str, Any] | bytes) -> Reply:
        """With the right method; what is given is the body, or the query of a GET."""
        if isinstance(given, bytes) or self.posts:
            return call(self.name, token, body=given)
        return call(self.name, token, query=given)

    def good(self, world: World) -> dict[str, Any]:
        """What succeeds for the agency's owner."""
        if self.name == "calls-batch-redial":  # each leaves somebody to be called again
            return {"batch_id": str(world.call(world.call_in("ended", retry={"on": []}))["batch_id"])}
        if self.state:
            return {"batch_id": str(world.batch_in(self.state))}
        if self.name == "cancel-historical-sync":
            active = [job["id"] for job in world.all("historical_sync_jobs") if job["status"] == "pending"]
            return {"job_id": active[0] if active else str(Import(world).id)}
        return GOOD[self.name](world) if self.name in GOOD else {}


ENDPOINTS = [
    Endpoint("calls-batch-create", "POST", None, "Failed to create batch"),
    Endpoint("calls-batch-list", "GET", None, "Failed to fetch batches from the database"),
    Endpoint("calls-batch-get", "GET", "pending", "Failed to fetch batch from the database"),
    Endpoint("calls-batch-contact", "GET", None, "Failed to fetch contact from the database"),
    Endpoint("calls-batch-pause", "POST", "processing", "Failed to update batch status"),
    Endpoint("calls-batch-resume", "POST", "paused", "Failed to update batch status"),
    Endpoint("calls-batch-cancel", "POST", "processing", "Failed to update batch status"),
    Endpoint("calls-batch-execute", "POST", "draft", "Failed to update batch status"),
    Endpoint("calls-batch-append", "POST", None, "Failed to add contacts to the batch"),
    Endpoint("calls-batch-upload", "POST", None, "Failed to create upload"),
    Endpoint("calls-batch-import-get", "GET", None, "Failed to fetch import from the database"),
    Endpoint("api-keys-create", "POST", None, "Failed to create API key"),
    Endpoint("api-keys-list", "GET", None, "Failed to fetch API keys from the database"),
    Endpoint("api-keys-revoke", "POST", None, "Failed to revoke API key"),
    Endpoint("campaigns-create", "POST", None, "Failed to create campaign"),
    Endpoint("campaigns-list", "GET", None, "Failed to fetch campaigns from the database"),
    Endpoint("do-not-call-add", "POST", None, "Failed to add to the do-not-call list"),
    Endpoint("do-not-call-remove", "POST", None, "Failed to remove from the do-not-call list"),
    Endpoint("do-not-call-list", "GET", None, "Failed to fetch the do-not-call list from the database"),
    Endpoint("notices-endpoint-set", "POST", None, "Failed to store the notice endpoint"),
    Endpoint("notices-list", "GET", None, "Failed to fetch notices from the database"),
    Endpoint("notices-replay", "POST", None, "Failed to replay notices"),
    Endpoint("agents-sync", "POST", None, "Failed to import agents", round_trips=2),
    Endpoint("calls-batch-export", "POST", "completed", "Failed to export batch", any_role=True, round_trips=3),
    Endpoint("calls-batch-redial", "POST", "cancelled", "Failed to create batch"),
    Endpoint("person-erase", "POST", None, "Failed to erase person", owner_alone=True),
    Endpoint("status", "GET", None, "Failed to fetch status from the database"),
    Endpoint("start-historical-sync", "POST", None, "Failed to create sync job", any_role=True),
    Endpoint("get-sync-status", "GET", None, "Failed to fetch sync status from the database"),
    Endpoint("cancel-historical-sync", "POST", None, "Failed to cancel sync job", any_role=True),
]
OF_A_BATCH = [endpoint for endpoint in ENDPOINTS if endpoint.state]
POSTING = [endpoint for endpoint in ENDPOINTS if endpoint.posts]
WRITING = [endpoint for endpoint in ENDPOINTS if endpoint.writes]

every = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
every_of_a_batch = pytest.mark.parametrize("endpoint", OF_A_BATCH, ids=lambda endpoint: endpoint.name)
every_posting = pytest.mark.parametrize("endpoint", POSTING, ids=lambda endpoint: endpoint.name)
every_writing = pytest.mark.parametrize("endpoint", WRITING, ids=lambda endpoint: endpoint.name)

BAD_BODIES = {
    "broken JSON": (b'{"batch_id": ', 400, "The body is not valid JSON: Expecting value (line 1, column 14)"),
    "a list": (b"[1, 2]", 400, "The body must be a JSON object"),
    "NaN": (b'{"batch_id": NaN}', 400, "The body is not valid JSON: NaN is no JSON number"),
    "33 levels": (b'{"x":' * 33 + b"1" + b"}" * 33, 400, "The body is nested deeper than 32 levels"),
    "5 MB": (b'{"x":"' + b"x" * 5_000_000 + b'"}', 413, "The body is larger than 4 MB"),
    "NUL": (b'{"batch_id": "\\u0000"}', 400, "batch_id holds a character that cannot be stored"),
}
every_bad_body = pytest.mark.parametrize(("raw", "status", "sentence"), BAD_BODIES.values(), ids=BAD_BODIES)


def test_every_function_that_a_person_calls_is_here() -> None:
    called = {name for name, function in FUNCTIONS.items() if function.routes} - {
        "webhook-ingest",
        "call-opt-out",
        "health",
    }

    assert {name for name in called if not name.startswith("batch-call-")} == {endpoint.name for endpoint in ENDPOINTS}


@every
def test_a_preflight_needs_no_token(endpoint: Endpoint) -> None:
    reply = call(endpoint.name, method="OPTIONS", headers={"origin": "https://app.example"})

    assert (reply.status, reply.text) == (204, "")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-methods"] == f"{endpoint.method}, OPTIONS"


@every
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_another_method_is_refused_before_the_token_is_read(endpoint: Endpoint, method: str) -> None:
    if method == endpoint.method:
        return
    reply = call(endpoint.name, "nonsense", method=method)

    assert reply.error == (405, f"HTTP method is not {endpoint.method}")
    assert reply.headers["allow"] == f"{endpoint.method}, OPTIONS"


@every
def test_without_a_good_token_nothing_is_asked_of_the_database(
    endpoint: Endpoint, agency: Agency, sign: Sign, counted: list[Asked]
) -> None:
    good = sign(agency.owner)
    forged = f"{good[:-6]}{'A' * 6 if good[-6:] != 'A' * 6 else 'B' * 6}"

    for token in (None, "nonsense", forged, sign(agency.owner, exp=1), sign(agency.owner, aud="anon")):
        reply = endpoint.ask(token, {"batch_id": "not even a UUID"})
        assert reply.error == UNAUTHORIZED
        assert reply.headers["www-authenticate"] == "Bearer"
    assert counted == []


@every
def test_who_has_no_agency_learns_that_and_nothing_about_their_body(
    endpoint: Endpoint, world: World, db: Connection, sign: Sign
) -> None:
    for user_id in (make_user(db, None), uuid4()):
        for given in (endpoint.good(world), {"batch_id": "not even a UUID"}):
            reply = endpoint.ask(sign(user_id), given)
            assert (reply.error, reply.body["code"]) == (NO_AGENCY, "no_agency")


@every_writing
def test_who_may_only_read_learns_that_and_nothing_about_their_body(
    endpoint: Endpoint, world: World, member: str
) -> None:
    good = endpoint.good(world)
    before = world.snapshot()

    for given in (good, {"batch_id": str(uuid4())}, {"batch_id": "not even a UUID"}, b"{"):
        reply = endpoint.ask(member, given)
        assert (reply.error, reply.body["code"]) == (WRONG_ROLE, "forbidden")
    assert world.snapshot() == before


@every_writing
def test_owner_and_admin_may_write(endpoint: Endpoint, world: World, sign: Sign) -> None:
    assert endpoint.ask(sign(world.agency.owner), endpoint.good(world)).status in (200, 201)
    admin = endpoint.ask(sign(world.agency.admin), endpoint.good(world))
    if endpoint.owner_alone:
        assert admin.error == (403, "User role is not agency_owner")
        assert endpoint.ask(sign(world.agency.admin), b"{").error == admin.error
    else:
        assert admin.status in (200, 201)


@every_writing
def test_a_role_that_was_taken_away_a_second_ago_is_gone(endpoint: Endpoint, world: World, owner: str) -> None:
    good = endpoint.good(world)
    world.set("users", world.agency.owner, role="agency_member")

    assert endpoint.ask(owner, good).error == WRONG_ROLE


@every
def test_a_user_who_was_taken_out_of_the_agency_a_second_ago_is_out(
    endpoint: Endpoint, world: World, owner: str
) -> None:
    good = endpoint.good(world)
    world.set("users", world.agency.owner, agency_id=None)

    assert endpoint.ask(owner, good).error == NO_AGENCY


@every_posting
def test_who_asks_too_often_is_told_when_to_try_again_and_nothing_about_their_body(
    endpoint: Endpoint, world: World, owner: str, sign: Sign
) -> None:
    good = endpoint.good(world)
    world.set("agencies", world.agency.id, max_requests_per_minute=1)
    world.connection.execute("delete from public.counted_requests")  # those that made the state
    assert endpoint.ask(owner, {"unknown": "field"}).status == 400
    before = world.snapshot()

    for given in (good, {"unknown": "field"}, b"{"):
        reply = endpoint.ask(owner, given)
        assert (reply.status, reply.body["code"]) == (429, "too_many_requests")
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert world.snapshot() == before
    assert endpoint.ask(sign(make_user(world.connection, world.agency.id)), good).status in (200, 201)


@every_posting
@every_bad_body
def test_a_body_that_is_no_good_is_refused_and_changes_nothing(
    endpoint: Endpoint, world: World, owner: str, raw: bytes, status: int, sentence: str
) -> None:
    before = world.snapshot()

    assert endpoint.ask(owner, raw).error == (status, sentence)
    assert world.snapshot() == before


@every_of_a_batch
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "batch_id is missing"),
        ({"batch_id": "7"}, "batch_id must be a UUID"),
        ({"batch_id": "5f9f1b7e-4d1b-4a53-9a3f-1d2c3b4a5f60", "batch": 1}, "batch is not a known field"),
    ],
)
def test_a_batch_that_is_not_named_is_a_bad_request(
    endpoint: Endpoint, owner: str, given: dict[str, Any], sentence: str
) -> None:
    assert endpoint.ask(owner, given).error == (400, sentence)


@every_of_a_batch
def test_another_agencys_batch_reads_exactly_as_one_that_does_not_exist(
    endpoint: Endpoint, owner: str, db: Connection
) -> None:
    assert endpoint.state
    theirs = World(db, make_agency(db, "Globex", max_calls_per_minute=60_000, max_concurrent_calls=10_000))
    batch_id = str(theirs.batch_in(endpoint.state))
    before = theirs.snapshot()

    replies = [endpoint.ask(owner, {"batch_id": given}) for given in (batch_id, str(uuid4()))]

    for reply in replies:
        assert (reply.error, reply.body["code"]) == (NOT_FOUND, "batch_not_found")
    first, second = (_without_request_id(reply) for reply in replies)
    assert first == second
    assert theirs.snapshot() == before


@every
def test_a_request_is_one_round_trip_to_the_database_and_a_second_counts_what_it_refused(
    endpoint: Endpoint, world: World, owner: str, member: str, counted: list[Asked]
) -> None:
    good = endpoint.good(world)
    requests: list[Callable[[], Reply]] = [
        lambda: endpoint.ask(owner, good),
        lambda: endpoint.ask(owner, good),  # a second time, which most refuse
        lambda: endpoint.ask(owner, {"batch_id": str(uuid4())}),
        lambda: endpoint.ask(owner, {"batch_id": "not even a UUID"}),
        lambda: endpoint.ask(owner, {"unknown": "field"}),
        lambda: endpoint.ask(member, good),
    ]

    for request in requests:
        counted.clear()
        reply = request()
        assert reply.status < 500
        if reply.status < 400:
            assert len(counted) == endpoint.round_trips
        else:
            by_database = reply.body["code"] != "bad_request"
            assert len(counted) == (2 if by_database and endpoint.posts else 1)


@pytest.mark.parametrize("endpoint", [one for one in POSTING if one.state or one.writes], ids=lambda one: one.name)
def test_a_request_that_the_database_refuses_counts_as_well(
    endpoint: Endpoint, world: World, owner: str, member: str, counted: list[Asked]
) -> None:
    good = endpoint.good(world)
    world.set("agencies", world.agency.id, max_requests_per_minute=2)
    world.connection.execute("delete from public.counted_requests")  # those that made the state
    asked = [(owner, {"batch_id": str(uuid4())})] if endpoint.state else []
    asked += [(member, good)] if endpoint.writes else []

    for token, given in asked:
        for _ in range(2):
            assert endpoint.ask(token, given).status in (403, 404)
        for _ in range(2):
            counted.clear()
            reply = endpoint.ask(token, good)
            assert (reply.status, reply.body["code"]) == (429, "too_many_requests")
            assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert counted == []  # who was told to wait need not be asked about


@every
def test_every_answer_has_its_request_id_and_may_be_read_by_a_browser(
    endpoint: Endpoint, world: World, owner: str
) -> None:
    answered = endpoint.ask(owner, endpoint.good(world))
    refused = endpoint.ask(owner, {"unknown": "field"})

    assert answered.headers["x-request-id"] != refused.headers["x-request-id"]
    assert refused.body["request_id"] == refused.headers["x-request-id"]
    for reply in (answered, refused):
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["content-type"] == "application/json"


@every
def test_a_database_that_cannot_be_reached_is_our_fault_and_no_detail_is_told(
    endpoint: Endpoint, world: World, owner: str, database_away: Callable[[], None]
) -> None:
    good = endpoint.good(world)
    database_away()

    reply = endpoint.ask(owner, good)

    assert reply.status == 500
    assert reply.body == {
        "error": endpoint.failure,
        "code": "internal_error",
        "request_id": reply.headers["x-request-id"],
    }


@every
def test_what_a_token_says_of_role_and_agency_counts_for_nothing(endpoint: Endpoint, world: World, sign: Sign) -> None:
    theirs = World(world.connection)
    theirs.batch_in("processing")
    said = {"agency_id": str(theirs.agency.id), "role": "agency_owner", "user_role": "agency_owner"}
    claims = {"app_metadata": said, "user_metadata": said, "agency_id": said["agency_id"], "user_role": "agency_owner"}
    given = endpoint.good(world)
    before = theirs.snapshot()

    reply = endpoint.ask(sign(world.agency.member, **claims), given)
    nobody = endpoint.ask(sign(make_user(world.connection, None), **claims), given)

    assert reply.status == (403 if endpoint.writes else 200)
    assert str(theirs.agency.id) not in reply.text
    assert all(str(row["id"]) not in reply.text for row in theirs.all("call_batches"))
    assert nobody.error == (403, "User is not associated with an agency")
    assert theirs.snapshot() == before


BROKEN = {
    "PostgreSQL": (500, b'{"code": "XX000", "message": "relation \\"planted\\" is broken", "details": "planted"}'),
    "a constraint": (409, b'{"code": "23505", "message": "planted_key", "details": "Key (planted)=(1) exists"}'),
    "no refusal of ours": (418, b'{"code": "PT418", "message": "planted", "hint": "planted"}'),
    "a proxy": (502, b"<html>planted 10.0.0.7</html>"),
}


@pytest.mark.parametrize(
    ("endpoint", "broken"),
    [(endpoint, BROKEN["PostgreSQL"]) for endpoint in ENDPOINTS]
    + [(ENDPOINTS[0], broken) for broken in BROKEN.values()],
)
def test_nothing_of_what_is_broken_is_told(
    endpoint: Endpoint, broken: tuple[int, bytes], world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = endpoint.good(world)
    with serving(lambda _: broken) as served:
        monkeypatch.setenv("SUPABASE_REST_URL", served.url)
        forget()
        reply = endpoint.ask(owner, good)
        forget()  # a server waits for its connections to be closed
    monkeypatch.undo()
    forget()

    assert served.asked
    assert reply.error == (500, endpoint.failure)
    assert reply.body.keys() == {"error", "code", "request_id"}
    assert "planted" not in json.dumps([reply.text, dict(reply.headers)])


@every
def test_of_the_data_interface_nothing_is_asked_but_functions_with_parameters(
    endpoint: Endpoint, world: World, owner: str, counted: list[Asked]
) -> None:
    """No filter, order or pattern: nothing that a user sends can become an operator of PostgREST."""
    endpoint.ask(owner, endpoint.good(world))

    assert counted
    for asked in counted:
        assert (asked.method, bool(A_FUNCTION.fullmatch(asked.path))) == ("POST", True), asked.path
        assert isinstance(json.loads(asked.body), dict)


def test_a_body_that_the_gateway_hands_over_in_base64_is_read(world: World, owner: str) -> None:
    body = {"batch_id": str(world.batch_in("processing"))}

    assert call("calls-batch-pause", owner, body=body, headers={"content-type": "application/x"}).status == 200


def test_no_log_line_shows_a_phone_number_or_a_token(world: World, owner: str, log: io.StringIO) -> None:
    for contacts in ([{"phone_number": "+12135550123"}], [{"phone_number": "+10135550123"}]):
        call("calls-batch-create", owner, body=batch_body(world.agency, contacts))
    call("calls-batch-create", owner, body=batch_body(world.agency, from_number="+12125550151"))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["status"] for line in lines if line["message"] == "answered"] == [201, 400, 404]
    assert {line["user_id"] for line in lines} == {str(world.agency.owner)}
    assert {line["function"] for line in lines} == {"calls-batch-create"}
    assert "5550" not in log.getvalue()
    assert owner not in log.getvalue()


def _without_request_id(reply: Reply) -> tuple[int, str, dict[str, str]]:
    request_id = reply.headers["x-request-id"]
    headers = {name: value for name, value in reply.headers.items() if name != "x-request-id"}
    return reply.status, reply.text.replace(request_id, ""), headers
