"""Calls a handler as API Gateway and Lambda would, and reads its answer as a client would."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

from local.events import HttpRequest, to_event
from local.functions import Context, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

FUNCTIONS = load()


@dataclass(frozen=True)
class Reply:
    """Header names are in lower case; `body` is decoded, None where there is none."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def error(self) -> tuple[int, str]:
        """Status and sentence."""
        return self.status, self.body["error"]


def call(
    name: str,
    token: str | None = None,
    *,
    body: object = None,
    query: Mapping[str, object] | None = None,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    path_parameters: Mapping[str, str] | None = None,
) -> Reply:
    """Invoke a function. A body of bytes is sent as it is, anything else as JSON; a body makes it a POST."""
    function = FUNCTIONS[name]
    given = event(name, token, body=body, query=query, method=method, headers=headers, path_parameters=path_parameters)
    return reply(function.resolve()(given, Context(function)))


def reply(answer: Mapping[str, Any]) -> Reply:
    """Read what a handler answered."""
    lowered = {key.lower(): value for key, value in answer["headers"].items()}
    return Reply(answer["statusCode"], lowered, answer["body"])


def event(
    name: str,
    token: str | None = None,
    *,
    body: object = None,
    query: Mapping[str, object] | None = None,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    path_parameters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What API Gateway would hand to the function, for the same arguments as `call`."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json", **(headers or {})}
    if token:
        given["authorization"] = f"Bearer {token}"
    route = FUNCTIONS[name].routes[0]
    request = HttpRequest(
        method=method or ("GET" if body is None else "POST"),
        path=route.path,
        query=urlencode(query or {}),
        headers=given.items(),
        body=raw,
    )
    return to_event(request, route, path_parameters or {})


def twice_at_once(ask: Callable[[str, UUID], Reply], token: str, batch_id: UUID) -> list[Reply]:
    """Both replies to the same request, sent by two threads."""
    with ThreadPoolExecutor(2) as pool:
        return [asked.result() for asked in [pool.submit(ask, token, batch_id) for _ in range(2)]]


def claims(user_id: UUID | str, issuer: str, **changes: object) -> dict[str, Any]:
    """The claims of a fresh token of this user; a change to None takes a claim away."""
    now = int(time.time())
    whole = {
        "iss": issuer,
        "sub": str(user_id),
        "aud": "authenticated",
        "role": "authenticated",
        "session_id": str(uuid4()),
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}
