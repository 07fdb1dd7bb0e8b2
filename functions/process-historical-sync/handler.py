"""Every minute: import past calls, a page at a time, for the agencies that have asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import sync
from shared.edge import scheduled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@scheduled
def main(remaining_ms: Callable[[], int]) -> Mapping[str, object]:
    return sync.process(remaining_ms)
