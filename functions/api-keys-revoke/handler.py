"""POST /api-keys-revoke: end an API key for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import api_keys
from shared.people import endpoint

if TYPE_CHECKING:
    from shared.auth import Caller


@endpoint("POST", api_keys.ApiKeyReference, writes=True, failure="Failed to revoke API key")
def main(caller: Caller, key: api_keys.ApiKeyReference) -> api_keys.ApiKey:
    return api_keys.revoke(caller, key)
