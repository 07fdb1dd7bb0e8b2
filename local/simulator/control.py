"""The endpoints under /simulator: they set the simulator up, misbehave on request and show what the oracle counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.routing import Route

from local.simulator.config import AccountConfig, Model
from local.simulator.faults import Fault
from local.simulator.http import Json
from local.simulator.people import Outcome  # noqa: TC001  # pydantic reads it at run time
from local.simulator.refusal import Refusal, detail
from local.simulator.validation import parsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from local.simulator.call import Call
    from local.simulator.world import World

_CALLS_AT_ONCE = 10_000


class End(Model):
    """How a call ends."""

    reason: str = "hangup"
    outcome: Outcome | None = None


class Outage(Model):
    """How long nobody can connect."""

    seconds: float = Field(gt=0, le=3600)


def control(handler: Callable[[World, Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of ours; what it refuses is said in `detail`."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request.app.state.world, request)
        except Refusal as refusal:
            return Json(refusal.body, refusal.status, refusal.headers)
        except ValueError as error:  # pydantic's too
            return Json({"detail": str(error)}, 400)

    return endpoint


async def get_config(world: World, _: Request) -> Response:
    """GET /simulator/config"""
    return _json(world.config)


async def change_config(world: World, request: Request) -> Response:
    """PUT /simulator/config: a patch (see `Config.patched`)."""
    world.configure(world.config.patched(parsed(await request.body())))
    return _json(world.config)


async def add_account(world: World, request: Request) -> Response:
    """POST /simulator/accounts"""
    account = AccountConfig.model_validate(parsed(await request.body()))
    world.add_account(account)
    return Json({"account_id": account.id}, 201)


async def reset(world: World, _: Request) -> Response:
    """POST /simulator/reset"""
    world.reset()
    return Response(status_code=204)


async def add_fault(world: World, request: Request) -> Response:
    """POST /simulator/faults"""
    rule = world.faults.add(Fault.model_validate(parsed(await request.body())))
    return Json(rule.json(), 201)


async def list_faults(world: World, _: Request) -> Response:
    """GET /simulator/faults"""
    return Json([rule.json() for rule in world.faults.rules])


async def clear_faults(world: World, _: Request) -> Response:
    """DELETE /simulator/faults"""
    world.faults.clear()
    return Response(status_code=204)


async def remove_fault(world: World, request: Request) -> Response:
    """DELETE /simulator/faults/{number}"""
    world.faults.remove(request.path_params["number"])
    return Response(status_code=204)


async def stats(world: World, request: Request) -> Response:
    """GET /simulator/stats?account=&batch_id="""
    world.now()
    query = request.query_params
    return Json(world.calls.oracle.stats(query.get("account"), query.get("batch_id")))


async def list_calls(world: World, request: Request) -> Response:
    """GET /simulator/calls?account=&batch_id=&since=&after=&limit=: accepted calls; `next` is the next `after`."""
    world.now()
    query = request.query_params
    account, batch_id, since = query.get("account"), query.get("batch_id"), float(query.get("since", 0))
    first, limit = int(query.get("after", -1)) + 1, int(query.get("limit", _CALLS_AT_ONCE))
    seen = world.calls.all[first : first + limit]
    fitting = [
        _seen(call)
        for call in seen
        if account in (None, call.account.id)
        and batch_id in (None, call.metadata.get("batch_id"))
        and call.created >= since
    ]
    more = first + limit < len(world.calls.all)
    return Json({"calls": fitting, "next": seen[-1].index if more else None})


async def join_call(world: World, request: Request) -> Response:
    """POST /simulator/calls/{call_id}/join"""
    world.calls.join(_asked_call(world, request), world.now())
    return Response(status_code=204)


async def end_call(world: World, request: Request) -> Response:
    """POST /simulator/calls/{call_id}/end"""
    end = End.model_validate(parsed(await request.body()))
    world.calls.end(_asked_call(world, request), world.now(), end.reason, end.outcome)
    return Response(status_code=204)


async def delete_call(world: World, request: Request) -> Response:
    """POST /simulator/calls/{call_id}/delete"""
    world.calls.delete(_asked_call(world, request), world.now())
    return Response(status_code=204)


async def go_away(_: World, request: Request) -> Response:
    """POST /simulator/outage: refuses connections for so many seconds."""
    outage = Outage.model_validate(parsed(await request.body()))
    await request.app.state.go_away(outage.seconds)
    return Response(status_code=204)


def _asked_call(world: World, request: Request) -> Call:
    call = world.calls.present(request.path_params["call_id"])
    if call is None or call.deleted is not None:
        raise detail(404, "There is no such call.")
    return call


def _seen(call: Call) -> dict[str, Any]:
    ids = call.metadata
    end = None if call.ended is None else call.started + call.ended - call.created
    return {
        "index": call.index,
        "ultravox_call_id": call.id,
        "account": call.account.id,
        "to": call.number,
        "nth": call.nth,
        "batch_id": ids.get("batch_id"),
        "contact_id": ids.get("contact_id"),
        "call_id": ids.get("call_id"),
        "accepted_at": call.created,
        "accepted_monotonic": call.started,
        "joined_at": call.joined,
        "ended_at": call.ended,
        "ended_monotonic": end,
        "deleted_at": call.deleted,
        "end_reason": call.end_reason,
        "outcome": call.outcome,
    }


def _json(config: BaseModel) -> Response:
    return Response(config.model_dump_json(by_alias=True), media_type="application/json")


ROUTES = [
    Route("/simulator/config", control(get_config), methods=["GET"]),
    Route("/simulator/config", control(change_config), methods=["PUT"]),
    Route("/simulator/accounts", control(add_account), methods=["POST"]),
    Route("/simulator/reset", control(reset), methods=["POST"]),
    Route("/simulator/faults", control(add_fault), methods=["POST"]),
    Route("/simulator/faults", control(list_faults), methods=["GET"]),
    Route("/simulator/faults", control(clear_faults), methods=["DELETE"]),
    Route("/simulator/faults/{number:int}", control(remove_fault), methods=["DELETE"]),
    Route("/simulator/stats", control(stats), methods=["GET"]),
    Route("/simulator/calls", control(list_calls), methods=["GET"]),
    Route("/simulator/calls/{call_id}/join", control(join_call), methods=["POST"]),
    Route("/simulator/calls/{call_id}/end", control(end_call), methods=["POST"]),
    Route("/simulator/calls/{call_id}/delete", control(delete_call), methods=["POST"]),
    Route("/simulator/outage", control(go_away), methods=["POST"]),
]
