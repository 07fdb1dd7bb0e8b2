"""Every minute: start due batches, place the calls their limits allow, settle what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import dialer
from shared.edge import scheduled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@scheduled
def main(remaining_ms: Callable[[], int]) -> Mapping[str, object]:
    return dialer.process(remaining_ms)
