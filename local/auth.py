"""The Auth interface: as much of Supabase Auth's HTTP as its Python client needs to sign in and to manage users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.issuer import AuthError, Issuer, describe, is_uuid
from local.users import hash_password

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

Body = dict[str, Any]


def application(issuer: Issuer) -> Starlette:
    """The interface of one issuer, to be mounted at /auth/v1."""
    admin = admin_routes(issuer)
    return Starlette(
        routes=[
            Route("/health", answer(lambda _request, _body: {"name": "GoTrue", "description": "local issuer"})),
            Route("/.well-known/jwks.json", answer(lambda _request, _body: issuer.keys.public_jwks())),
            Route("/token", answer(lambda request, body: token(issuer, request, body)), methods=["POST"]),
            Route("/user", answer(lambda request, _body: describe(caller(issuer, request)[0]))),
            Route("/logout", answer(lambda request, _body: logout(issuer, request)), methods=["POST"]),
            *admin,
        ],
        exception_handlers={AuthError: refuse},
    )


def admin_routes(issuer: Issuer) -> list[Route]:
    """What the service key alone may do."""

    def route(path: str, method: str, work: Callable[[Issuer, Request, Body], object]) -> Route:
        def guarded(request: Request, body: Body) -> object:
            issuer.require_service_role(request.headers.get("authorization"))
            return work(issuer, request, body)

        return Route(path, answer(guarded), methods=[method])

    return [
        route("/admin/users", "GET", list_users),
        route("/admin/users", "POST", create_user),
        route("/admin/users/{id}", "GET", lambda issuer, request, _body: describe(user_in_path(issuer, request))),
        route("/admin/users/{id}", "DELETE", delete_user),
    ]


def answer(work: Callable[[Request, Body], object]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that does its work, which blocks on the database, in a thread; None is answered as 204."""

    async def endpoint(request: Request) -> Response:
        content = await run_in_threadpool(work, request, await body_of(request))
        return Response(status_code=204) if content is None else JSONResponse(content)

    return endpoint


async def body_of(request: Request) -> Body:
    if not await request.body():
        return {}
    try:
        body = await request.json()
    except ValueError as error:
        raise AuthError(400, "bad_json", "Could not parse request body as JSON") from error
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not read the request body as an object")
    return cast("Body", body)


def refuse(_request: Request, error: Exception) -> Response:
    refusal = cast("AuthError", error)  # the only class it is registered for
    return JSONResponse({"code": refusal.status, "error_code": refusal.code, "msg": str(refusal)}, refusal.status)


def token(issuer: Issuer, request: Request, body: Body) -> Body:
    match request.query_params.get("grant_type"):
        case "password":
            return issuer.sign_in(issuer.check_password(text(body, "email"), text(body, "password")))
        case "refresh_token":
            return issuer.refresh(text(body, "refresh_token"))
        case _:
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")


def text(body: Body, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise AuthError(400, "validation_failed", f"{field} is required")
    return value


def caller(issuer: Issuer, request: Request) -> tuple[dict[str, Any], str | None]:
    return issuer.caller(request.headers.get("authorization"))


def logout(issuer: Issuer, request: Request) -> None:
    user, session_id = caller(issuer, request)
    match request.query_params.get("scope", "global"):
        case "local":
            issuer.users.close_sessions(user["id"], only=session_id)
        case "others":
            issuer.users.close_sessions(user["id"], all_but=session_id)
        case _:
            issuer.users.close_sessions(user["id"])


def list_users(issuer: Issuer, request: Request, _body: Body) -> Body:
    number, size = (int(request.query_params.get(name) or default) for name, default in (("page", 1), ("per_page", 50)))
    return {"users": [describe(user) for user in issuer.users.page(number, size)], "aud": "authenticated"}


def create_user(issuer: Issuer, _request: Request, body: Body) -> Body:
    user = issuer.users.create(
        text(body, "email"),
        hash_password(text(body, "password")),
        user_id=body.get("id"),
        app_metadata=body.get("app_metadata"),
        user_metadata=body.get("user_metadata"),
    )
    if user is None:
        raise AuthError(422, "email_exists", "A user with this email address has already been registered")
    return describe(user)


def user_in_path(issuer: Issuer, request: Request) -> dict[str, Any]:
    user_id = request.path_params["id"]
    if not is_uuid(user_id):
        raise AuthError(404, "validation_failed", "user_id must be an UUID")
    user = issuer.users.by_id(user_id)
    if user is None:
        raise AuthError(404, "user_not_found", "User not found")
    return user


def delete_user(issuer: Issuer, request: Request, _body: Body) -> Body:
    user = user_in_path(issuer, request)
    try:
        issuer.users.delete(str(user["id"]))
    except psycopg.errors.ForeignKeyViolation as error:
        raise AuthError(500, "unexpected_failure", "Database error deleting user") from error
    return {}
