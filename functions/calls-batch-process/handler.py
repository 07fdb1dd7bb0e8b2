"""Every minute: start due batches, place the calls their limits allow, settle what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import dialer
from shared.dispatch import fanned_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@fanned_out("calls-batch-process", "dialling_agencies", watch=dialer.watch)
def main(remaining_ms: Callable[[], int], agency_id: str | None, seconds: float | None) -> Mapping[str, object]:
    return dialer.process(remaining_ms, agency_id, seconds)
