"""Every minute: import past calls, a page at a time, for the agencies that have asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync
from shared.dispatch import fanned_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@fanned_out("process-historical-sync", "syncing_agencies")
def main(remaining_ms: Callable[[], int], agency_id: str | None, seconds: float | None) -> Mapping[str, object]:
    return sync.process(remaining_ms, agency_id, seconds)
