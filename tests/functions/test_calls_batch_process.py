from __future__ import annotations

from typing import Any

from local.functions import Context
from tests.calling import FUNCTIONS

PROCESS = FUNCTIONS["calls-batch-process"]


def test_a_run_without_time_left_dials_nobody_and_says_so() -> None:
    context: Any = Context(PROCESS)
    context.get_remaining_time_in_millis = lambda: 0

    assert PROCESS.resolve()({}, context) == {"processed": 0, "message": "No batches to process"}
