"""The front door: one port for the functions, the data interface and the Auth issuer, as Supabase and API Gateway have.

`/rest/v1/…` goes to PostgREST, `/auth/v1/…` to the issuer, `/docs` is the reference of the endpoints, `/functions/v1/…`
and every other path go to the functions by the routes of serverless.yml.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from local import auth, functions, keys, reference
from local.events import LAMBDA_LIMIT, BadAnswerError, HttpRequest, to_event, to_response
from local.issuer import Issuer
from local.users import Users

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.requests import Request

    from local.functions import Event, Function

logger = logging.getLogger("gateway")

FUNCTIONS_PREFIX = "/functions/v1"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HANDLERS_AT_ONCE = 100
RECEIVE_SECONDS = 30.0
# They concern one connection, not the request: RFC 9110, section 7.6.1. httpx and uvicorn set their own.
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "server", "date"}


class RefusedError(Exception):
    """A request that no function is asked to serve; what is left of it is not read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Anything(PathConvertor):
    regex = "(?s:.*)"  # an encoded line break too, which API Gateway passes on and `path` does not match


register_url_convertor("anything", _Anything())


@dataclass(frozen=True)
class FunctionsApi:
    """Serves the functions as API Gateway and Lambda do: same events, same limits, same words for failures.

    A request waits for no handler's place before the last byte of it is here, and for `receive_seconds` at most. What
    is over Lambda's limit is refused as soon as that is known, however much is still to come.
    """

    functions: Mapping[str, Function]
    receive_seconds: float = RECEIVE_SECONDS
    places: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(HANDLERS_AT_ONCE))

    async def answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode().removeprefix(FUNCTIONS_PREFIX) or "/"
        found = functions.find_route(self.functions, request.method, path)
        if found is None:
            return JSONResponse({"message": "Not Found"}, 404)
        function, route, parameters = found
        try:
            event = to_event(await self._received(request, path), route, parameters)
            _require_room(len(json.dumps(event, ensure_ascii=False).encode()))
        except RefusedError as error:
            return JSONResponse({"message": str(error)}, error.status, {"connection": "close"})
        return await self._invoke(function, event)

    async def _received(self, request: Request, path: str) -> HttpRequest:
        try:
            with anyio.fail_after(self.receive_seconds):
                return _http_request(request, path, await _body(request))
        except (TimeoutError, ClientDisconnect):
            raise RefusedError(408, "Request Timeout") from None

    async def _invoke(self, function: Function, event: Event) -> Response:
        with anyio.move_on_after(function.timeout):
            try:
                return to_response(await self._call(function, event))
            except BadAnswerError as error:
                logger.error("%s: %s", function.name, error)  # noqa: TRY400 - the sentence says it all
            except Exception:
                logger.exception("%s raised", function.name)
            return JSONResponse({"message": "Internal Server Error"}, 500)
        logger.error("%s: Task timed out after %s seconds", function.name, function.timeout)
        return JSONResponse({"message": "Service Unavailable"}, 503)

    async def _call(self, function: Function, event: Event) -> Any:
        return await anyio.to_thread.run_sync(function.invoke, event, limiter=self.places, abandon_on_cancel=True)


@dataclass(frozen=True)
class RestProxy:
    """Passes requests on to PostgREST, bodies streamed both ways, over connections that are kept."""

    client: httpx.AsyncClient

    async def answer(self, request: Request) -> Response:
        upstream = self.client.build_request(
            request.method,
            request.scope["raw_path"].decode().removeprefix("/rest/v1") or "/",
            params=request.url.query or None,
            headers=_end_to_end(request.headers.items()),
            content=request.stream() if _has_body(request) else None,
        )
        try:
            response = await self.client.send(upstream, stream=True)
        except httpx.TransportError as error:
            return JSONResponse({"message": f"The data interface does not answer: {error!r}"}, 502)
        return StreamingResponse(
            response.aiter_raw(),
            response.status_code,
            dict(_end_to_end(response.headers.items())),
            background=BackgroundTask(response.aclose),
        )


def application(api: FunctionsApi, issuer: Issuer, postgrest_url: str) -> Starlette:
    """The whole door. Closes its connections to PostgREST when the server ends."""
    # As many as there are clients: one who sends a body by letters holds a connection, and must not hold another's.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    client = httpx.AsyncClient(base_url=postgrest_url, timeout=60, limits=limits, trust_env=False)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    return Starlette(
        routes=[
            Mount("/auth/v1", auth.application(issuer)),
            Mount("/docs", reference.application()),
            Route("/docs", reference.page),
            Route("/rest/v1/{path:path}", RestProxy(client).answer, methods=METHODS),
            Route("/{path:anything}", api.answer, methods=METHODS),
        ],
        lifespan=lifespan,
    )


async def _body(request: Request) -> bytes:
    _require_room(int(request.headers.get("content-length", 0)))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        _require_room(len(body))
    return bytes(body)


def _require_room(size: int) -> None:
    if size > LAMBDA_LIMIT:
        raise RefusedError(413, "Request Entity Too Large")


def _http_request(request: Request, path: str, body: bytes) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=path,
        query=request.url.query,
        headers=[(name, value) for name, value in request.headers.items()],
        body=body,
        source_ip=request.client.host if request.client else "127.0.0.1",
    )


def _end_to_end(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def main() -> None:
    """Serves on the port of SUPABASE_URL until SIGTERM. Arguments: the port, the keys file."""
    port, keys_file = int(sys.argv[1]), Path(sys.argv[2])
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    issuer = Issuer(
        f"{os.environ['SUPABASE_URL']}/auth/v1", keys.load_or_make(keys_file), Users(os.environ["DATABASE_URL"])
    )
    app = application(FunctionsApi(functions.load()), issuer, os.environ["SUPABASE_REST_URL"])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=1, server_header=False
    )
    uvicorn.Server(config).run()
    os._exit(0)  # a handler that still runs in its thread shall not hold the stack up


if __name__ == "__main__":
    main()
