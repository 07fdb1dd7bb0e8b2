"""The front door: what it does with requests before and after the handlers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from select import select
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from local import functions
from local.events import LAMBDA_LIMIT
from local.gateway import METHODS, FunctionsApi
from tests.local import gateway_handlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from pathlib import Path

    from local.stack import Stack

    Ask = Callable[..., httpx.Response]

DOCUMENT = """
functions:
  echo:
    handler: tests/local/gateway_handlers.echo
    events: [httpApi: { method: "*", path: "/echo/{name}" }]
  fail:
    handler: tests/local/gateway_handlers.fail
    events: [httpApi: { method: POST, path: /fail }]
  babble:
    handler: tests/local/gateway_handlers.babble
    events: [httpApi: { method: POST, path: /babble }]
  sleep:
    handler: tests/local/gateway_handlers.sleep
    timeout: 0.05
    events: [httpApi: { method: POST, path: /sleep }]
  missing:
    handler: tests/local/no_such_module.main
    events: [httpApi: { method: POST, path: /missing }]
"""


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Sends one request to a gateway with the functions above."""
    (tmp_path / "serverless.yml").write_text(DOCUMENT)
    known = functions.load(tmp_path / "serverless.yml")

    async def send(method: str, path: str, receive_seconds: float = 30, **request: Any) -> httpx.Response:
        api = FunctionsApi(known, receive_seconds)
        transport = httpx.ASGITransport(Starlette(routes=[Route("/{path:path}", api.answer, methods=METHODS)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, **request)

    def ask(method: str, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(send(method, path, **request))

    return ask


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.env["SUPABASE_ANON_KEY"]}) as client:
        yield client


@contextmanager
def connected(stack: Stack, opening: str) -> Generator[socket.socket]:
    """A client that has sent this much of a request."""
    url = urlsplit(stack.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as client:
        client.sendall(opening.encode())
        yield client


@pytest.mark.parametrize("prefix", ["", "/functions/v1"])
def test_a_function_is_reached_at_its_path_and_as_supabase_names_it(ask: Ask, prefix: str) -> None:
    answer: dict[str, Any] = ask("PUT", f"{prefix}/echo/a%20b?x=1", json={"k": "v"}).json()

    assert answer["function"] == "echo"
    assert answer["event"]["rawPath"] == "/echo/a b"
    assert answer["event"]["pathParameters"] == {"name": "a b"}
    assert answer["event"]["queryStringParameters"] == {"x": "1"}
    assert answer["event"]["body"] == '{"k":"v"}'


@pytest.mark.parametrize("path", ["/echo", "/nothing", "/functions/v1", "/functions/v1/nothing"])
def test_an_unknown_path_is_a_404_in_api_gateways_words(ask: Ask, path: str) -> None:
    response = ask("GET", path)

    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


def test_a_method_without_a_route_is_a_404_too(ask: Ask) -> None:
    assert ask("GET", "/fail").status_code == 404


@pytest.mark.parametrize("path", ["/fail", "/babble", "/missing"])
def test_a_handler_that_raises_answers_nonsense_or_is_missing_is_a_500_that_tells_nothing(ask: Ask, path: str) -> None:
    response = ask("POST", path)

    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_a_handler_that_takes_too_long_is_a_503(ask: Ask) -> None:
    try:
        response = ask("POST", "/sleep")
    finally:
        gateway_handlers.released.set()

    assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})


def test_an_event_over_lambdas_limit_is_a_413(ask: Ask) -> None:
    response = ask("POST", "/echo/x", content=b"x" * (6 * 1024 * 1024), headers={"content-type": "text/plain"})

    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize("announced", ["5000000000", None], ids=["announced", "in chunks without an end"])
def test_a_body_over_lambdas_limit_is_refused_while_most_of_it_is_still_to_come(
    stack: Stack, announced: str | None
) -> None:
    length = f"Content-Length: {announced}" if announced else "Transfer-Encoding: chunked"
    with connected(stack, f"POST /functions/v1/calls-batch-pause HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n") as client:
        sent = 0
        while not announced and not select([client], [], [], 0)[0]:
            assert sent < 4 * LAMBDA_LIMIT
            with suppress(ConnectionError):  # it has answered and closed
                client.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            sent += 0x10000
        with HTTPResponse(client) as answer:
            answer.begin()

            assert (answer.status, answer.read()) == (413, b'{"message":"Request Entity Too Large"}')


def test_who_takes_too_long_to_send_a_body_is_told_so_and_no_handler_runs(ask: Ask) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    response = ask("PUT", "/echo/x", receive_seconds=0.05, content=body())

    assert (response.status_code, response.json()) == (408, {"message": "Request Timeout"})


HELD = {
    "a request line": "POST /functions/v1/cal",
    "headers": "POST /functions/v1/calls-batch-pause HTTP/1.1\r\nHost: x\r\nX-",
    "a body": "POST /functions/v1/calls-batch-pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "a chunk": "POST /functions/v1/calls-batch-pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    "a body for the data interface": "POST /rest/v1/agencies HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "answers that nobody reads": "GET /docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
}


@pytest.mark.parametrize("opening", HELD.values(), ids=HELD)
def test_two_hundred_clients_who_never_get_on_keep_nobody_waiting(
    stack: Stack, client: httpx.Client, opening: str
) -> None:
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(connected(stack, opening))
        for _ in range(5):
            assert client.get("/functions/v1/health", timeout=5).status_code == 200
            assert client.get("/rest/v1/agencies", timeout=5).status_code == 401


def test_every_route_of_serverless_yml_leads_to_a_handler(client: httpx.Client) -> None:
    for function in functions.load().values():
        for route in function.routes:
            response = client.options(f"/functions/v1{route.path}")

            assert response.status_code == 204, function.name


def test_the_data_interface_answers_through_the_gateway(client: httpx.Client, stack: Stack) -> None:
    key = {"authorization": f"Bearer {stack.env['SUPABASE_SERVICE_ROLE_KEY']}"}
    row = client.get(
        "/rest/v1/agencies", params={"select": "name", "id": f"eq.{stack.env['DEMO_AGENCY_ID']}"}, headers=key
    )
    posted = client.post("/rest/v1/agencies", content=b"no json", headers=key)

    assert row.json() == [{"name": "Acme"}]
    assert row.headers["content-range"] == "0-0/*"
    assert (posted.status_code, posted.json()["code"]) == (400, "PGRST102")


def test_the_data_interface_is_closed_without_a_token(client: httpx.Client) -> None:
    assert client.get("/rest/v1/agencies").status_code == 401


@pytest.mark.parametrize("given", ["%0A", "a%0Ab", "%0D%0A", "%3F%23", "%E2%80%A8"])
def test_a_path_parameter_reaches_its_function_whatever_it_holds(stack: Stack, given: str) -> None:
    reply = httpx.post(f"{stack.env['FUNCTIONS_URL']}/webhook-ingest/{given}", json={})

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
