"""The edge of what a signed-in person calls: a Supabase token says who they are.

`endpoint` is for any of it, `creation` for what creates something. The order of checks, so that nobody learns more than
they may: method, token, agency, limit, role, body, idempotency, and only then what the function itself refuses.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from shared import database, inputs, limits, tokens
from shared.edge import FAILURE, Answer, created, route
from shared.errors import AppError
from shared.idempotency import Attempt
from shared.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from shared.auth import Caller
    from shared.edge import Handler, Json, Request
    from shared.idempotency import Created

Model = TypeVar("Model", bound=inputs.Input)


def endpoint(
    method: str, model: type[Model], *, writes: bool = False, owner: bool = False, failure: str = FAILURE
) -> Callable[[Callable[[Caller, Model], Json]], Handler]:
    """Make a handler of a function that takes the verified caller and their body (GET: query), and returns the answer.

    `writes`: only agency_owner and agency_admin may; `owner`: only the first. `failure`: what the client reads when it
    was our fault.
    The work checks user, agency and role in its own transaction, one round trip in all. Where the body is refused
    there is no work: then that round trip goes to `authorize`, so that no stranger learns what a good body is.
    """

    def decorate(work: Callable[[Caller, Model], Json]) -> Handler:
        def answer(request: Request) -> Answer:
            who = _person(request)
            with limits.limited(who, method):
                with _authorized_first(who, writes=writes, owner=owner):
                    given = _read(request, method, model)
                return Answer(200, work(who, given))

        return route(method, failure=failure)(answer)

    return decorate


def creation(
    model: type[Model], *, status: int = 201, failure: str = FAILURE
) -> Callable[[Callable[[Caller, Model, Attempt], Created[Json]]], Handler]:
    """As `endpoint`, for a POST with which an owner or admin creates something: 201, and 201 again when it is repeated.

    The work hands the attempt on to the database, which knows whether it is the first. `status`: instead of 201, where
    something that exists is added to.
    """

    def decorate(work: Callable[[Caller, Model, Attempt], Created[Json]]) -> Handler:
        def answer(request: Request) -> Answer:
            who = _person(request)
            with limits.limited(who, "POST"):
                with _authorized_first(who, writes=True):
                    given = _read(request, "POST", model)
                    attempt = Attempt.of(request.id, request.headers, given)
                return created(work(who, given, attempt), status)

        return route("POST", failure=failure)(answer)

    return decorate


def _person(request: Request) -> Caller:
    who = tokens.caller(request.headers.get("authorization"))
    logger.thread_safe_append_keys(user_id=who.user_id)
    return who


@contextmanager
def _authorized_first(who: Caller, *, writes: bool, owner: bool = False) -> Generator[None]:
    try:
        yield
    except AppError:
        if owner:
            database.rpc("authorize_owner", {"p_user_id": who.user_id})
        else:
            database.rpc("authorize", {"p_user_id": who.user_id, "p_writes": writes})
        raise


def _read(request: Request, method: str, model: type[Model]) -> Model:
    given = inputs.validate(model, request.query if method == "GET" else inputs.parse_json(request.body()))
    logger.thread_safe_append_keys(batch_id=getattr(given, "batch_id", None))
    return given
