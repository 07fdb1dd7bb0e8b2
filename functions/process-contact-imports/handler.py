"""Every minute: read the lists that have been uploaded, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import lists
from shared.dispatch import fanned_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@fanned_out("process-contact-imports", "importing_agencies", prepare=lists.look_for_uploads)
def main(remaining_ms: Callable[[], int], agency_id: str | None, seconds: float | None) -> Mapping[str, object]:
    return lists.process(remaining_ms, agency_id, seconds)
