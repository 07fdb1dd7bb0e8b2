"""The answers that are no success: their shape and, for each status, an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.errors import AppError

Json = dict[str, Any]
REQUEST_ID = "1f0c7c52-9f0a-4d58-8f3a-0f5a3c1d2e4b"

STRING: Json = {"type": "string"}
ERROR: Json = {
    "type": "object",
    "description": "A refusal: a sentence for people, a code for programs, and the id under which it is in the log.",
    "properties": {
        "error": STRING,
        "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        "request_id": STRING,
    },
    "required": ["error", "code", "request_id"],
}
INVALID_FIELD: Json = {
    "type": "object",
    "description": "One thing that is wrong; `index` is its place where the fault is in an entry of a list.",
    "properties": {
        "index": {"type": "integer", "minimum": 0},
        "field": {"type": ["string", "null"]},
        "message": STRING,
    },
    "required": ["field", "message"],
}
INVALID: Json = {
    "type": "object",
    "description": "A refusal that may name the field, the state in the way or, of many faults, the first 100.",
    "properties": {
        **ERROR["properties"],
        "field": STRING,
        "current_status": STRING,
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/InvalidField"}, "maxItems": 100},
        "error_count": {"type": "integer", "minimum": 1},
    },
    "required": ERROR["required"],
    "dependentRequired": {"errors": ["error_count"], "error_count": ["errors"]},
}
PLATFORM: Json = {
    "type": "object",
    "description": "What API Gateway answers by itself: too large, too many, or a function that did not answer.",
    "properties": {"message": STRING},
    "required": ["message"],
}

# A request can end at API Gateway with these: then the body is its own, and there is no X-Request-Id.
OF_THE_PLATFORM = frozenset({413, 429, 500, 503})

X_REQUEST_ID: Json = {"description": "The id under which the request is in the log.", "schema": STRING}
HEADERS: Mapping[int, Json] = {
    401: {"WWW-Authenticate": {"description": "`Bearer` or `ApiKey`: what is asked for.", "schema": STRING}},
    405: {"Allow": {"description": "The methods that are allowed.", "schema": STRING, "required": True}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
DESCRIPTIONS: Mapping[int, str] = {
    400: "Something in the request is wrong, or it asks for what the state does not allow.",
    401: "Nobody we know asks.",
    403: "Who asks may not do this.",
    404: "There is no such thing, or it belongs to another agency.",
    405: "The path is served for another method.",
    409: "The state of things contradicts the request.",
    413: "The body is larger than 4 MB.",
    422: "The request contradicts an earlier one with the same key.",
    429: "More requests than the caller may make in a minute, or than the gateway takes in a second.",
    500: "Something failed on our side; the log has the rest.",
    503: "A service that the request needs cannot be reached.",
}
EXAMPLES: Mapping[int, Json] = {
    400: {"error": "batch_id must be a UUID", "code": "bad_request"},
    401: {"error": "Missing or invalid authorization header", "code": "unauthorized"},
    403: {"error": "User is not associated with an agency", "code": "no_agency"},
    405: {"error": "HTTP method is not POST", "code": "method_not_allowed"},
    409: {
        "error": "A request with this Idempotency-Key is still running; repeat it in a moment",
        "code": "request_in_progress",
    },
    413: {"error": "The body is larger than 4 MB", "code": "payload_too_large"},
    422: {
        "error": "This Idempotency-Key was used before, with another body",
        "code": "idempotency_key_reused",
    },
    429: {"error": "More than 120 requests in a minute. Please try again in 18 s.", "code": "too_many_requests"},
    500: {"error": "Something went wrong on our side.", "code": "internal_error"},
    503: {"error": "A service this request needs cannot be reached. Please try again.", "code": "unavailable"},
}


def enveloped(schema: Json) -> Json:
    """The shape of a refusal by API key: what the others say, in the envelope of its contract."""
    around: Json = {"message": STRING, "status": {"const": "error"}, "data": {"type": "null"}}
    return {
        **schema,
        "properties": {**around, **schema["properties"]},
        "required": [*around, *schema["required"]],
    }


def statuses(errors: Iterable[type[AppError]]) -> list[int]:
    """The statuses of these errors, ascending; what must not be shown to a client is a 500."""
    return sorted({kind.status for kind in errors})


SCHEMAS: Json = {
    "Error": ERROR,
    "InvalidRequest": INVALID,
    "EnvelopedError": enveloped(ERROR),
    "EnvelopedInvalidRequest": enveloped(INVALID),
    "InvalidField": INVALID_FIELD,
    "PlatformError": PLATFORM,
}


NO_API_KEY: Json = {"error": "Missing or invalid API key or secret", "code": "unauthorized"}


def response(status: int, examples: Mapping[str, Json], message: str | None = None) -> Json:
    """The response object of a refusal. `examples` by name are bodies without their request_id.

    `message` is that of the envelope; None: there is none.
    """
    name = "InvalidRequest" if status == 400 else "Error"
    own = {"$ref": f"#/components/schemas/{name if message is None else f'Enveloped{name}'}"}
    around: Json = {} if message is None else {"message": message, "status": "error", "data": None}
    platform = status in OF_THE_PLATFORM
    schema = {"anyOf": [own, {"$ref": "#/components/schemas/PlatformError"}]} if platform else own
    return {
        "description": DESCRIPTIONS[status],
        "headers": {"X-Request-Id": X_REQUEST_ID | {"required": not platform}, **HEADERS.get(status, {})},
        "content": {
            "application/json": {
                "schema": schema,
                "examples": {
                    name: {"value": around | body | {"request_id": REQUEST_ID}} for name, body in examples.items()
                },
            }
        },
    }


def examples(
    status: int, given: Iterable[Json], served: Iterable[str], failure: str, *, by_api_key: bool = False
) -> dict[str, Json]:
    """By code: those given for this status, else the usual one."""
    usual = EXAMPLES.get(status, {"error": "There is no such thing.", "code": "not_found"})
    if status == 401 and by_api_key:
        usual = NO_API_KEY
    if status == 405:
        usual = usual | {"error": f"HTTP method is not {' or '.join(served)}"}
    if status == 500:
        usual = usual | {"error": failure}
    return {body["code"]: body for body in given} or {usual["code"]: usual}
