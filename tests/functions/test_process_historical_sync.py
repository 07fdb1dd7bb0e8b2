from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.functions import Context
from tests.calling import FUNCTIONS
from tests.sql.importing import Import

if TYPE_CHECKING:
    from tests.sql.world import World

PROCESS = FUNCTIONS["process-historical-sync"]


def test_a_run_without_time_left_claims_nothing_and_says_so(world: World) -> None:
    job = Import(world)
    context: Any = Context(PROCESS)
    context.get_remaining_time_in_millis = lambda: 0

    assert PROCESS.resolve()({}, context) == {"processed": 0, "message": "No pending jobs"}
    assert job.row()["status"] == "pending"
    job.cancel()
