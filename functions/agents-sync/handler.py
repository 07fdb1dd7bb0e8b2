"""POST /agents-sync: make the agency's agents those that the provider lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import agents
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.agent_answers import SyncedAgents
    from shared.auth import Caller


@endpoint("POST", agents.NoBody, writes=True, failure="Failed to import agents")
def main(caller: Caller, nothing: agents.NoBody) -> SyncedAgents:
    return agents.sync(caller, nothing)
