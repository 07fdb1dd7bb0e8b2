from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared import agents
from shared.settings import settings
from tests.calling import call
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulator.client import Simulator
    from tests.functions.conftest import StoreSecret
    from tests.sql.world import World


@pytest.fixture
def sync(world: World, owner: str, simulator: Simulator, store_secret: StoreSecret) -> Callable[..., dict[str, Any]]:
    """Makes these the agency's agents at the provider, beside those it has there, and imports them."""
    key = f"key-{world.agency.id}"
    store_secret(world.agency.id, "ultravox-api-key", key)

    def sync(*listed: dict[str, Any]) -> dict[str, Any]:
        simulator.add_account(key, agents=list(listed))
        reply = call("agents-sync", owner, body={})
        assert reply.status == 200, reply.text
        return reply.body

    return sync


def counts(created: int = 0, updated: int = 0, unchanged: int = 0, deactivated: int = 0) -> dict[str, int]:
    return {"created": created, "updated": updated, "unchanged": unchanged, "deactivated": deactivated}


def agent(name: str = "Sales", agent_id: str | None = None, **template: object) -> dict[str, Any]:
    return {"agentId": agent_id or str(uuid4()), "name": name, "callTemplate": template}


def by_provider_id(world: World) -> dict[str, dict[str, Any]]:
    return {row["ultravox_agent_id"]: row for row in world.all("agent_mappings")}


def test_agents_become_what_the_provider_has(world: World, sync: Callable[..., dict[str, Any]]) -> None:
    first = agent(maxDuration="600s", recordingEnabled=True)

    assert sync(first, agent("Plain")) == counts(created=2, deactivated=1)  # the world's own is not at the provider

    row = by_provider_id(world)[first["agentId"]]
    assert (row["name"], row["max_duration_seconds"], row["recording_enabled"]) == ("Sales", 600, True)
    assert sync() == counts(unchanged=2)
    assert sync(agent("Support", first["agentId"])) == counts(updated=1, unchanged=1)
    row = by_provider_id(world)[first["agentId"]]
    assert (row["name"], row["max_duration_seconds"], row["recording_enabled"]) == ("Support", 3600, False)


def test_an_agent_that_is_gone_is_inactive_until_it_is_back(world: World, sync: Callable[..., dict[str, Any]]) -> None:
    own = by_provider_id(world)
    (agent_id,) = own

    assert sync(agent()) == counts(created=1, deactivated=1)
    assert by_provider_id(world)[agent_id]["active"] is False
    assert sync(agent("Back", agent_id)) == counts(updated=1, unchanged=1)
    assert by_provider_id(world)[agent_id]["active"] is True
    assert by_provider_id(world)[agent_id]["id"] == own[agent_id]["id"]


def test_an_agent_that_somebody_made_inactive_stays_so(world: World, sync: Callable[..., dict[str, Any]]) -> None:
    (agent_id,) = by_provider_id(world)
    world.set("agent_mappings", world.agency.agent_mapping_id, active=False)

    sync(agent("Sales Agent", agent_id))

    assert by_provider_id(world)[agent_id]["active"] is False


def test_all_pages_are_read(world: World, sync: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "PAGE_SIZE", 3)

    assert sync(*(agent(f"Agent {n}") for n in range(10)))["created"] == 10
    assert len(world.all("agent_mappings")) == 11


def test_half_a_list_changes_nothing(
    world: World, owner: str, store_secret: StoreSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_secret(world.agency.id, "ultravox-api-key", "key")
    before = world.all("agent_mappings")
    pages = [(200, b'{"results": [], "next": "http://elsewhere.test/api/agents?cursor=2"}'), *[(500, b"")] * 2]

    with serving(lambda _asked: pages.pop(0)) as provider:
        monkeypatch.setenv("ULTRAVOX_BASE_URL", provider.url)
        settings.cache_clear()
        reply = call("agents-sync", owner, body={})
    monkeypatch.undo()
    settings.cache_clear()

    assert reply.error == (503, "The provider's list of agents could not be read")
    assert world.all("agent_mappings") == before
    assert [asked.path.partition("?")[2] for asked in provider.asked[:2]] == ["pageSize=100", "pageSize=100&cursor=2"]


def test_without_a_key_or_with_one_that_is_refused_the_agency_is_told(
    world: World, owner: str, simulator: Simulator, store_secret: StoreSecret
) -> None:
    missing = call("agents-sync", owner, body={})
    store_secret(world.agency.id, "ultravox-api-key", "nobody's")
    refused = call("agents-sync", owner, body={})

    assert (missing.status, missing.body["code"]) == (400, "provider_key_missing")
    assert (refused.status, refused.body["code"]) == (400, "provider_key_refused")
    assert simulator.stats()["accepted"] == 0
