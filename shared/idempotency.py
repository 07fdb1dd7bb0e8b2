"""A repeated request must not create a second thing: the Idempotency-Key, and what the body beside it means.

The database keeps key and answer in the transaction that creates: see recall_answer and keep_answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Body = TypeVar("Body", covariant=True)

KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True)
class Attempt:
    """One request that creates: its id and, where the client sent an Idempotency-Key, key and fingerprint."""

    request_id: str
    once: Mapping[str, str] | None = None

    @classmethod
    def of(cls, request_id: str, headers: Mapping[str, str], given: BaseModel) -> Attempt:
        """Read the header. Raises BadRequestError for a key that is none."""
        key = headers.get("idempotency-key")
        if key is None:
            return cls(request_id)
        if not KEY.fullmatch(key):
            raise BadRequestError("Idempotency-Key must be 1 to 255 visible ASCII characters")
        return cls(request_id, {"key": key, "fingerprint": fingerprint(given)})


@dataclass(frozen=True)
class Created(Generic[Body]):
    """What an attempt came to: the answer's body, and whether it is that of an earlier attempt."""

    body: Body
    replayed: bool


def fingerprint(given: BaseModel) -> str:
    """The same for two bodies that mean the same: order of names, spaces and written-out defaults do not matter."""
    canonical = json.dumps(given.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
