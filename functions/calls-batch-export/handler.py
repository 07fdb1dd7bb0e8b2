"""POST /calls-batch-export: what became of a batch's contacts or calls, as a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import results
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.result_answers import Export


@endpoint("POST", results.ExportRequest, failure="Failed to export batch")
def main(caller: Caller, asked: results.ExportRequest) -> Export:
    return results.export(caller, asked)
