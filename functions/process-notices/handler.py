"""Every minute: tell agencies what became of their batches and contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import notifier
from shared.edge import scheduled
from shared.runs import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@scheduled
@recorded("process-notices")
def main(remaining_ms: Callable[[], int]) -> Mapping[str, object]:
    return notifier.process(remaining_ms)
