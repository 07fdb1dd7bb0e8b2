"""Answers that refuse, in the provider's shape."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.simulator.config import Refusals


class Refusal(Exception):  # noqa: N818  # it is an answer, not an error of ours
    """Ends a request with this status, JSON body and headers."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


class Dropped(Exception):  # noqa: N818
    """Ends a request by closing its connection, without an answer."""


def detail(status: int, sentence: str) -> Refusal:
    """A refusal with `{"detail": sentence}`."""
    return Refusal(status, {"detail": sentence})


def throttled(seconds: float, sentence: str, refusals: Refusals) -> Refusal:
    """A refusal for now: come back in `seconds` (rounded up, at least 1)."""
    whole = max(1, math.ceil(seconds))
    after = formatdate(math.ceil(time.time() + whole), usegmt=True) if refusals.retry_after == "date" else str(whole)
    headers = {} if refusals.retry_after == "none" else {"Retry-After": after}
    return Refusal(refusals.throttled_status, {"detail": sentence}, headers)
