"""API keys: a public id and a secret, which is shown once. What the database keeps of the secret is its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import BaseModel, Field, RootModel

from shared.auth import Caller
from shared.database import rpc, rpc_as
from shared.errors import ConflictError, UnauthorizedError
from shared.idempotency import Created
from shared.inputs import Input
from shared.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.idempotency import Attempt

PREFIX = "bl_secret_"
SECRET = re.compile(rf"{PREFIX}([0-9a-f]{{64}})([0-9a-f]{{8}})")
API_KEY = re.compile(r"bl_key_[0-9a-z]{1,64}")
NO_API_KEY = "Missing or invalid API key or secret"
GONE = "The secret of this answer cannot be shown again; revoke the key and create another"


class NewApiKey(Input):
    """A key to create; the name is for people."""

    name: Annotated[str, Field(min_length=1, max_length=255)]


class ApiKeyReference(Input):
    """A key that exists."""

    id: UUID


class NoQuery(Input):
    """A query that asks for nothing in particular."""


class CreatedApiKey(BaseModel):
    """A new key: the only time that its secret is shown."""

    id: UUID
    name: str
    api_key: str
    api_secret: str
    created_at: datetime


class ApiKey(BaseModel):
    """A key without its secret. `last_used_at` is exact to the minute."""

    id: UUID
    name: str
    api_key: str
    created_by: UUID | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeys(RootModel[list[ApiKey]]):
    """Every key of an agency, newest first."""


def holder(headers: Mapping[str, str]) -> Caller:
    """The Caller who sends X-API-KEY and X-API-SECRET; whether they belong together is for the database to say.

    Raises UnauthorizedError for a secret that was mistyped or never was one of ours.
    """
    api_key, secret = headers.get("x-api-key", ""), headers.get("x-api-secret", "")
    if not (API_KEY.fullmatch(api_key) and is_well_formed(secret)):
        raise UnauthorizedError(NO_API_KEY)
    return Caller(None, "", api_key, hashed(secret))


def create(caller: Caller, key: NewApiKey, attempt: Attempt) -> Created[CreatedApiKey]:
    """Make a key of the caller's agency.

    Raises ForbiddenError, UnprocessableError, ConflictError (idempotency; or the service key has changed since).
    """
    seed, service_key = token_hex(32), settings().supabase_service_role_key.get_secret_value()
    answer = rpc(
        "create_api_key",
        {
            "p_user_id": caller.user_id,
            "p_name": key.name,
            "p_secret_hash": hashed(secret_of(seed, service_key)),
            "p_seed": seed,
            "p_once": attempt.once,
        },
        repeatable=False,
    )
    secret = secret_of(answer["seed"], service_key)
    if hashed(secret) != answer["secret_hash"]:
        raise ConflictError(GONE, code="secret_gone")
    return Created(CreatedApiKey(**answer, api_secret=secret), answer.get("replayed", False))


def fetch_all(caller: Caller) -> ApiKeys:
    """The keys of the caller's agency. Raises ForbiddenError."""
    return ApiKeys.model_validate(rpc_as(caller, "list_api_keys", {}))


def revoke(caller: Caller, key: ApiKeyReference) -> ApiKey:
    """End a key for good, and return it. Raises ForbiddenError, NotFoundError."""
    return ApiKey.model_validate(rpc("revoke_api_key", {"p_user_id": caller.user_id, "p_id": key.id}))


def secret_of(seed: str, service_key: str) -> str:
    """The secret that belongs to a seed: prefix, 256 bits and a checksum, so that scanners find one that has leaked.

    The database may know the seed, since without the service key nobody can work out the secret.
    """
    body = hmac.digest(service_key.encode(), f"api-secret:{seed}".encode(), "sha256").hex()
    return f"{PREFIX}{body}{_checksum(body)}"


def hashed(secret: str) -> str:
    """What the database keeps of a secret, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_well_formed(secret: str) -> bool:
    """Whether we may have made this secret: anything else need not be asked of the database."""
    match = SECRET.fullmatch(secret)
    return match is not None and _checksum(match[1]) == match[2]


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
