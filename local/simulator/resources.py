"""The provider's endpoints for what an account owns: itself, agents, webhooks, call throttles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from starlette.responses import Response
from starlette.routing import Route

from local.simulator import shapes
from local.simulator.accounts import Agent, Throttle, Webhook
from local.simulator.api import page_size, paged
from local.simulator.http import Ask, Json, provider
from local.simulator.refusal import Refusal, detail

if TYPE_CHECKING:
    from collections.abc import Iterable


class Owned(Protocol):
    """Something with a JSON form."""

    def json(self) -> dict[str, Any]: ...


T = TypeVar("T")


async def get_account(ask: Ask) -> Response:
    """GET /api/accounts/me"""
    return Json(ask.account.json())


async def list_agents(ask: Ask) -> Response:
    """GET /api/agents"""
    search = ask.request.query_params.get("search", "")
    return _page(ask, (agent for agent in ask.account.agents.values() if search in agent.name))


async def create_agent(ask: Ask) -> Response:
    """POST /api/agents"""
    request = await ask.checked(shapes.AgentRequest)
    agent = Agent(str(uuid4()), request.get("name", "agent"), request.get("callTemplate", {}))
    ask.account.agents[agent.id] = agent
    return Json(agent.json(), 201)


async def get_agent(ask: Ask) -> Response:
    """GET /api/agents/{agent_id}"""
    return Json(_asked_agent(ask).json())


async def change_agent(ask: Ask) -> Response:
    """PATCH /api/agents/{agent_id}"""
    agent, request = _asked_agent(ask), await ask.checked(shapes.AgentRequest)
    agent.name = request.get("name", agent.name)
    agent.template = request.get("callTemplate", agent.template)
    return Json(agent.json())


async def delete_agent(ask: Ask) -> Response:
    """DELETE /api/agents/{agent_id}"""
    del ask.account.agents[_asked_agent(ask).id]
    return Response(status_code=204)


async def list_webhooks(ask: Ask) -> Response:
    """GET /api/webhooks"""
    agent_id = ask.request.query_params.get("agentId")
    hooks = ask.account.webhooks.values()
    return _page(ask, (hook for hook in hooks if agent_id in (None, hook.agent_id)))


async def create_webhook(ask: Ask) -> Response:
    """POST /api/webhooks"""
    request = await ask.checked(shapes.WebhookRequest)
    hook = Webhook(request["url"], request["events"], _own_agent(ask, request), request.get("secrets"))
    ask.account.webhooks[hook.id] = hook
    return Json(hook.json(), 201)


async def get_webhook(ask: Ask) -> Response:
    """GET /api/webhooks/{webhook_id}"""
    return Json(_asked_webhook(ask).json())


async def replace_webhook(ask: Ask) -> Response:
    """PUT /api/webhooks/{webhook_id}"""
    return await _change_webhook(ask, shapes.WebhookRequest)


async def change_webhook(ask: Ask) -> Response:
    """PATCH /api/webhooks/{webhook_id}"""
    return await _change_webhook(ask, shapes.WebhookPatch)


async def _change_webhook(ask: Ask, model: type[shapes.WebhookRequest]) -> Response:
    hook, request = _asked_webhook(ask), await ask.checked(model)
    hook.url = request.get("url", hook.url)
    hook.events = request.get("events", hook.events)
    hook.secrets = request.get("secrets", hook.secrets)
    if "agentId" in request:
        hook.agent_id = _own_agent(ask, request)
    return Json(hook.json())


async def delete_webhook(ask: Ask) -> Response:
    """DELETE /api/webhooks/{webhook_id}"""
    del ask.account.webhooks[_asked_webhook(ask).id]
    return Response(status_code=204)


async def list_throttles(ask: Ask) -> Response:
    """GET /api/call_throttles"""
    return _page(ask, ask.account.throttles.values())


async def create_throttle(ask: Ask) -> Response:
    """POST /api/call_throttles"""
    request = await ask.checked(shapes.ThrottleRequest)
    if any(request["name"] == throttle.name for throttle in ask.account.throttles.values()):
        raise Refusal(400, {"name": ["A call throttle with this name already exists."]})
    throttle = Throttle(request["name"], request["rules"])
    ask.account.throttles[throttle.id] = throttle
    return Json(throttle.json(), 201)


async def get_throttle(ask: Ask) -> Response:
    """GET /api/call_throttles/{throttle_id}"""
    return Json(_asked_throttle(ask).json())


async def replace_throttle(ask: Ask) -> Response:
    """PUT /api/call_throttles/{throttle_id}"""
    return await _change_throttle(ask, shapes.ThrottleRequest)


async def change_throttle(ask: Ask) -> Response:
    """PATCH /api/call_throttles/{throttle_id}"""
    return await _change_throttle(ask, shapes.ThrottlePatch)


async def _change_throttle(ask: Ask, model: type[shapes.ThrottleRequest]) -> Response:
    throttle, request = _asked_throttle(ask), await ask.checked(model)
    throttle.change(request.get("name", throttle.name), request.get("rules", throttle.rules))
    return Json(throttle.json())


async def delete_throttle(ask: Ask) -> Response:
    """DELETE /api/call_throttles/{throttle_id}"""
    del ask.account.throttles[_asked_throttle(ask).id]
    return Response(status_code=204)


def _own_agent(ask: Ask, request: dict[str, Any]) -> str | None:
    agent_id: str | None = request.get("agentId")
    if agent_id is not None and agent_id not in ask.account.agents:
        raise Refusal(400, {"agentId": [f"There is no agent {agent_id}."]})
    return agent_id


def _asked_agent(ask: Ask) -> Agent:
    return ask.account.agent(ask.request.path_params["agent_id"])


def _asked_webhook(ask: Ask) -> Webhook:
    return _asked(ask.account.webhooks, ask.request.path_params["webhook_id"], "Webhook")


def _asked_throttle(ask: Ask) -> Throttle:
    return _asked(ask.account.throttles, ask.request.path_params["throttle_id"], "CallThrottle")


def _asked(owned: dict[str, T], wanted: str, kind: str) -> T:
    if wanted not in owned:
        raise detail(404, f"No {kind} matches the given query.")
    return owned[wanted]


def _page(ask: Ask, owned: Iterable[Owned]) -> Response:
    found = list(owned)
    cursor = ask.request.query_params.get("cursor", "0")
    if not cursor.isdecimal():
        raise detail(404, "Invalid cursor")
    first, size = int(cursor), page_size(ask)
    following = first + size if first + size < len(found) else None
    preceding = max(0, first - size) if first else None
    return paged(ask, [one.json() for one in found[first : first + size]], following, preceding, len(found))


ROUTES = [
    Route("/api/accounts/me", provider("account", get_account), methods=["GET"]),
    Route("/api/agents", provider("agent", list_agents), methods=["GET"]),
    Route("/api/agents", provider("other", create_agent), methods=["POST"]),
    Route("/api/agents/{agent_id}", provider("agent", get_agent), methods=["GET"]),
    Route("/api/agents/{agent_id}", provider("other", change_agent), methods=["PATCH"]),
    Route("/api/agents/{agent_id}", provider("other", delete_agent), methods=["DELETE"]),
    Route("/api/webhooks", provider("other", list_webhooks), methods=["GET"]),
    Route("/api/webhooks", provider("other", create_webhook), methods=["POST"]),
    Route("/api/webhooks/{webhook_id}", provider("other", get_webhook), methods=["GET"]),
    Route("/api/webhooks/{webhook_id}", provider("other", replace_webhook), methods=["PUT"]),
    Route("/api/webhooks/{webhook_id}", provider("other", change_webhook), methods=["PATCH"]),
    Route("/api/webhooks/{webhook_id}", provider("other", delete_webhook), methods=["DELETE"]),
    Route("/api/call_throttles", provider("other", list_throttles), methods=["GET"]),
    Route("/api/call_throttles", provider("other", create_throttle), methods=["POST"]),
    Route("/api/call_throttles/{throttle_id}", provider("other", get_throttle), methods=["GET"]),
    Route("/api/call_throttles/{throttle_id}", provider("other", replace_throttle), methods=["PUT"]),
    Route("/api/call_throttles/{throttle_id}", provider("other", change_throttle), methods=["PATCH"]),
    Route("/api/call_throttles/{throttle_id}", provider("other", delete_throttle), methods=["DELETE"]),
]
