"""HTTP to API Gateway events (payload format 2.0) and back."""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.functions import Event, Route

LAMBDA_LIMIT = 6 * 1024 * 1024  # bytes of an event, and of an answer
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")


class BadAnswerError(Exception):
    """A handler's answer is none that API Gateway could pass on."""


@dataclass(frozen=True)
class HttpRequest:
    """What API Gateway sees of a request; `path` and `query` as they came, percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: Iterable[tuple[str, str]] = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"


def to_event(request: HttpRequest, route: Route, path_parameters: Mapping[str, str]) -> Event:
    """The event that Lambda gets. Members without content are left out, as API Gateway leaves them out."""
    headers = _joined((name.lower(), value) for name, value in request.headers)
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    body, is_base64 = _body(request.body, headers.get("content-type", "text/plain"))
    optional: Event = {
        "cookies": cookies,
        "queryStringParameters": _joined(parse_qsl(request.query, keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in path_parameters.items()},
        "body": body,
    }
    return {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _request_context(request, route, headers),
        "isBase64Encoded": is_base64,
        **{name: value for name, value in optional.items() if value},
    }


def to_response(answer: Any) -> Response:
    """The handler's answer over HTTP; without a statusCode the whole answer is the JSON body of a 200.

    Raises BadAnswerError where API Gateway would answer 500.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(_encoded(answer), 200, {"content-type": "application/json"})
    given: Event = answer  # pyright: ignore[reportUnknownVariableType]
    response = Response(_content(given), int(given["statusCode"]))
    for name, value in {"content-type": "text/plain; charset=utf-8", **_lower(given.get("headers") or {})}.items():
        response.headers[name] = str(value)
    cookies: list[str] = given.get("cookies") or []
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return {name: ",".join(several) for name, several in values.items()}


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.lower().startswith(TEXT_TYPES):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), bool(body)


def _request_context(request: HttpRequest, route: Route, headers: Mapping[str, str]) -> Event:
    now = time.time()
    return {
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": headers.get("host", "127.0.0.1"),
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid4()),
        "routeKey": route.key,
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


def _encoded(answer: Any) -> bytes:
    try:
        content = json.dumps(answer).encode()
    except (TypeError, ValueError) as error:
        raise BadAnswerError(f"The answer is no JSON: {error}") from error
    if len(content) > LAMBDA_LIMIT:
        raise BadAnswerError(f"The answer has {len(content)} bytes, more than Lambda's {LAMBDA_LIMIT}.")
    return content


def _content(answer: Event) -> bytes:
    _encoded(answer)
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise BadAnswerError("The answer's body is no string.")
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()


def _lower(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in headers.items()}
