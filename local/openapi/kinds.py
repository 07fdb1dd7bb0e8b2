"""Who may call what stands under a decorator of shared/, and what the edge itself may answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared import errors, opt_outs, webhooks
from shared.do_not_call_answers import OptedOut
from shared.inputs import Input
from shared.status_answers import Health

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Json = dict[str, Any]
Errors = frozenset[type[errors.AppError]]

ALWAYS: Errors = frozenset({errors.AppError, errors.MethodNotAllowedError, errors.TooManyRequestsError})
BY_TOKEN: Errors = ALWAYS | {
    errors.BadRequestError,
    errors.UnauthorizedError,
    errors.ForbiddenError,
    errors.UnavailableError,
}

SECURITY_SCHEMES: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a user who has signed in with Supabase Auth.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY", "description": "The public half of an API key."},
    "apiSecret": {"type": "apiKey", "in": "header", "name": "X-API-SECRET", "description": "Its secret half."},
    "webhookSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Ultravox-Webhook-Signature",
        "description": "hex(HMAC-SHA256(secret, body + timestamp)); of several, separated by commas, one has to match.",
    },
}

IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat with the same key and body within 7 days gets the first answer again and creates nothing.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "7c0b7f0e-spring-campaign",
}
TIMESTAMP: Json = {
    "name": "X-Ultravox-Webhook-Timestamp",
    "in": "header",
    "required": True,
    "description": "When the event was signed, ISO 8601; one that is not of now is refused.",
    "schema": {"type": "string"},
    "example": "2030-01-16T09:00:00.000000+00:00",
}
REPLAYED: Json = {
    "Idempotent-Replayed": {
        "description": "`true` where this is the answer of an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    }
}
PATH_PARAMETERS: Mapping[str, Json] = {
    "agency_id": {
        "description": "The agency whose provider account the event is about.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "00000000-0000-4000-8000-00000000000a",
    },
    "batch_call_id": {
        "description": "`batch_call_` and the batch's id without its hyphens.",
        "schema": {"type": "string", "pattern": "^batch_call_[0-9a-f]{32}$"},
        "example": "batch_call_5f9f1b7e4d1b4a539a3f1d2c3b4a5f60",
    },
}


@dataclass(frozen=True)
class Kind:
    """`security` as OpenAPI writes it; `errors` are those of the edge, before and around the handler's own."""

    security: list[dict[str, list[str]]]
    errors: Errors
    method: str | None = None
    status: int = 200
    writes: bool = False
    parameters: list[Json] = field(default_factory=list[Json])
    headers: Json = field(default_factory=dict[str, Any])
    enveloped: bool = False  # answers are {message, status, error, data}, errors too


@dataclass(frozen=True)
class ByHand:
    """What the source of a handler under `@route` does not say."""

    kind: Kind
    request: type[BaseModel]
    status: int
    answer: Any = None


TOKEN: list[dict[str, list[str]]] = [{"token": []}]
API_KEY: list[dict[str, list[str]]] = [{"apiKey": [], "apiSecret": []}]
BY_API_KEY: Errors = ALWAYS | {errors.BadRequestError, errors.UnauthorizedError}
KINDS: Mapping[str, Kind] = {
    "people.endpoint": Kind(TOKEN, BY_TOKEN),
    "people.creation": Kind(
        TOKEN,
        BY_TOKEN | {errors.ConflictError, errors.UnprocessableError},
        method="POST",
        status=201,
        writes=True,
        parameters=[IDEMPOTENCY_KEY],
        headers=REPLAYED,
    ),
    "envelope.endpoint": Kind(API_KEY, BY_API_KEY, enveloped=True),
    "envelope.creation": Kind(
        API_KEY,
        BY_API_KEY | {errors.ConflictError, errors.UnprocessableError},
        method="POST",
        status=201,
        parameters=[IDEMPOTENCY_KEY],
        headers=REPLAYED,
        enveloped=True,
    ),
}
BY_HAND: Mapping[str, ByHand] = {
    "webhook-ingest": ByHand(
        Kind([{"webhookSignature": []}], ALWAYS, parameters=[TIMESTAMP]), request=webhooks.Event, status=204
    ),
    "call-opt-out": ByHand(
        Kind([{"webhookSignature": []}], ALWAYS, parameters=[TIMESTAMP]),
        request=opt_outs.OptOut,
        status=200,
        answer=OptedOut,
    ),
    "health": ByHand(Kind([{}], ALWAYS), request=Input, status=200, answer=Health),
}
