"""Projects that still sign with HS256: the Auth server decides whose a token is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local import demo_data
from tests.calling import call
from tests.functions.conftest import forget
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("JWT_VERIFICATION", "auth-server")
    forget()
    yield monkeypatch
    monkeypatch.undo()
    forget()


@pytest.fixture
def session(stack: Stack) -> Any:
    """A session of the demo agency's owner, opened with their password."""
    credentials = {"email": "owner@acme.test", "password": demo_data.PASSWORD}
    headers = {"apikey": stack.env["SUPABASE_ANON_KEY"]}
    answer = httpx.post(f"{stack.url}/auth/v1/token?grant_type=password", json=credentials, headers=headers)
    return answer.raise_for_status().json()


def test_a_session_that_is_open_is_good(session: Any) -> None:
    assert call("calls-batch-list", session["access_token"]).status == 200


def test_a_session_that_was_closed_is_not_although_its_token_has_not_expired(session: Any, stack: Stack) -> None:
    token = session["access_token"]
    headers = {"apikey": stack.env["SUPABASE_ANON_KEY"], "Authorization": f"Bearer {token}"}
    httpx.post(f"{stack.url}/auth/v1/logout", headers=headers).raise_for_status()

    assert call("calls-batch-list", token).status == 401


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_what_the_auth_server_does_not_know_is_refused(token: str) -> None:
    assert call("calls-batch-list", token).error == (401, "Missing or invalid authorization header")


@pytest.mark.parametrize("answer", [None, (503, b""), (500, b'{"msg": "broken"}'), (429, b'{"msg": "slow down"}')])
def test_an_auth_server_that_does_not_answer_refuses_nobody(
    session: Any, environment: pytest.MonkeyPatch, answer: tuple[int, bytes] | None
) -> None:
    with serving(lambda _: answer) as broken:
        environment.setenv("SUPABASE_URL", broken.url)
        forget()

        reply = call("calls-batch-list", session["access_token"])
        forget()  # a server waits for its connections to be closed

    assert (reply.status, reply.body["code"]) == (503, "unavailable")
