"""Every minute: read the lists that have been uploaded, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import lists
from shared.edge import scheduled
from shared.runs import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@scheduled
@recorded("process-contact-imports")
def main(remaining_ms: Callable[[], int]) -> Mapping[str, object]:
    return lists.process(remaining_ms)
