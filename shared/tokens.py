"""Supabase tokens: an Authorization header becomes a Caller, or UnauthorizedError.

A token says who somebody is and nothing more: agency and role are read from the database at every request.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import jwt
import stamina

from shared import database
from shared.auth import Caller
from shared.errors import UnauthorizedError, UnavailableError
from shared.settings import settings
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Generator

    from supabase_auth import SyncGoTrueClient

LEEWAY_SECONDS = 10
REFRESH_SECONDS = 60
AUDIENCE = "authenticated"
NOT_A_USER = (400, 401, 403, 404)
BEARER = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]+) *", re.IGNORECASE | re.ASCII)


def caller(authorization: str | None) -> Caller:
    """The Caller whose token an Authorization header carries.

    Raises UnauthorizedError for anything but a valid token, UnavailableError when nobody can be asked about it.
    """
    match = BEARER.fullmatch(authorization or "")
    if match is None:
        raise UnauthorizedError
    token = match[1]
    by_auth_server = settings().jwt_verification == "auth-server"
    subject = _subject_by_auth_server(token) if by_auth_server else _subject_by_key_set(token)
    try:
        return Caller(UUID(subject), token)
    except ValueError:
        raise UnauthorizedError from None


class KeySet:
    """The project's public signing keys, kept for the life of the container.

    An unknown key id fetches them again, at most once in REFRESH_SECONDS; a failed fetch keeps what there is.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id, or None where the project has none.

        Raises UnavailableError while no key at all could be fetched.
        """
        if key_id not in self._keys:
            self._refresh(key_id)
        if not self._keys:
            raise UnavailableError
        return self._keys.get(key_id)

    def _refresh(self, key_id: str) -> None:
        with self._lock:  # of many requests that miss at once, one fetches and the others find what it found
            due = time.monotonic() - self._fetched_at >= REFRESH_SECONDS
            if key_id in self._keys or (self._keys and not due):
                return
            self._fetched_at = time.monotonic()
            try:
                self._keys = _fetch_keys(self._url) or self._keys
            except (httpx.HTTPError, ValueError, AttributeError, jwt.PyJWTError) as error:
                logger.warning("the signing keys could not be fetched", extra={"reason": repr(error)})


@lru_cache(maxsize=1)
def key_set() -> KeySet:
    """The container's one key set; `close()` forgets it."""
    return KeySet(f"{settings().auth_url}/.well-known/jwks.json")


def close() -> None:
    """Forget the keys and close the Auth client; the next call starts anew with the settings of that time."""
    key_set.cache_clear()
    if _auth_client.cache_info().currsize:
        _auth_client().close()
        _auth_client.cache_clear()


# A connection that was kept may have died while the container slept.
@stamina.retry(on=database.PERHAPS_SENT, attempts=2, timeout=None, wait_initial=0, wait_jitter=0)
def _fetch_keys(url: str) -> dict[str, jwt.PyJWK]:
    # The Auth server and PostgREST are one host: one client makes one TLS set-up and one connection for both.
    response = database.client().get(url, timeout=settings().connect_timeout_seconds).raise_for_status()
    keys = jwt.PyJWKSet.from_dict(response.json())
    # A symmetric key in a public document would let its readers sign.
    return {key.key_id: key for key in keys if key.key_id and key.key_type != "oct"}


def _subject_by_key_set(token: str) -> str:
    with _bad_token_is_unauthorized():
        key_id = str(jwt.get_unverified_header(token)["kid"])
    key = key_set().key(key_id)
    if key is None:
        raise UnauthorizedError
    with _bad_token_is_unauthorized():
        return _verified_subject(token, key)


def _verified_subject(token: str, key: jwt.PyJWK) -> str:
    claims = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],  # the key's own: a token does not choose how it is checked
        audience=AUDIENCE,
        issuer=settings().auth_url,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "sub", "aud", "iss"]},
    )
    # PostgREST becomes whatever role the token names.
    if claims.get("role") != AUDIENCE:
        raise UnauthorizedError
    return claims["sub"]


@contextmanager
def _bad_token_is_unauthorized() -> Generator[None]:
    """A token is whatever its sender made it: on which line of the library it fails says nothing about us."""
    try:
        yield
    except Exception as error:
        logger.info("a token was refused", extra={"reason": repr(error)})
        raise UnauthorizedError from None


def _subject_by_auth_server(token: str) -> str:
    from supabase_auth.errors import AuthError  # only projects that still sign with HS256 pay for the import

    try:
        answer = _auth_client().get_user(token)
    except AuthError as error:
        if getattr(error, "status", None) in NOT_A_USER:
            raise UnauthorizedError from None
        raise UnavailableError from error
    if answer is None:
        raise UnauthorizedError
    return answer.user.id


@lru_cache(maxsize=1)
def _auth_client() -> SyncGoTrueClient:
    from supabase_auth import SyncGoTrueClient

    return SyncGoTrueClient(
        url=settings().auth_url,
        headers={"apikey": settings().supabase_anon_key.get_secret_value()},
        auto_refresh_token=False,
        persist_session=False,
        http_client=httpx.Client(timeout=settings().connect_timeout_seconds),
    )
