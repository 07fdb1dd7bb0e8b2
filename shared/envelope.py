"""The edge of the batch-call endpoints: an API key says who calls, and every answer has the same four members.

`{"message", "status": "success" | "error", "error": null | sentence, "data"}`; an error also has its code and the
request's id, and what else the other endpoints' errors have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from shared import api_keys, database, edge, inputs, limits
from shared.edge import Answer, Manners, serving
from shared.errors import AppError, BadRequestError
from shared.idempotency import Attempt, Created
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.auth import Caller
    from shared.edge import Handler, Request

Model = TypeVar("Model", bound=inputs.Input)
Data = TypeVar("Data", bound=BaseModel)

WITHOUT_BODY = ("GET", "DELETE")


class Envelope(BaseModel, Generic[Data]):
    """An answer that is no error."""

    message: str
    status: Literal["success"] = "success"
    error: None = None
    data: Data


def endpoint(
    method: str, model: type[Model], *, success: str, failure: str, others: tuple[str, ...] = ()
) -> Callable[[Callable[[Caller, Model], BaseModel]], Handler]:
    """Make a handler of a function from caller and input (path, and body or query) to the answer's data.

    `success` and `failure` are the answer's message. `others`: the path's methods that other functions serve.
    The work verifies the key in its own transaction; where the input is refused, `authorize_api_key` does.
    """

    def decorate(work: Callable[[Caller, Model], BaseModel]) -> Handler:
        def answer(request: Request) -> Answer:
            who = _program(request)
            with limits.limited(who, method):
                given, _ = _asked(who, request, method, model)
                return Answer(200, Envelope(message=success, data=work(who, given)))

        return _serving(method, *others, failure=failure)(answer)

    return decorate


def creation(
    model: type[Model], *, success: str, failure: str
) -> Callable[[Callable[[Caller, Model, Attempt], Created[BaseModel]]], Handler]:
    """As `endpoint`, for a POST that creates: 201, and 201 again when it is repeated."""

    def decorate(work: Callable[[Caller, Model, Attempt], Created[BaseModel]]) -> Handler:
        def answer(request: Request) -> Answer:
            who = _program(request)
            with limits.limited(who, "POST"):
                made = work(who, *_asked(who, request, "POST", model))
            return edge.created(Created(Envelope(message=success, data=made.body), made.replayed))

        return _serving("POST", failure=failure)(answer)

    return decorate


def _serving(*methods: str, failure: str) -> Callable[[Callable[[Request], Answer]], Handler]:
    def refused(body: Mapping[str, object]) -> Mapping[str, object]:
        return {"message": failure, "status": "error", **body, "data": None}

    return serving(Manners(methods, challenge="ApiKey", credentials="x-api-key, x-api-secret", refused=refused))


def _program(request: Request) -> Caller:
    who = api_keys.holder(request.headers)
    logger.thread_safe_append_keys(api_key=who.api_key)
    return who


def _asked(who: Caller, request: Request, method: str, model: type[Model]) -> tuple[Model, Attempt]:
    try:
        given = inputs.validate(model, _given(request, method))
        attempt = Attempt.of(request.id, request.headers if method == "POST" else {}, given)
    except AppError:
        database.rpc("authorize_api_key", who.credentials)
        raise
    return given, attempt


def _given(request: Request, method: str) -> dict[str, Any]:
    sent = dict(request.query) if method in WITHOUT_BODY else inputs.parse_json(request.body())
    for name in request.path:
        if name in sent:
            raise BadRequestError(f"{name} is not a known field")
    return sent | dict(request.path)
