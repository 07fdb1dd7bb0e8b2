"""What an agency needs at the provider before its agents can be asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

from aws_lambda_powertools.utilities import parameters

from local.simulator.client import Simulator
from shared.settings import settings

if TYPE_CHECKING:
    from tests.sql.world import World


def with_agents(world: World) -> None:
    """The agency's key is stored, and the provider knows it."""
    path = f"/batchline/{settings().stage}/agencies/{world.agency.id}/ultravox-api-key"
    key = f"key-{world.agency.id}"
    parameters.set_parameter(path, key, parameter_type="SecureString", overwrite=True)  # pyright: ignore[reportUnknownMemberType]
    with Simulator(os.environ["ULTRAVOX_BASE_URL"]) as simulator:
        simulator.add_account(key, agents=[{"agentId": str(uuid4())}])
