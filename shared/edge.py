"""The edge: an API Gateway event (payload 2.0) in, a response out, and never an exception.

`route` is for what has its own way of knowing the caller, `scheduled` for processors. The edge of what a signed-in
person calls is people.py, of what a program calls with an API key envelope.py: no function loads another's way in.
"""

from __future__ import annotations

import base64
import binascii
import gc
import json
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.errors import AppError, BadRequestError, MethodNotAllowedError, UnauthorizedError
from shared.settings import SettingsError, settings
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pydantic import BaseModel

    from shared.idempotency import Created

    Response = dict[str, Any]
    Json = Mapping[str, object] | BaseModel
    Handler = Callable[[Mapping[str, Any], object], Response]

# A list of 10,000 people is some 100,000 objects and no cycle; by default the collector looks through all of them again
# and again, for a fifth of what such a request costs.
gc.set_threshold(50_000, 20)

FAILURE = "Something went wrong on our side."
RUN_BY_HAND_MILLISECONDS = 60_000
CORS = {
    "Access-Control-Expose-Headers": "x-request-id, retry-after, idempotent-replayed",
    "Access-Control-Max-Age": "86400",
}


@dataclass(frozen=True)
class Request:
    """What a handler may know of an event. Header names are in lower case."""

    id: str
    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    text: str
    is_base64: bool

    @classmethod
    def of(cls, event: Mapping[str, Any], context: object) -> Request:
        """Read an event; whatever is not in it reads as empty."""
        about: dict[str, Any] = event.get("requestContext") or {}
        http: dict[str, str] = about.get("http") or {}
        headers: dict[str, str] = event.get("headers") or {}
        return cls(
            id=about.get("requestId") or getattr(context, "aws_request_id", None) or str(uuid4()),
            method=http.get("method", ""),
            path=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers={name.lower(): value for name, value in headers.items()},
            text=event.get("body") or "",
            is_base64=bool(event.get("isBase64Encoded")),
        )

    def body(self) -> bytes:
        """The bytes that were sent. Raises BadRequestError when base64 was announced and is not there."""
        try:
            return base64.b64decode(self.text, validate=True) if self.is_base64 else self.text.encode()
        except (binascii.Error, ValueError):
            raise BadRequestError("The body cannot be decoded") from None


@dataclass(frozen=True)
class Answer:
    """Status, body as JSON (None: none) and headers of a response."""

    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Manners:
    """How a handler answers what its work does not.

    `methods`: its own, then those of the same path that other functions serve. `failure`: what the client reads when it
    was our fault. `challenge`: how a 401 asks to be authenticated. `credentials`: the headers that say who calls.
    `refused` makes an error's body of its sentence, code and members.
    """

    methods: tuple[str, ...]
    failure: str = FAILURE
    challenge: str = "Bearer"
    credentials: str = "authorization"
    refused: Callable[[Mapping[str, object]], Mapping[str, object]] = dict

    @property
    def allowed(self) -> str:
        return ", ".join((*self.methods, "OPTIONS"))


def created(made: Created[Json], status: int = 201) -> Answer:
    """The answer to a creation, or to its repetition."""
    return Answer(status, made.body, {"Idempotent-Replayed": "true"} if made.replayed else {})


def route(method: str, *, failure: str = FAILURE) -> Callable[[Callable[[Request], Answer]], Handler]:
    """Make a handler of a function from Request to Answer: OPTIONS, 405, CORS, request ids and errors are done."""
    return serving(Manners((method,), failure))


def serving(manners: Manners) -> Callable[[Callable[[Request], Answer]], Handler]:
    """As `route`, with other manners."""

    def decorate(work: Callable[[Request], Answer]) -> Handler:
        def main(event: Mapping[str, Any], context: object) -> Response:
            request = _request(event, context)
            with _log_lines_name(request.id, context):
                try:
                    return _response(request, manners, _dispatch(request, manners, work))
                except Exception as error:
                    return _response(request, manners, _answer_to(error, manners))

        return main

    return decorate


def scheduled(work: Callable[[Callable[[], int]], Mapping[str, object]]) -> Handler:
    """Make a handler of a processor, which is told how to ask for the milliseconds it has left.

    An error is logged and raised: nobody waits for the answer, and the failed run is what alarms count.
    """

    def main(event: Mapping[str, Any], context: object) -> Response:  # noqa: ARG001
        run = getattr(context, "aws_request_id", None) or str(uuid4())
        with _log_lines_name(run, context):
            try:
                result = dict(work(getattr(context, "get_remaining_time_in_millis", None) or _minute_from_now()))
            except Exception:
                logger.exception("the run failed")
                raise
            logger.info("the run ended", extra={"result": result})
            return result

    return main


def _request(event: Mapping[str, Any], context: object) -> Request:
    try:
        return Request.of(event, context)
    except (AttributeError, TypeError):  # sent by hand, and not what API Gateway sends: it has no method
        return Request.of({}, context)


def _dispatch(request: Request, manners: Manners, work: Callable[[Request], Answer]) -> Answer:
    if request.method == "OPTIONS":
        return Answer(204)
    if request.method != manners.methods[0]:
        sentence = f"HTTP method is not {' or '.join(manners.methods)}"
        raise MethodNotAllowedError(sentence, headers={"Allow": manners.allowed})
    return work(request)


def _answer_to(error: Exception, manners: Manners) -> Answer:
    if not isinstance(error, AppError) or error.status == 500:
        logger.exception("the request failed")
        return Answer(500, manners.refused({"error": manners.failure, "code": AppError.code}))
    if error.status > 500:
        logger.warning("the request could not be served", exc_info=error)
    headers = {"WWW-Authenticate": manners.challenge} if isinstance(error, UnauthorizedError) else {}
    body = {"error": str(error), "code": error.code, **error.members}
    return Answer(error.status, manners.refused(body), {**headers, **error.headers})


def _response(request: Request, manners: Manners, answer: Answer) -> Response:
    headers = {**_cors_headers(request, manners), "X-Request-Id": request.id, **answer.headers}
    text = ""
    if answer.body is not None:
        headers["Content-Type"] = "application/json"
        body = answer.body if isinstance(answer.body, Mapping) else answer.body.model_dump(mode="json")
        told = {**body, "request_id": request.id} if answer.status >= 400 else body
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    logger.info("answered", extra={"method": request.method, "status": answer.status})
    return {"statusCode": answer.status, "headers": headers, "body": text}


def _cors_headers(request: Request, manners: Manners) -> dict[str, str]:
    try:
        allowed = settings().cors_allowed_origins
    except SettingsError:
        return {}  # without settings there is no allow-list; the answer is a 500 anyway
    named = f"{manners.credentials}, x-client-info, apikey, content-type, idempotency-key"
    headers = {**CORS, "Access-Control-Allow-Headers": named, "Access-Control-Allow-Methods": manners.allowed}
    if "*" in allowed:
        return {**headers, "Access-Control-Allow-Origin": "*"}
    origin = request.headers.get("origin", "")
    return {**headers, "Vary": "Origin", **({"Access-Control-Allow-Origin": origin} if origin in allowed else {})}


@contextmanager
def _log_lines_name(request_id: str, context: object) -> Generator[None]:
    logger.thread_safe_append_keys(request_id=request_id, function=getattr(context, "function_name", None))
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()


def _minute_from_now() -> Callable[[], int]:
    end = time.monotonic() + RUN_BY_HAND_MILLISECONDS / 1000
    return lambda: int((end - time.monotonic()) * 1000)
