"""The Auth issuer, seen through the real client of Supabase."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, cast

import httpx
import jwt
import pytest
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from local.keys import load_or_make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack

OWNER = {"email": "owner@acme.test", "password": "demo-password"}
OWNER_ID = "00000000-0000-4000-8000-0000000000a1"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """The client of Supabase does not close its connections by itself."""
    with httpx.Client() as http:
        yield http


def options(http: httpx.Client) -> ClientOptions:
    return ClientOptions(httpx_client=http, auto_refresh_token=False)


@pytest.fixture
def client(stack: Stack, http: httpx.Client) -> Client:
    return create_client(stack.url, stack.env["SUPABASE_ANON_KEY"], options(http))


@pytest.fixture
def admin(stack: Stack) -> Iterator[Client]:
    with httpx.Client() as http:
        yield create_client(stack.url, stack.env["SUPABASE_SERVICE_ROLE_KEY"], options(http))


def sign_in(client: Client, **changes: str) -> Any:
    return client.auth.sign_in_with_password(cast("Any", OWNER | changes)).session


def test_a_user_signs_in_and_reads_as_themself(client: Client) -> None:
    session = sign_in(client)
    page = {"p_status": None, "p_campaign_id": None, "p_limit": 25, "p_offset": 0}
    listed = client.rpc("list_call_batches", page).execute()

    assert session.user.id == OWNER_ID
    assert cast("Any", listed.data)["pagination"]["limit"] == 25


def test_row_level_security_shows_a_user_their_own_agency(client: Client) -> None:
    sign_in(client)

    rows = cast("list[dict[str, str]]", client.table("agencies").select("name").execute().data)

    assert rows == [{"name": "Acme"}]


def test_the_token_says_what_supabases_says(client: Client, stack: Stack) -> None:
    token = sign_in(client).access_token
    keys = jwt.PyJWKClient(f"{stack.url}/auth/v1/.well-known/jwks.json")

    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        ["ES256"],
        audience="authenticated",
        issuer=f"{stack.url}/auth/v1",
        options={"require": ["exp", "sub", "aud", "iss"]},
    )

    assert (claims["sub"], claims["email"], claims["role"]) == (OWNER_ID, OWNER["email"], "authenticated")
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["iat"] <= time.time()


def test_the_key_set_holds_no_secret(stack: Stack, http: httpx.Client) -> None:
    keys = http.get(f"{stack.url}/auth/v1/.well-known/jwks.json").json()["keys"]

    assert [(key["kty"], key["alg"]) for key in keys] == [("EC", "ES256")]
    assert not {"d", "k"} & keys[0].keys()


def test_the_client_reads_the_user_and_the_claims(client: Client) -> None:
    sign_in(client)

    user, claims = client.auth.get_user(), client.auth.get_claims()

    assert user is not None
    assert claims is not None
    assert user.user.email == OWNER["email"]
    assert claims["claims"].get("sub") == OWNER_ID


def test_timestamps_are_rfc_3339(stack: Stack, http: httpx.Client) -> None:
    answer = http.post(f"{stack.url}/auth/v1/token", params={"grant_type": "password"}, json=OWNER).json()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", answer["user"]["created_at"])


def test_a_refresh_token_works_once(client: Client) -> None:
    first = sign_in(client)

    second = client.auth.refresh_session(first.refresh_token).session

    assert second is not None
    assert second.refresh_token != first.refresh_token
    with pytest.raises(AuthApiError, match="Refresh Token Not Found"):
        client.auth.refresh_session(first.refresh_token)


def test_signing_out_ends_the_session_before_its_token_expires(client: Client) -> None:
    token = sign_in(client).access_token

    client.auth.sign_out()

    with pytest.raises(AuthApiError) as refusal:
        client.auth.get_user(token)
    assert refusal.value.code == "session_not_found"


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"email": "somebody@acme.test"}])
def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(client: Client, changes: dict[str, str]) -> None:
    with pytest.raises(AuthApiError) as refusal:
        sign_in(client, **changes)

    assert (refusal.value.status, refusal.value.code) == (400, "invalid_credentials")


def test_a_forged_token_is_refused(client: Client) -> None:
    head, payload, signature = sign_in(client).access_token.split(".")

    with pytest.raises(AuthApiError):
        client.auth.get_user(f"{head}.{payload}.{signature[::-1]}")


@pytest.mark.parametrize("sub", [None, "no id", "00000000-0000-4000-8000-00000000ffff"])
def test_a_token_of_nobody_is_refused(client: Client, stack: Stack, sub: str | None) -> None:
    keys = load_or_make(stack.folder / "keys.json")
    token = keys.sign(
        {"sub": sub, "aud": "authenticated", "exp": time.time() + 60} if sub else {"aud": "authenticated"}
    )

    with pytest.raises(AuthApiError) as refusal:
        client.auth.get_user(token)
    assert refusal.value.status == 403


def test_an_administrator_makes_lists_and_deletes_users(admin: Client, client: Client) -> None:
    made = admin.auth.admin.create_user({"email": "New@Acme.test", "password": "long enough", "email_confirm": True})
    session = sign_in(client, email="new@acme.test", password="long enough")

    assert session.user.id == made.user.id
    assert made.user.id in {user.id for user in admin.auth.admin.list_users()}
    admin.auth.admin.delete_user(made.user.id)
    with pytest.raises(AuthApiError):
        sign_in(client, email="new@acme.test", password="long enough")


def test_an_email_is_given_once(admin: Client) -> None:
    with pytest.raises(AuthApiError) as refusal:
        admin.auth.admin.create_user(cast("Any", OWNER))

    assert (refusal.value.status, refusal.value.code) == (422, "email_exists")


def test_only_the_service_key_administers(client: Client) -> None:
    with pytest.raises(AuthApiError) as anonymous:
        client.auth.admin.list_users()
    sign_in(client)
    with pytest.raises(AuthApiError) as signed_in:
        client.auth.admin.list_users()

    assert (anonymous.value.status, signed_in.value.status) == (403, 403)
