"""Requests that are wrong as such: paths, headers, bodies, content types; through the gateway, and at a handler."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.attacks.corpus import BOMBS, PATHS, TYPES
from tests.calling import call

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.sql.world import World


def listing(stack: Stack, headers: Any) -> httpx.Response:
    """An ordinary request, with these headers."""
    return httpx.get(f"{stack.env['FUNCTIONS_URL']}/calls-batch-list", headers=headers, timeout=5)


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("name", ["calls-batch-create", "calls-batch-pause", "start-historical-sync"])
def test_a_body_that_is_meant_to_burst_is_refused(name: str, raw: bytes, world: World, owner: str) -> None:
    before = world.snapshot()

    reply = call(name, owner, body=raw, method="POST", headers={"content-encoding": "gzip"})

    if name == "start-historical-sync" and not raw.strip():
        assert reply.status == 200  # no body is a full import
        return
    assert reply.status in (400, 413), reply.text
    assert world.snapshot() == before


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_no_path_leads_where_none_should(path: str, stack: Stack, owner: str) -> None:
    url = urlsplit(stack.env["FUNCTIONS_URL"])
    headers = f"Host: {url.netloc}\r\nAuthorization: Bearer {owner}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(f"GET {url.path}{path} HTTP/1.1\r\n{headers}".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    status = int(answer.split(b" ", 2)[1])
    assert status < 500, answer
    assert b"Traceback" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind[:40])
def test_what_a_body_is_called_does_not_change_what_it_is(kind: str, world: World, owner: str) -> None:
    given = {"batch_id": str(world.batch_in("processing"))}

    assert call("calls-batch-pause", owner, body=given, headers={"content-type": kind}).status == 200


def test_a_header_of_the_callers_reaches_no_answer(stack: Stack, owner: str) -> None:
    sent = {
        "X-Request-Id": "chosen",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-HTTP-Method-Override": "DELETE",
        "Origin": "https://evil.example",
        "X-Original-URL": "/calls-batch-cancel",
        "Cookie": "a=b",
        "Forwarded": "host=evil.example",
    }
    answer = httpx.get(
        f"{stack.env['FUNCTIONS_URL']}/calls-batch-list", headers={**sent, "Authorization": f"Bearer {owner}"}
    )

    assert answer.status_code == 200
    assert answer.headers["x-request-id"] != "chosen"
    assert "evil" not in answer.text
    assert "evil" not in str(answer.headers)


def test_of_two_tokens_none_is_chosen(stack: Stack, owner: str) -> None:
    given = [("Authorization", f"Bearer {owner}"), ("Authorization", "Bearer x.y.z")]

    assert listing(stack, given).status_code == 401


@pytest.mark.parametrize("name", ["authorization", "idempotency-key", "x-api-key", "x-other"])
def test_a_header_of_a_megabyte_is_refused(name: str, stack: Stack, owner: str) -> None:
    headers = {"Authorization": f"Bearer {owner}", name: "x" * 1_000_000}
    try:
        status = httpx.post(f"{stack.env['FUNCTIONS_URL']}/calls-batch-pause", headers=headers, json={}).status_code
    except httpx.TransportError:  # the server need not read it all
        return
    assert 400 <= status < 500


def test_who_sends_a_letter_a_minute_keeps_nobody_waiting(stack: Stack, owner: str) -> None:
    url = urlsplit(stack.env["FUNCTIONS_URL"])
    held = [socket.create_connection((url.hostname or "", url.port or 0)) for _ in range(200)]
    try:
        for connection in held:
            connection.sendall(
                b"POST /functions/v1/calls-batch-pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
            )
        for _ in range(20):
            answer = httpx.get(
                f"{stack.env['FUNCTIONS_URL']}/calls-batch-list",
                headers={"Authorization": f"Bearer {owner}"},
                timeout=5,
            )
            assert answer.status_code == 200
    finally:
        for connection in held:
            connection.close()
