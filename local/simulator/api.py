"""The provider's endpoints for calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from local.simulator import listing, rendering, shapes, validation
from local.simulator.calls import called_ids, called_number
from local.simulator.http import Ask, Json, misbehave, provider
from local.simulator.refusal import Dropped, Refusal, detail

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulator.accounts import Agent
    from local.simulator.call import Call
    from local.simulator.faults import Fault


async def create_with_agent(ask: Ask) -> Response:
    """POST /api/agents/{agent_id}/calls"""
    return await _create(ask, shapes.StartAgentCall, ask.request.path_params["agent_id"])


async def create(ask: Ask) -> Response:
    """POST /api/calls"""
    return await _create(ask, shapes.StartCall, None)


async def _create(ask: Ask, model: type[shapes.StartRequest], agent_id: str | None) -> Response:
    request = validation.parsed(await ask.body())
    ids = called_ids(request)
    ask.request.state.batch_id = ids.get("batch_id")
    world, account = ask.world, ask.account
    fault = world.faults.strike(world.config.seed, account.id, "create", called_number(request), ids.get("call_id"))
    if fault:
        await misbehave(fault)
    agent = account.agent(agent_id) if agent_id else None
    validation.check(request, model)
    if agent:
        _check_context(agent, request)
    if fault and fault.action == "late_accept":
        await asyncio.sleep(fault.delay_seconds)
    return await _answer(ask, _accept(ask, agent, request), fault)


def _accept(ask: Ask, agent: Agent | None, request: dict[str, Any]) -> Call:
    # No await in here: between the limits and the call that they admit nothing may come.
    now = ask.world.now()
    name = ask.request.query_params.get("throttle")
    throttle = ask.account.throttle(name) if name else None
    ask.account.admit_call(now, throttle, ask.world.config.refusals)
    return ask.world.calls.create(ask.account, agent, request, now)


async def _answer(ask: Ask, call: Call, fault: Fault | None) -> Response:
    action = fault.action if fault else None
    answer = Json(rendering.call_json(call, ask.world.config.sip_details), 201)
    if action == "accept_then_drop":
        raise Dropped
    if action == "accept_then_500":
        return Response("Internal Server Error", 500)
    if action == "malformed_body":
        return Response('{"callId": "', 201, media_type="application/json")
    if fault and action == "slow_201":
        await asyncio.sleep(fault.delay_seconds)
    return answer


def _check_context(agent: Agent, request: dict[str, Any]) -> None:
    required: list[str] = agent.template.get("contextSchema", {}).get("required", [])
    missing = [name for name in required if name not in request.get("templateContext", {})]
    if missing:
        raise Refusal(400, {"templateContext": [f"'{name}' is a required property." for name in missing]})


async def list_calls(ask: Ask) -> Response:
    """GET /api/calls"""
    query = ask.request.query_params
    filters = listing.Filters.of(query)
    if ask.fault and ask.fault.action == "lookup_ignores_filter":
        filters = filters.without_metadata()
    sort = query.get("sort", "-created")
    if sort not in ("created", "-created"):
        raise Refusal(400, {"sort": ["The simulator sorts by created or -created."]})
    return await _listed(ask, _source(ask, filters), filters, _visible(ask), newest_first=sort == "-created")


async def list_deleted_calls(ask: Ask) -> Response:
    """GET /api/deleted_calls"""
    filters = listing.Filters.of(ask.request.query_params)
    if ask.fault and ask.fault.action == "lookup_ignores_filter":
        filters = filters.without_metadata()
    tombstones = sorted(ask.account.tombstones, key=lambda call: call.created)
    source = listing.Timeline(ask.account.past, range(0), tombstones)
    return await _listed(ask, source, filters, _visible(ask, deleted=True), newest_first=True)


async def list_agent_calls(ask: Ask) -> Response:
    """GET /api/agents/{agent_id}/calls"""
    agent = ask.account.agent(ask.request.path_params["agent_id"])
    filters = listing.Filters.of(ask.request.query_params).of_agent(agent.id)
    return await _listed(ask, _source(ask, filters), filters, _visible(ask), newest_first=True)


def _source(ask: Ask, filters: listing.Filters) -> listing.Timeline:
    account, metadata = ask.account, dict(filters.metadata)
    wanted = metadata.get("call_id")
    present = account.calls if wanted is None else ask.world.calls.with_call_id(account, wanted)
    return listing.Timeline(account.past, account.past.span(metadata), present, account.tombstones)


def _visible(ask: Ask, *, deleted: bool = False) -> Callable[[Call], bool]:
    fault = ask.fault
    lag = fault.delay_seconds if fault and fault.action == "lookup_lags" else 0.0
    newest = ask.world.now() - lag

    def visible(call: Call) -> bool:
        return (call.deleted is not None) == deleted and (not lag or call.started <= newest)

    return visible


async def _listed(
    ask: Ask, source: listing.Timeline, filters: listing.Filters, admit: Callable[[Call], bool], *, newest_first: bool
) -> Response:
    await asyncio.sleep(ask.world.config.page_latency_seconds)
    request, config = ask.request, ask.world.config
    cursor = request.query_params.get("cursor")
    page = await listing.page(
        source,
        filters,
        admit,
        listing.Cursor.of(cursor) if cursor else None,
        page_size(ask),
        newest_first=newest_first,
    )
    results = [
        rendering.tombstone_json(call) if call.deleted else rendering.call_json(call, config.sip_details)
        for call in page.calls
    ]
    return paged(ask, results, page.following, page.preceding, page.total)


def page_size(ask: Ask) -> int:
    """What was asked for, within bounds; nonsense counts as nothing, as in Django REST Framework."""
    text, config = ask.request.query_params.get("pageSize", ""), ask.world.config
    asked = int(text) if text.isdecimal() else 0
    return min(asked or config.page_size, config.page_size_max)


def paged(ask: Ask, results: list[Any], following: object, preceding: object, total: int) -> Response:
    """A page; the links to its neighbours carry all that was asked for."""

    def link(cursor: object) -> str | None:
        return str(ask.request.url.include_query_params(cursor=cursor)) if cursor is not None else None

    return Json({"next": link(following), "previous": link(preceding), "results": results, "total": total})


async def get_call(ask: Ask) -> Response:
    """GET /api/calls/{call_id}"""
    return Json(rendering.call_json(_asked_call(ask), ask.world.config.sip_details))


async def delete_call(ask: Ask) -> Response:
    """DELETE /api/calls/{call_id}"""
    ask.world.calls.delete(_asked_call(ask), ask.world.now())
    return Response(status_code=204)


async def get_deleted_call(ask: Ask) -> Response:
    """GET /api/deleted_calls/{call_id}"""
    call = ask.world.calls.peek(ask.account, ask.request.path_params["call_id"])
    if call is None or call.deleted is None:
        raise detail(404, "No CallTombstone matches the given query.")
    return Json(rendering.tombstone_json(call))


async def list_messages(ask: Ask) -> Response:
    """GET /api/calls/{call_id}/messages: one stage only, so both modes show the same."""
    mode = ask.request.query_params.get("mode", "last_stage")
    if mode not in ("last_stage", "in_call"):
        raise Refusal(400, {"mode": [f'"{mode}" is not a valid choice.']})
    said = rendering.messages(_asked_call(ask), ask.world.calls.epoch(ask.world.now()))
    text = ask.request.query_params.get("cursor", "0")
    if not text.isdecimal():
        raise detail(404, "Invalid cursor")
    first, size = int(text), page_size(ask)
    following = first + size if first + size < len(said) else None
    preceding = max(0, first - size) if first else None
    return paged(ask, said[first : first + size], following, preceding, len(said))


async def send_data_message(ask: Ask) -> Response:
    """POST /api/calls/{call_id}/send_data_message: `hang_up` ends the call."""
    call, message = _asked_call(ask), await ask.checked(shapes.DataMessage)
    now = ask.world.now()
    if call.joined is None or call.ended is not None:
        raise detail(422, "The call is not active.")
    if message["type"] == "hang_up":
        ask.world.calls.end(call, now, "agent_hangup")
    return Response(status_code=204)


def _asked_call(ask: Ask) -> Call:
    return ask.world.calls.find(ask.account, ask.request.path_params["call_id"])


ROUTES = [
    Route("/api/agents/{agent_id}/calls", provider("create", create_with_agent), methods=["POST"]),
    Route("/api/agents/{agent_id}/calls", provider("lookup", list_agent_calls), methods=["GET"]),
    Route("/api/calls", provider("create", create), methods=["POST"]),
    Route("/api/calls", provider("lookup", list_calls), methods=["GET"]),
    Route("/api/calls/{call_id}", provider("get", get_call), methods=["GET"]),
    Route("/api/calls/{call_id}", provider("other", delete_call), methods=["DELETE"]),
    Route("/api/calls/{call_id}/messages", provider("messages", list_messages), methods=["GET"]),
    Route("/api/calls/{call_id}/send_data_message", provider("data_message", send_data_message), methods=["POST"]),
    Route("/api/deleted_calls", provider("deleted", list_deleted_calls), methods=["GET"]),
    Route("/api/deleted_calls/{call_id}", provider("deleted", get_deleted_call), methods=["GET"]),
]
