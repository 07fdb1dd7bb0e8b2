"""POST /api-keys-create: make a key for the batch-call endpoints; its secret is shown this once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import api_keys
from shared.people import creation

if TYPE_CHECKING:
    from shared.auth import Caller
    from shared.idempotency import Attempt, Created


@creation(api_keys.NewApiKey, failure="Failed to create API key")
def main(caller: Caller, key: api_keys.NewApiKey, attempt: Attempt) -> Created[api_keys.CreatedApiKey]:
    return api_keys.create(caller, key, attempt)
