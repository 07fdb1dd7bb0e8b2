"""From requests to answers: who asks, what goes wrong on purpose, and the JSON on the wire."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.responses import Response

from local.simulator import validation
from local.simulator.refusal import Dropped, Refusal, detail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from local.simulator.accounts import Account
    from local.simulator.faults import Fault, Path
    from local.simulator.shapes import Model
    from local.simulator.world import World


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return to_json(content)


@dataclass(frozen=True)
class Ask:
    """One request of a customer who has shown a valid key."""

    world: World
    account: Account
    request: Request
    fault: Fault | None

    async def checked(self, model: type[Model]) -> dict[str, Any]:
        """The JSON body, as sent. Raises Refusal 400 or 415."""
        request = validation.parsed(await self.body())
        validation.check(request, model)
        return request

    async def body(self) -> bytes:
        """The raw body. Raises Refusal 415."""
        raw = await self.request.body()
        kind = self.request.headers.get("content-type", "")
        if raw and not kind.startswith("application/json"):
            raise detail(415, f'Unsupported media type "{kind}" in request.')
        return raw


if TYPE_CHECKING:
    Handler = Callable[[Ask], Awaitable[Response]]


def provider(path: Path, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of the provider. Faults of kind `create` are left to the handler: they need the body."""

    async def endpoint(request: Request) -> Response:
        world: World = request.app.state.world
        account = None
        try:
            account = world.accounts.of(request.headers.get("x-api-key"), world.config.refusals)
            account.admit_request(world.now(), world.config.refusals)
            fault = None if path == "create" else _fault(world, account, path, request)
            if fault:
                await misbehave(fault)
            return await handler(Ask(world, account, request, fault))
        except Refusal as refusal:
            if path == "create":
                batch_id = getattr(request.state, "batch_id", None)
                world.calls.oracle.refused(refusal.status, account.id if account else None, batch_id)
            return Json(refusal.body, refusal.status, refusal.headers)
        except (Dropped, asyncio.CancelledError):  # cancelled: the server is leaving
            return await _drop(request)

    return endpoint


async def misbehave(fault: Fault) -> None:
    """The faults that keep a request from ever being looked at. Raises Refusal or Dropped."""
    if fault.action == "refuse":
        await asyncio.sleep(fault.delay_seconds)
        raise Refusal(fault.status, fault.body if fault.body is not None else {"detail": "Refused."}, fault.headers)
    if fault.action == "drop_before_accept":
        raise Dropped
    if fault.action == "lookup_outage":
        raise Refusal(fault.status, fault.body if fault.body is not None else "upstream connect error", fault.headers)


async def _drop(request: Request) -> Response:
    request.state.transport.abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()  # goes nowhere: the connection is gone


def _fault(world: World, account: Account, path: Path, request: Request) -> Fault | None:
    if not world.faults.rules:
        return None
    call_id = request.path_params.get("call_id")
    to: str | None = None
    metadata_id = request.query_params.get("metadata.call_id")
    if call_id:
        call = world.calls.peek(account, call_id)
        to, metadata_id = (call.number, call.metadata.get("call_id")) if call else (None, None)
    return world.faults.strike(world.config.seed, account.id, path, to, call_id, metadata_id)
